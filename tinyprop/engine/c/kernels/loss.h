/* Losses of one sample's raw outputs z, and their gradients g with respect to z. Each returns the loss.
 *
 *     softmax cross-entropy   log(sum_j exp(z_j)) - z_label        g_j = exp(z_j) / sum exp(z) - [j = label]
 *     binary cross-entropy    max(z, 0) - z label + log(1 + exp(-|z|))            g = 1 / (1 + exp(-z)) - label
 *     mean squared error      (1/n) sum_j (z_j - target_j)^2       g_j = (2/n) (z_j - target_j)
 *
 * Sums run from the lowest index up. Exponentials are of z_j less the largest z.
 */
#ifndef TP_LOSS_H
#define TP_LOSS_H

#include <stdint.h>

float tp_softmax_cross_entropy(const float *z, uint32_t n, uint32_t label, float *g);
float tp_binary_cross_entropy(float z, uint32_t label, float *g);
float tp_squared_error(const float *z, const float *target, uint32_t n, float *g);

#endif
