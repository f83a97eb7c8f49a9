/* Ranking: which entries of an output gradient are kept.
 *
 * tp_local_error   Y = sum_i |g[i]|, in the order of dot.h with eight lanes
 * tp_keep_largest  the k entries of largest magnitude, ties to the lowest index in channel-major order, that is to the
 *                  lowest c * (n / channels) + position for an entry at index position * channels + c
 */
#ifndef TP_SELECT_H
#define TP_SELECT_H

#include <stdint.h>

float tp_local_error(const float *g, uint32_t n);

/* index  room for k; filled in ascending order
 * rank   scratch of n words */
void tp_keep_largest(const float *g, uint32_t n, uint32_t channels, uint32_t k, uint16_t *index, uint32_t *rank);

#endif
