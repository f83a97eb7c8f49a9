/* A weighted sum of vectors that lie anywhere: one row of the weight gradient of several samples. Host only.
 *
 *     y[i] += sum_k a[k] x[k][i]        0 <= k < count, 0 <= i < length
 *
 * Order: k ascending, each product rounded before it is added: the bits of add_outer.h, one sample after the other.
 */
#ifndef TP_ADD_SAMPLES_H
#define TP_ADD_SAMPLES_H

#include <stdint.h>

void tp_add_samples(float *y, const float *const *x, const float *a, uint32_t count, uint32_t length);

#endif
