/* A weighted sum of rows in plain C: see add_rows.h. */
#include "config.h"
#if !defined(TP_VFP) && !defined(TP_SIMD)

#include "add_rows.h"

void tp_add_rows(float *y, const float *m, uint32_t length, const uint16_t *index, uint32_t base, uint32_t count,
                 const float *g) {
    for (uint32_t k = 0; k < count; ++k) {
        const uint32_t j = index ? index[k] : base + k;
        const float *row = m + (j - base) * length;
        const float factor = g[j];
        for (uint32_t i = 0; i < length; ++i)
            y[i] += factor * row[i];
    }
}

#endif
