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

static inline float sum_of(const float *l) {
    return ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]));
}

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
            const lanes l = sum[r][s]; /* a copy: sums whose address is taken would not stay in registers */
            const float total = sum_of((const float *)&l);
            y[s][j + r] = b ? total + b[j + r] : total;
        }
}

#ifdef __AVX512F__
#include <immintrin.h>

#define PAIRS 5u /* with four rows, what 32 registers hold */

/* One block of the tile of `pairs` times two vectors: sixteen lanes are the eight of one vector and the eight of the
 * next. Called with constant `pairs`; `mask` has a bit for each number of the block. */
static inline __attribute__((always_inline)) void wide_block(const float *w, uint32_t length, const float *const *x,
                                                             const uint32_t pairs, uint32_t i, __mmask8 mask,
                                                             __m512 sum[ROWS][PAIRS]) {
    __m512 vectors[PAIRS];
    for (uint32_t p = 0; p < pairs; ++p)
        vectors[p] = _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_maskz_loadu_ps(mask, x[2 * p] + i)),
                                        _mm256_maskz_loadu_ps(mask, x[2 * p + 1] + i), 1);
    for (uint32_t r = 0; r < ROWS; ++r) {
        const __m512 row = _mm512_broadcast_f32x8(_mm256_maskz_loadu_ps(mask, w + (size_t)r * length + i));
        for (uint32_t p = 0; p < pairs; ++p)
            sum[r][p] = _mm512_add_ps(sum[r][p], _mm512_mul_ps(row, vectors[p]));
    }
}

static inline __attribute__((always_inline)) void wide_tile(const float *w, const float *b, uint32_t length,
                                                            const float *const *x, float *const *y,
                                                            const uint32_t pairs, uint32_t j) {
    const uint32_t rest = length % TP_LANES, whole = length - rest;
    __m512 sum[ROWS][PAIRS];
    for (uint32_t r = 0; r < ROWS; ++r)
        for (uint32_t p = 0; p < pairs; ++p)
            sum[r][p] = _mm512_setzero_ps();
    for (uint32_t i = 0; i < whole; i += TP_LANES)
        wide_block(w, length, x, pairs, i, 0xff, sum);
    if (rest)
        wide_block(w, length, x, pairs, whole, (__mmask8)((1u << rest) - 1u), sum);
    /* unrolled, since sums in an array that is indexed by a variable would not stay in registers */
    TP_UNROLLED for (uint32_t r = 0; r < ROWS; ++r) {
        TP_UNROLLED for (uint32_t p = 0; p < pairs; ++p) {
            float both[2 * TP_LANES];
            _mm512_storeu_ps(both, sum[r][p]);
            for (uint32_t s = 0; s < 2; ++s) {
                const float total = sum_of(both + s * TP_LANES);
                y[2 * p + s][j + r] = b ? total + b[j + r] : total;
            }
        }
    }
}

/* As many vectors as go in pairs, by four rows; how many that were. */
static uint32_t wide(const float *w, const float *b, uint32_t length, const float *const *x, float *const *y,
                     uint32_t samples, uint32_t j) {
    uint32_t s = 0;
    for (; s + 2 * PAIRS <= samples; s += 2 * PAIRS)
        wide_tile(w, b, length, x + s, y + s, PAIRS, j);
    for (; s + 4 <= samples; s += 4)
        wide_tile(w, b, length, x + s, y + s, 2, j);
    for (; s + 2 <= samples; s += 2)
        wide_tile(w, b, length, x + s, y + s, 1, j);
    return s;
}
#endif

static inline
    __attribute__((always_inline)) void dot(const float *w, const float *b, uint32_t rows, uint32_t length,
                                            const float *const *x, float *const *y, uint32_t samples, stretches part) {
    uint32_t j = 0;
    for (; j + ROWS <= rows; j += ROWS) {
        const float *const from = w + (size_t)j * length;
        uint32_t s = 0;
#ifdef __AVX512F__
        s = samples > 1 ? wide(from, b, length, x, y, samples, j) : 0; /* runs come one vector at a time */
#endif
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
