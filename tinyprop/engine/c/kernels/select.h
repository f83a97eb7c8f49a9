/* Ranking: which entries of an output gradient are kept.
 *
 * tp_local_error   Y = sum_i |g[i]|, in the order of dot.h with eight lanes
 * tp_keep_largest  the k entries of largest magnitude, ties to the lowest index in channel-major order, that is to the
 *                  lowest c * (n / channels) + position for an entry at index position * channels + c
 * tp_keep_above    the entries with |g[i]| > bar, or that are no numbers; each is multiplied by
 *                  clamp(certain / |g[i]|, 1, most), that is, its magnitude becomes max(|g[i]|, min(certain, |g[i]| most))
 */
#ifndef TP_SELECT_H
#define TP_SELECT_H

#include <stdbool.h>
#include <stdint.h>

float tp_local_error(const float *g, uint32_t n);

/* index  room for k; filled in ascending order
 * rank   scratch of n words */
void tp_keep_largest(const float *g, uint32_t n, uint32_t channels, uint32_t k, uint16_t *index, uint32_t *rank);

/* bar, certain  not negative, bar <= certain; most >= 1
 * index         room for n; filled in ascending order
 * dropped       becomes true where an entry that is not zero is not kept
 * Returns how many are kept. */
uint32_t tp_keep_above(float *g, uint32_t n, float bar, float certain, float most, uint16_t *index, bool *dropped);

#endif
