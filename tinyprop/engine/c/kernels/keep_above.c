/* Entries above a bar: see select.h. Magnitudes are compared as integers, which order floats as numbers do. */
#include "select.h"

#define SIGN 0x80000000u

static uint32_t bits_of(float value) {
    uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits) {
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

uint32_t tp_keep_above(float *g, uint32_t n, float bar, float certain, float most, uint16_t *index, bool *dropped) {
    const uint32_t above = bar == bar ? bits_of(bar) : 0, raised = bits_of(certain);
    uint32_t kept = 0, left = 0;
    for (uint32_t i = 0; i < n; ++i) {
        const uint32_t bits = bits_of(g[i]), magnitude = bits & ~SIGN;
        if (magnitude <= above) {
            left |= magnitude;
            continue;
        }
        index[kept++] = (uint16_t)i;
        if (magnitude < raised) {
            const float farthest = float_of(magnitude) * most;
            g[i] = float_of(bits_of(farthest < certain ? farthest : certain) | (bits & SIGN));
        }
    }
    *dropped |= left != 0;
    return kept;
}
