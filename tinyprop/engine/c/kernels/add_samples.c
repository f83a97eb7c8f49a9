#include "config.h"
#ifdef TP_HOST

#include "add_samples.h"

typedef float block __attribute__((vector_size(32), aligned(4), may_alias));

#define BLOCKS 4u /* of y, held in registers while all vectors pass */

void tp_add_samples(float *y, const float *const *x, const float *a, uint32_t count, uint32_t length) {
    uint32_t i = 0;
    for (; i + BLOCKS * TP_LANES <= length; i += BLOCKS * TP_LANES) {
        block *to = (block *)(y + i), sum[BLOCKS] = {to[0], to[1], to[2], to[3]};
        for (uint32_t k = 0; k < count; k++) {
            const block *from = (const block *)(x[k] + i);
            for (uint32_t b = 0; b < BLOCKS; b++)
                sum[b] += from[b] * a[k];
        }
        for (uint32_t b = 0; b < BLOCKS; b++)
            to[b] = sum[b];
    }
    for (; i < length; i++)
        for (uint32_t k = 0; k < count; k++)
            y[i] += a[k] * x[k][i];
}

#endif
