/* The sum of magnitudes: see select.h. */
#include "config.h"
#ifndef TP_VFP

#include "select.h"

float tp_local_error(const float *g, uint32_t n) {
    float lanes[TP_LANES] = {0};
    uint32_t i = 0;
    for (; i + TP_LANES <= n; i += TP_LANES)
        for (uint32_t l = 0; l < TP_LANES; ++l)
            lanes[l] += __builtin_fabsf(g[i + l]);
    for (uint32_t l = 0; i + l < n; ++l)
        lanes[l] += __builtin_fabsf(g[i + l]);
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

#endif
