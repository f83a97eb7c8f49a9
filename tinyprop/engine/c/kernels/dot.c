/* Rows times vectors in plain C: see dot.h. */
#include "config.h"
#if !defined(TP_VFP) && !defined(TP_SIMD)

#include "dot.h"

static void add_products(float *lanes, const float *w, const float *x, uint32_t length) {
    uint32_t i = 0;
    for (; i + TP_LANES <= length; i += TP_LANES)
        for (uint32_t l = 0; l < TP_LANES; ++l)
            lanes[l] += w[i + l] * x[i + l];
    for (uint32_t l = 0; i + l < length; ++l)
        lanes[l] += w[i + l] * x[i + l];
}

static float add_lanes(const float *lanes) {
    const float t0 = lanes[0] + lanes[4], t1 = lanes[1] + lanes[5];
    const float t2 = lanes[2] + lanes[6], t3 = lanes[3] + lanes[7];
    return (t0 + t2) + (t1 + t3);
}

void tp_dot(const float *w, const float *b, uint32_t rows, uint32_t length, const float *const *x, float *const *y,
            uint32_t samples) {
    for (uint32_t s = 0; s < samples; ++s)
        for (uint32_t j = 0; j < rows; ++j) {
            float lanes[TP_LANES] = {0};
            add_products(lanes, w + j * length, x[s], length);
            y[s][j] = b ? add_lanes(lanes) + b[j] : add_lanes(lanes);
        }
}

void tp_dot_runs(const float *w, const float *b, uint32_t rows, uint32_t length, const float *x, const tp_run *runs,
                 uint32_t run_count, float *y) {
    const uint32_t whole = length - length % TP_LANES;
    for (uint32_t j = 0; j < rows; ++j, w += length) {
        float lanes[TP_LANES] = {0};
        for (uint32_t r = 0; r < run_count; ++r) {
            const uint32_t first = runs[r].first * TP_LANES;
            add_products(lanes, w + first, x + first, runs[r].blocks * TP_LANES);
        }
        add_products(lanes, w + whole, x + whole, length - whole);
        y[j] = b ? add_lanes(lanes) + b[j] : add_lanes(lanes);
    }
}

#endif
