/* Rows times vectors with the compiler's vector types: see dot.h.
 *
 * Four rows and two vectors at a time: each block of a row serves two vectors, each block of a vector four rows, and
 * four rows stay in the cache until all samples have used them.
 */
#include "config.h"
#ifdef TP_SIMD

#include "stretches.h"

#define ROWS 4u
#define SAMPLES 2u
#define TOGETHER 32u /* vectors that a cache holds while all rows pass */

typedef float lanes __attribute__((vector_size(32)));
typedef float block __attribute__((vector_size(32), aligned(4), may_alias));

#define LOAD(from) (*(const block *)(from))

/* Called with constant `rows` and `samples`. */
static inline __attribute__((always_inline)) void tile(const float *w, const float *b, const uint32_t rows,
                                                       uint32_t length, const float *const *x, float *const *y,
                                                       const uint32_t samples, uint32_t j, stretches part) {
    const uint32_t whole = length - length % TP_LANES, rest = length % TP_LANES;
    lanes sum[ROWS][SAMPLES] = {{{0}}};
    for (uint32_t first = part.first, blocks = part.blocks;; first = part.next->first, blocks = part.next++->blocks) {
        for (uint32_t i = first * TP_LANES; i < (first + blocks) * TP_LANES; i += TP_LANES)
            for (uint32_t r = 0; r < rows; ++r)
                for (uint32_t s = 0; s < samples; ++s)
                    sum[r][s] += LOAD(w + r * length + i) * LOAD(x[s] + i);
        if (part.next == part.end)
            break;
    }
    if (rest)
        for (uint32_t r = 0; r < rows; ++r)
            for (uint32_t s = 0; s < samples; ++s) {
                lanes last_w = {0}, last_x = {0};
                __builtin_memcpy(&last_w, w + r * length + whole, rest * sizeof(float));
                __builtin_memcpy(&last_x, x[s] + whole, rest * sizeof(float));
                sum[r][s] += last_w * last_x;
            }
    for (uint32_t s = 0; s < samples; ++s)
        for (uint32_t r = 0; r < rows; ++r) {
            const lanes l = sum[r][s];
            const float total = ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]));
            y[s][j + r] = b ? total + b[j + r] : total;
        }
}

static inline __attribute__((always_inline)) void dot(const float *w, const float *b, uint32_t rows, uint32_t length,
                                                      const float *const *x, float *const *y, uint32_t samples,
                                                      stretches part) {
    uint32_t j = 0;
    for (; j + ROWS <= rows; j += ROWS) {
        const float *const from = w + (size_t)j * length;
        uint32_t s = 0;
        for (; s + SAMPLES <= samples; s += SAMPLES)
            tile(from, b, ROWS, length, x + s, y + s, SAMPLES, j, part);
        for (; s < samples; ++s)
            tile(from, b, ROWS, length, x + s, y + s, 1, j, part);
    }
    for (; j < rows; ++j)
        for (uint32_t s = 0; s < samples; ++s)
            tile(w + (size_t)j * length, b, 1, length, x + s, y + s, 1, j, part);
}

void tp_dot(const float *w, const float *b, uint32_t rows, uint32_t length, const float *const *x, float *const *y,
            uint32_t samples) {
    for (uint32_t s = 0; s < samples; s += TOGETHER)
        dot(w, b, rows, length, x + s, y + s, samples - s < TOGETHER ? samples - s : TOGETHER, all_blocks(length));
}

void tp_dot_runs(const float *w, const float *b, uint32_t rows, uint32_t length, const float *x, const tp_run *runs,
                 uint32_t run_count, float *y) {
    dot(w, b, rows, length, &x, &y, 1, blocks_of_runs(runs, run_count));
}

#endif
