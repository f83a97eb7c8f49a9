/* The plan of a network's memory: what a walk over the description finds, and what decides it. */
#ifndef TP_PLAN_H
#define TP_PLAN_H

#include "network.h"

/* Sizes of what layers share, in the units of the arrays in tp_network. */
typedef struct tp_shared {
    uint32_t first_trainable, last_trainable;
    uint64_t weights;         /* floats of all layers */
    uint64_t own_gradients;   /* floats */
    uint64_t common_gradient; /* floats */
    uint64_t outputs;         /* floats a sample */
    uint64_t places;          /* bytes a sample */
    uint64_t runs;            /* a sample */
    uint64_t rows;            /* of all trainable layers */
    uint32_t trainable;
    uint32_t flow[2]; /* floats a sample */
    uint32_t most, rank, norm, patch, patch_runs;
} tp_shared;

static inline bool tp_has_momentum(const tp_network *network) {
    return network->optimizer == TP_SGD && network->momentum > 0.0f;
}

static inline bool tp_is_whole_batch(const tp_network *network) {
    return network->micro_batch == network->batch;
}

/* Whether a layer's update must wait for a gradient that is summed up somewhere. Momentum sums in the velocity. The
 * positions of a convolution are too many to be added to its weights one by one: each sum rounds to the weight's
 * digits. */
static inline bool tp_waits(const tp_network *network, const tp_layer *layer) {
    if (network->optimizer == TP_SGD)
        return !tp_has_momentum(network) && (!tp_is_whole_batch(network) || layer->kind == TP_CONV2D);
    return network->batch > 1 || layer->kind == TP_CONV2D;
}

/* Numbers that the optimizer keeps for each weight. */
static inline uint32_t tp_moments(const tp_network *network) {
    return network->optimizer == TP_SGD ? tp_has_momentum(network) : 2;
}

static inline uint32_t tp_larger(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

/* Walk over the layers. `network` holds the header and is told the number of outputs. */
tp_status tp_survey(const uint32_t *description, tp_network *network, const tp_geometry *input, tp_shared *shared);

/* Decide what follows for layer i from its place among the others; called in order, with false at first. */
void tp_settle(const tp_network *network, const tp_shared *shared, uint32_t i, tp_layer *layer, bool *may_overwrite);

#endif
