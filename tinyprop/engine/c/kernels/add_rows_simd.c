/* A weighted sum of rows with the compiler's vector types: see add_rows.h. Four rows share each load and store of y. */
#include "config.h"
#ifdef TP_SIMD

#include "add_rows.h"

#include <stddef.h>

#define ROWS 4u

typedef float block __attribute__((vector_size(32), aligned(4), may_alias));

/* Called with a constant `rows`. */
static inline __attribute__((always_inline)) void add(float *restrict y, const float *const *row, const float *factor,
                                                      const uint32_t rows, uint32_t length) {
    uint32_t i = 0;
    for (; i + TP_LANES <= length; i += TP_LANES) {
        block sum = *(const block *)(y + i);
        for (uint32_t r = 0; r < rows; ++r)
            sum += *(const block *)(row[r] + i) * factor[r];
        *(block *)(y + i) = sum;
    }
    for (; i < length; ++i)
        for (uint32_t r = 0; r < rows; ++r)
            y[i] += factor[r] * row[r][i];
}

void tp_add_rows(float *y, const float *m, uint32_t length, const uint16_t *index, uint32_t base, uint32_t count,
                 const float *g) {
    const float *row[ROWS];
    float factor[ROWS];
    for (uint32_t k = 0; k < count; k += ROWS) {
        const uint32_t rows = count - k < ROWS ? count - k : ROWS;
        for (uint32_t r = 0; r < rows; ++r) {
            const uint32_t j = index ? index[k + r] : base + k + r;
            row[r] = m + (size_t)(j - base) * length;
            factor[r] = g[j];
        }
        if (rows == ROWS)
            add(y, row, factor, ROWS, length);
        else
            for (uint32_t r = 0; r < rows; ++r)
                add(y, row + r, factor + r, 1, length);
    }
}

#endif
