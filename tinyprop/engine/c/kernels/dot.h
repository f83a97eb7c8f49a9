/* Rows of a matrix times vectors: the forward pass.
 *
 *     y[s][j] = b[j] + sum_i w[j][i] x[s][i]        0 <= j < rows, 0 <= i < length, 0 <= s < samples
 *
 * Order: lane l of eight adds w[j][i] x[s][i] for i = l, l + 8, l + 16, ...; then
 * ((t0 + t2) + (t1 + t3)) + b[j] with t[l] = lane l + lane l+4. Products are rounded before they are added.
 *
 * w     [rows][length]
 * b     [rows], or null for none
 * x, y  `samples` pointers to vectors of `length` and `rows` numbers
 */
#ifndef TP_DOT_H
#define TP_DOT_H

#include <stdint.h>

void tp_dot(const float *w, const float *b, uint32_t rows, uint32_t length, const float *const *x, float *const *y,
            uint32_t samples);

/* A stretch of an input that is not all zero: `blocks` blocks of eight numbers from number 8 `first` on. */
typedef struct tp_run {
    uint16_t first, blocks;
} tp_run;

/* The stretches of x, in order, and their number: at most length / 16 + 1. Only blocks of eight are looked at; the last
 * length % 8 numbers are never left out. length is below 8 * 65536. */
uint32_t tp_find_runs(const float *x, uint32_t length, tp_run *runs);

/* The same for one sample, leaving out what is zero: the same bits, since adding a zero changes no sum. */
void tp_dot_runs(const float *w, const float *b, uint32_t rows, uint32_t length, const float *x, const tp_run *runs,
                 uint32_t run_count, float *y);

#endif
