#include "elementary.h"

#if !(defined(TP_HOST) || (defined(__ARM_FP) && (__ARM_FP & 4)))

/* Digit by digit on integers: 25 bits of root, the last of which rounds. */
float tp_root(float x) {
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    if (!(x > 0.0f) || bits >= 0x7f800000u)
        return x < 0.0f ? (x - x) / (x - x) : x;
    int32_t exponent = (int32_t)(bits >> 23);
    uint32_t mantissa = bits & 0x007fffffu;
    if (exponent == 0) {
        exponent = 1;
        while (!(mantissa & 0x00800000u)) {
            mantissa <<= 1;
            exponent--;
        }
    }
    mantissa |= 0x00800000u;
    exponent -= 127;
    if (exponent & 1) {
        mantissa <<= 1;
        exponent--;
    }
    uint32_t rest = 0, root = 0, digits = mantissa << 7; /* two bits at a time, 12 from the mantissa, then zeros */
    for (uint32_t step = 0; step < 25; step++) {
        rest = rest << 2 | digits >> 30;
        digits <<= 2;
        root <<= 1;
        const uint32_t trial = root << 1 | 1u;
        if (rest >= trial) {
            rest -= trial;
            root |= 1u;
        }
    }
    const uint32_t rounded = (root + 1u) >> 1; /* a root is never half way between two floats */
    bits = ((uint32_t)(exponent / 2 + 127) << 23) + rounded - 0x00800000u;
    float y;
    __builtin_memcpy(&y, &bits, sizeof y);
    return y;
}

#endif
