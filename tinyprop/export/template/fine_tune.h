/* Fine-tuning of the network in network.c on samples as they come. Memory is static, nothing is allocated. */
#ifndef FINE_TUNE_H
#define FINE_TUNE_H

#include "network.h"
#include "tinyprop.h"

/* Begin with the initial weights, and with a training state that knows of no sample yet. Comes before all else. */
tp_status fine_tune_begin(void);

/* Learn from one sample, x[NETWORK_INPUTS]. Weights move with every NETWORK_BATCH-th one; until then samples are kept.
 *
 * TP_BAD_TARGET  the label is no class of the network; the samples kept are dropped
 * TP_DIVERGED    the loss is not finite: the learning rate is too high. Weights are those before; begin anew
 */
tp_status fine_tune(const float *x, network_target target);

/* Learn from the samples that are kept, although they are no whole batch. */
tp_status fine_tune_rest(void);

/* The network's raw outputs, NETWORK_OUTPUTS of them; they are there until the next call. */
const float *fine_tune_outputs(const float *x);

/* The loss of a sample, which is not learnt from. */
float fine_tune_loss(const float *x, network_target target);

/* To be saved where they shall outlive a reset. */
extern float fine_tune_weights[NETWORK_WEIGHTS];

#endif
