/* Adaptive sparse backpropagation for small networks, in C99 with float32 and without dynamic memory.
 *
 * A network is described by an array of 32-bit words, its *description* (description.h has the format). The caller
 * gives it memory:
 *
 *     tp_memory memory;
 *     tp_status status = tp_measure(description, words, &memory);
 *     ... weights: memory.weights bytes; arena: memory.arena bytes, aligned like a pointer ...
 *     tp_network *network;
 *     status = tp_open(description, words, weights, arena, memory.arena, &network);
 *     status = tp_train(network, x, target, order, samples, learning_rate, &progress);
 *
 * Nothing is allocated after tp_open. Images and feature maps lie channels last: [height][width][channels].
 *
 * Every kernel states the order in which it adds, and no multiply-add is fused, so all cores and the host compute the
 * same bits.
 */
#ifndef TINYPROP_H
#define TINYPROP_H

#include <stdint.h>

typedef enum tp_status {
    TP_OK = 0,
    TP_BAD_DESCRIPTION = 1, /* no description, of another version, or cut short */
    TP_BAD_LAYER = 2,       /* a layer is unknown, or its numbers are impossible or do not fit the layer before */
    TP_BAD_SETTING = 3,     /* loss, policy, optimizer or batch is unknown or out of range */
    TP_TOO_LARGE = 4,       /* more than the engine can count: see TP_MAX_OUTPUTS and TP_MAX_FLOATS */
    TP_NO_MEMORY = 5,       /* the arena is smaller than tp_measure asks for, or not aligned like a pointer */
    TP_BAD_TARGET = 6,      /* a label is no class of the network */
    TP_DIVERGED = 7         /* the loss of a batch is not finite */
} tp_status;

#define TP_MAX_OUTPUTS 65536u     /* of one layer: indices of kept entries are 16 bits wide */
#define TP_MAX_FLOATS 0x0fffffffu /* in any one array */
#define TP_MAX_LAYERS 256u

/* Bytes that a network needs, by use. The sample and the description are the caller's and not in it. */
typedef struct tp_memory {
    uint32_t weights;     /* weights and biases */
    uint32_t gradients;   /* accumulated weight gradients; 0 where every update is made in place */
    uint32_t optimizer;   /* momentum or moments, and the running maxima of the local error */
    uint32_t activations; /* outputs of all layers for one micro-batch, places of the maxima in pools */
    uint32_t scratch;     /* output gradients, indices of kept entries, patches of convolutions, ranking */
    uint32_t network;     /* the engine's own records of the layers */
    uint32_t arena;       /* all but the weights: what tp_open is to be given */
    uint32_t state;       /* floats of training state that a later tp_open can go on from: see tp_state */
} tp_memory;

typedef struct tp_network tp_network;

/* One layer's selections since tp_clear_statistics; sums over samples. */
typedef struct tp_statistics {
    uint32_t steps; /* batches */
    uint32_t samples;
    uint32_t kept;                        /* entries kept, or channels where whole ones are */
    uint32_t kept_rows;                   /* weight rows with a kept entry, added up over the batches; with
                                             TP_SKIP_ZEROS, with one that is not zero */
    uint32_t kept_patches;                /* of a convolution: output positions with a kept entry, of each group for
                                             itself, added up over the samples; with TP_SKIP_ZEROS likewise; else 0 */
    float ratio;                          /* of all samples */
    float local_error;                    /* of all samples; 0 where it is not measured */
    float ratio_carry, local_error_carry; /* what the sums have lost to rounding */
} tp_statistics;

/* How far tp_train came. */
typedef struct tp_progress {
    uint32_t samples; /* trained on */
    uint32_t skipped; /* of them, left out of learning by the policy */
    float loss;       /* sum over these samples, each taken before the update that it takes part in; with TP_DIVERGED
                         the loss of the batch that is not finite is in it */
} tp_progress;

/* How much memory a network takes. */
tp_status tp_measure(const uint32_t *description, uint32_t words, tp_memory *memory);

/* Lay a network out in `arena`; `weights` holds its initial weights and will hold the trained ones. Both must stay
 * where they are as long as the network is used; the description need not. */
tp_status tp_open(const uint32_t *description, uint32_t words, float *weights, void *arena, uint32_t arena_bytes,
                  tp_network **network);

/* Train once on `samples` samples, in batches; the last may be short. After a status other than TP_OK the weights are
 * those before the batch that it came of; with micro-batches smaller than a batch, tp_state may have moved within it.
 *
 * x       rows of the network's input size
 * target  labels (uint32_t) for cross-entropies, rows of the output size (float) for the squared error
 * order   which row comes when; a null pointer is 0, 1, 2, ...
 */
tp_status tp_train(tp_network *network, const float *x, const void *target, const uint32_t *order, uint32_t samples,
                   float learning_rate, tp_progress *progress);

/* Raw outputs of `samples` samples: rows of the network's output size. Training state stays as it is. */
void tp_forward(tp_network *network, const float *x, uint32_t samples, float *outputs);

/* Everything besides the weights that training goes on from: copy it out, or copy an earlier one in. */
float *tp_state(tp_network *network);

/* Statistics of the i-th trainable layer, counted from the input; a null pointer past the last. */
const tp_statistics *tp_layer_statistics(const tp_network *network, uint32_t i);
void tp_clear_statistics(tp_network *network);

#ifdef TP_OBSERVED
/* For tests: called with each selection, after it was made. index is null where everything is kept. */
typedef void (*tp_observer)(void *context, uint32_t layer, uint32_t sample, const uint16_t *index, uint32_t kept);
void tp_observe(tp_network *network, tp_observer observer, void *context);
#endif

#ifdef TP_MARKED
/* Called where a phase of a training step begins; the firmware's is empty, and simulators watch its address.
 * where = layer << 8 | phase, layer counted from 0 among all layers; the loss counts as the layer after the last. */
void tp_mark(uint32_t where);
#endif

typedef enum tp_phase {
    TP_OUTSIDE = 0,
    TP_FORWARD = 1,
    TP_SELECT = 2,
    TP_INPUT_GRADIENT = 3,
    TP_WEIGHT_GRADIENT = 4, /* with the update in it, where gradient and update are one */
    TP_UPDATE = 5
} tp_phase;

#endif
