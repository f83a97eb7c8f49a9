/* A vector added to rows of a matrix: the weight gradient, or with a negative scale the gradient and SGD's update
 * in one.
 *
 *     m[index[k] - base][i] += (scale g[index[k]]) x[i]        0 <= k < count, 0 <= i < length
 *
 * Order: scale g is rounded, then its product with x, then the sum.
 *
 * m, index, base, g  as in add_rows.h; no row may be named twice
 * x                  [length]
 */
#ifndef TP_ADD_OUTER_H
#define TP_ADD_OUTER_H

#include <stdint.h>

#include "dot.h"

void tp_add_outer(float *m, uint32_t length, const uint16_t *index, uint32_t base, uint32_t count, const float *g,
                  float scale, const float *x);

/* The same without the stretches of x that are zero. */
void tp_add_outer_runs(float *m, uint32_t length, const uint16_t *index, uint32_t base, uint32_t count, const float *g,
                       float scale, const float *x, const tp_run *runs, uint32_t run_count);

#endif
