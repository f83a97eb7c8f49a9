/* A vector added to rows with the compiler's vector types: see add_outer.h. Four rows share each load of x. */
#include "config.h"
#ifdef TP_SIMD

#include "add_outer.h"
#include "stretches.h"

#define ROWS 4u

typedef float block __attribute__((vector_size(32), aligned(4), may_alias));

/* Called with a constant `rows`. */
static inline __attribute__((always_inline)) void add(float *const *row, const float *factor, const uint32_t rows,
                                                      uint32_t length, const float *x, stretches part) {
    for (uint32_t first = part.first, blocks = part.blocks;; first = part.next->first, blocks = part.next++->blocks) {
        for (uint32_t i = first * TP_LANES; i < (first + blocks) * TP_LANES; i += TP_LANES) {
            const block from = *(const block *)(x + i);
            for (uint32_t r = 0; r < rows; ++r)
                *(block *)(row[r] + i) += from * factor[r];
        }
        if (part.next == part.end)
            break;
    }
    for (uint32_t i = length - length % TP_LANES; i < length; ++i)
        for (uint32_t r = 0; r < rows; ++r)
            row[r][i] += factor[r] * x[i];
}

static inline __attribute__((always_inline)) void add_outer(float *m, uint32_t length, const uint16_t *index,
                                                            uint32_t base, uint32_t count, const float *g, float scale,
                                                            const float *x, stretches part) {
    float *row[ROWS], factor[ROWS];
    for (uint32_t k = 0; k < count; k += ROWS) {
        const uint32_t rows = count - k < ROWS ? count - k : ROWS;
        for (uint32_t r = 0; r < rows; ++r) {
            const uint32_t j = index ? index[k + r] : base + k + r;
            row[r] = m + (size_t)(j - base) * length;
            factor[r] = scale * g[j];
        }
        if (rows == ROWS)
            add(row, factor, ROWS, length, x, part);
        else
            for (uint32_t r = 0; r < rows; ++r)
                add(row + r, factor + r, 1, length, x, part);
    }
}

void tp_add_outer(float *m, uint32_t length, const uint16_t *index, uint32_t base, uint32_t count, const float *g,
                  float scale, const float *x) {
    add_outer(m, length, index, base, count, g, scale, x, all_blocks(length));
}

void tp_add_outer_runs(float *m, uint32_t length, const uint16_t *index, uint32_t base, uint32_t count, const float *g,
                       float scale, const float *x, const tp_run *runs, uint32_t run_count) {
    add_outer(m, length, index, base, count, g, scale, x, blocks_of_runs(runs, run_count));
}

#endif
