/* Gradients of a linear layer for a whole micro-batch, in an order that suits a cache: the weights pass through it once
 * a batch, not once a sample. Every number is added up in the same order as sample by sample, so the bits are the same.
 * Host only.
 */
#ifndef TP_BY_ROW_H
#define TP_BY_ROW_H

#include "network.h"

/* dX of each sample; dx is set to zero first. */
void tp_input_gradient_by_row(tp_network *network, const tp_layer *layer, const float *flow, float *dx,
                              uint32_t samples);

/* Add (scale G)' X to `sum`, [rows][length], and mark the rows as touched. */
void tp_add_weight_gradient_by_row(tp_network *network, tp_layer *layer, const float *flow, float scale, float *sum,
                                   uint32_t samples);

#endif
