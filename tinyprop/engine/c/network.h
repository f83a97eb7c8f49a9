/* The engine's own records of a network: what the description says, and where things lie in memory. */
#ifndef TP_NETWORK_H
#define TP_NETWORK_H

#include "description.h"
#include "kernels/config.h"
#include "kernels/dot.h"
#include "kernels/patch.h"
#include "kernels/pool.h"
#include "tinyprop.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct tp_layer {
    uint32_t kind;
    tp_geometry geometry; /* of a convolution or pool; of other layers its input and output shapes only */
    uint32_t in_size, out_size;
    bool in_place; /* an activation that overwrites what it is given, or a flatten: no output of its own */

    /* trainable layers */
    uint32_t rows, length; /* of the weight matrix: output units or channels, and what each of them sees */
    uint32_t biases;       /* 0 or rows */
    float damping;
    bool is_output, gives_input_gradient, selects;
    uint32_t ranked;       /* n, what a selection chooses among: entries, or channels */
    uint32_t most;         /* entries that it can keep at most */
    float *weight;         /* rows, then biases */
    float *gradient;       /* the sum that an update waits for; null where updates are made in place */
    float *first, *second; /* momentum or first moments, second moments; null where the optimizer has none */
    float *local_error_max;
    uint8_t *touched; /* rows that the batch under way has added to */
    bool begun;       /* whether that batch has had a sample to learn from */
    tp_statistics statistics;

    const float *input; /* [micro-batch][in_size]; null for the samples themselves */
    float *output;      /* [micro-batch][out_size] */
    uint8_t *place;     /* of the maximum in each window of a max pool */
    tp_run *runs;       /* with TP_SKIP_ZEROS, of each sample's input of a linear layer */
    uint32_t *run_count;
} tp_layer;

/* Multiply-accumulates: 64 bits, in two words since the arena is aligned for no more. */
typedef struct tp_work {
    uint32_t low, high;
} tp_work;

/* What a batch under a budget has spent so far. */
typedef struct tp_spending {
    tp_work kept, total;
    float scores;  /* of the entries, weighted by their work */
    bool selected; /* whether an entry was kept by the threshold */
    bool dropped;  /* whether an entry that is not zero was dropped */
} tp_spending;

struct tp_network {
    uint32_t layers;
    uint32_t loss, policy, policy_flags, optimizer, options;
    uint32_t batch, micro_batch;
    uint32_t inputs, outputs;
    float ratio, s_min, s_range, skip_threshold;
    uint32_t k;
    float momentum, beta1, beta1_rest, beta2, beta2_rest, epsilon, weight_decay;
    float budget, budget_log, horizon, max_factor;
    float *state; /* see description.h */

    float *threshold;     /* its part of the state, with TP_BUDGET: see threshold.c */
    tp_spending spending; /* of the batch under way */

    const float **input; /* [micro-batch] samples */
    const float **x;     /* [micro-batch or tile] what a kernel reads */
    float **y;           /* [micro-batch or tile] what a kernel writes */
    float *flow[2];      /* gradients of outputs; each layer that makes a new one takes the other buffer */
    uint16_t *index;     /* [micro-batch][most] kept entries of the layer at hand */
    uint32_t *kept;      /* [micro-batch] how many; TP_ALL: everything, without a list */
    uint8_t *skipped;    /* [micro-batch] samples that are not learnt from */
    float *local_error;  /* [micro-batch] */
    uint32_t most;
    uint32_t *rank;
    float *norm;  /* [channels] L1 norms, with TP_BY_CHANNEL */
    float *patch; /* [tile][length] */
    tp_run *runs; /* of one patch */
    bool begun;   /* whether any layer's update of the batch under way has begun */
#ifdef TP_HOST
    uint32_t *cursor; /* [micro-batch] how far a walk by rows is in each list of kept entries */
    float *factor;    /* [micro-batch] */
#endif
#ifdef TP_OBSERVED
    tp_observer observer;
    void *observer_context;
#endif
    tp_layer layer[];
};

#define TP_ALL 0xffffffffu

/* How a micro-batch stands in its batch. */
typedef struct tp_share {
    uint32_t samples; /* of the micro-batch */
    uint32_t done;    /* of the batch, before it */
    float scale;      /* 1 / samples of the batch */
    float learning_rate;
    bool last;
} tp_share;

static inline bool tp_is_trainable(const tp_layer *layer) {
    return layer->kind == TP_LINEAR || layer->kind == TP_CONV2D;
}

static inline const float *tp_input_of(const tp_network *network, const tp_layer *layer, uint32_t s) {
    return layer->input == NULL ? network->input[s] : layer->input + (size_t)s * layer->in_size;
}

static inline uint32_t tp_weights_of(const tp_layer *layer) {
    return layer->rows * layer->length + layer->biases;
}

/* Stretches that an input of this length can have: see dot.h. */
static inline uint32_t tp_runs_of(uint32_t length) {
    return length / (2 * TP_LANES) + 1;
}

/* Read the header, or layer i given the one before (null for the first); checks everything that can be checked. */
tp_status tp_read_header(const uint32_t *description, uint32_t words, tp_network *network, tp_geometry *input);
tp_status tp_read_layer(const uint32_t *description, uint32_t i, const tp_network *network, const tp_geometry *before,
                        tp_layer *layer);

/* k of a ratio, of n to choose among. */
uint32_t tp_count(const tp_network *network, float ratio, uint32_t n);

/* The ratio of a sample with this local error. */
float tp_ratio(const tp_network *network, const tp_layer *layer, float local_error, float local_error_max);

void tp_forward_pass(tp_network *network, uint32_t samples);
/* Which entries of a layer's gradients are kept; a budget scales them, too. */
void tp_select(tp_network *network, uint32_t l, float *flow, const tp_share *share);

/* The same for sample s of the micro-batch under a budget: how many are kept. */
uint32_t tp_select_by_threshold(tp_network *network, uint32_t l, uint32_t s, float *g, const tp_share *share);

/* Count a sample's work in a layer that keeps everything. */
void tp_spend_all(tp_network *network, const tp_layer *layer);

/* Let the threshold follow what a batch of so many samples has spent. */
void tp_follow_budget(tp_network *network, uint32_t samples);

void tp_backward_pass(tp_network *network, const tp_share *share);

/* Add the samples' weight gradient, times scale, to `sum`: rows, then biases. */
void tp_add_weight_gradient(tp_network *network, tp_layer *layer, const float *flow, float scale, float *sum,
                            uint32_t samples);

/* Whether a layer's only selection of a batch tells which rows were added to, so that nothing is to be marked. */
static inline bool tp_counts_kept(const tp_network *network, const tp_layer *layer) {
    return network->batch == 1 && layer->kind == TP_LINEAR;
}

/* Learn from the output gradients of a micro-batch; after the last of a batch, the layer's weights have moved. */
void tp_update(tp_network *network, uint32_t l, const tp_share *share, const float *flow);

/* Forget what a batch that ends early has summed up so far. */
void tp_abandon(tp_network *network);

#endif
