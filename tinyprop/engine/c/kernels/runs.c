/* The stretches of a vector that are not zero: see dot.h. */
#include "config.h"
#include "dot.h"

/* Whether any number of a block is neither +0 nor -0. */
static uint32_t any(const float *x) {
    uint32_t bits[TP_LANES], seen = 0;
    __builtin_memcpy(bits, x, sizeof bits);
    for (uint32_t l = 0; l < TP_LANES; ++l)
        seen |= bits[l];
    return seen << 1;
}

uint32_t tp_find_runs(const float *x, uint32_t length, tp_run *runs) {
    uint32_t count = 0, open = 0;
    for (uint32_t block = 0; block < length / TP_LANES; ++block, x += TP_LANES) {
        if (!any(x)) {
            open = 0;
            continue;
        }
        if (!open)
            runs[count++] = (tp_run){(uint16_t)block, 0};
        ++runs[count - 1].blocks;
        open = 1;
    }
    return count;
}
