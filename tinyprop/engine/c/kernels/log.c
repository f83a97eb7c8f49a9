#include "elementary.h"

float tp_log(float x) {
    if (!(x <= 3.4028235e38f)) /* infinite, or NaN */
        return x;
    int32_t e = 0;
    if (x < 1.17549435e-38f) { /* subnormal */
        x *= 8388608.0f;
        e = -23;
    }
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    e += (int32_t)(bits >> 23) - 127;
    bits = (bits & 0x007fffffu) | 0x3f800000u;
    float m;
    __builtin_memcpy(&m, &bits, sizeof m);
    if (m >= 1.41421356f) {
        m *= 0.5f;
        e += 1;
    }
    const float f = m - 1.0f, s = f / (m + 1.0f), z = s * s;
    float p = 0.29583147168159485f;
    p = p * z + 0.3998870849609375f;
    p = p * z + 0.6666668653488159f;
    /* 2 s = f - s f: the small correction is added last */
    const float rest = s * (p * z) - s * f;
    return ((float)e * -2.12194440e-4f + rest) + f + (float)e * 0.693359375f;
}
