/* A vector added to rows in plain C: see add_outer.h. */
#include "config.h"
#if !defined(TP_VFP) && !defined(TP_SIMD)

#include "add_outer.h"

static void add_scaled(float *row, float factor, const float *x, uint32_t length) {
    for (uint32_t i = 0; i < length; ++i)
        row[i] += factor * x[i];
}

void tp_add_outer(float *m, uint32_t length, const uint16_t *index, uint32_t base, uint32_t count, const float *g,
                  float scale, const float *x) {
    for (uint32_t k = 0; k < count; ++k) {
        const uint32_t j = index ? index[k] : base + k;
        add_scaled(m + (j - base) * length, scale * g[j], x, length);
    }
}

void tp_add_outer_runs(float *m, uint32_t length, const uint16_t *index, uint32_t base, uint32_t count, const float *g,
                       float scale, const float *x, const tp_run *runs, uint32_t run_count) {
    const uint32_t whole = length - length % TP_LANES;
    for (uint32_t k = 0; k < count; ++k) {
        const uint32_t j = index ? index[k] : base + k;
        float *row = m + (j - base) * length;
        const float factor = scale * g[j];
        for (uint32_t r = 0; r < run_count; ++r) {
            const uint32_t first = runs[r].first * TP_LANES;
            add_scaled(row + first, factor, x + first, runs[r].blocks * TP_LANES);
        }
        add_scaled(row + whole, factor, x + whole, length - whole);
    }
}

#endif
