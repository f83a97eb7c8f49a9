/* The format of a network's description: little-endian 32-bit words, integers or float32.
 *
 * Header (32 words), then TP_LAYER_WORDS words for each layer. Words that are not named are 0. Sizes are of one sample.
 */
#ifndef TP_DESCRIPTION_H
#define TP_DESCRIPTION_H

#define TP_MAGIC 0x314e5054u /* "TPN1" */
#define TP_HEADER_WORDS 32u
#define TP_LAYER_WORDS 10u

enum { /* words of the header */
       TP_WORD_MAGIC,
       TP_WORD_WORDS, /* of the whole description */
       TP_WORD_LAYERS,
       TP_WORD_HEIGHT, /* of the input; a flat input of m numbers is 1 x 1 x m */
       TP_WORD_WIDTH,
       TP_WORD_CHANNELS,
       TP_WORD_LOSS,
       TP_WORD_BATCH,       /* samples an update */
       TP_WORD_MICRO_BATCH, /* samples held in memory at a time, 1 to batch; see below */
       TP_WORD_POLICY,
       TP_WORD_POLICY_FLAGS,
       TP_WORD_RATIO,          /* float: static */
       TP_WORD_K,              /* meProp */
       TP_WORD_S_MIN,          /* float: adaptive */
       TP_WORD_S_RANGE,        /* float: s_max - s_min */
       TP_WORD_SKIP_THRESHOLD, /* float: adaptive with skip */
       TP_WORD_OPTIMIZER,
       TP_WORD_MOMENTUM,     /* float: SGD; 0 is none */
       TP_WORD_BETA1,        /* float: Adam */
       TP_WORD_BETA1_REST,   /* float: 1 - beta1, rounded once */
       TP_WORD_BETA2,        /* float */
       TP_WORD_BETA2_REST,   /* float */
       TP_WORD_EPSILON,      /* float */
       TP_WORD_WEIGHT_DECAY, /* float */
       TP_WORD_OPTIONS,
       TP_WORD_BUDGET,     /* float: budget */
       TP_WORD_BUDGET_LOG, /* float: -ln(budget), rounded once */
       TP_WORD_HORIZON,    /* float */
       TP_WORD_MAX_FACTOR  /* float */
};

/* A batch that is held whole (micro-batch = batch) is worked on layer by layer: its gradients need no buffer under SGD,
 * and its activations need room for each sample. Smaller micro-batches need little of it and a gradient of each weight;
 * a sample's ratio then sees the running maximum up to its own micro-batch. */

enum { TP_SOFTMAX_CROSS_ENTROPY, TP_BINARY_CROSS_ENTROPY, TP_MEAN_SQUARED_ERROR };
enum { TP_DENSE, TP_STATIC, TP_MEPROP, TP_ADAPTIVE, TP_ADAPTIVE_SKIP, TP_BUDGET };
enum {
    TP_BY_CHANNEL = 1,  /* convolutions keep whole output channels, ranked by their L1 norm */
    TP_ROUND_DOWN = 2,  /* k = floor(n r); otherwise floor(n r + 1/2) */
    TP_DENSE_BIAS = 4,  /* biases learn from dropped entries too */
    TP_DENSE_OUTPUT = 8 /* the output layer keeps everything */
};
enum { TP_SGD, TP_ADAM, TP_ADAMW };
enum {
    TP_SKIP_ZEROS = 1,   /* do no arithmetic on exact zeros of inputs and gradients */
    TP_MEASURE_ERROR = 2 /* know the local error of dense layers too */
};
/* Of finite numbers, skipping zeros changes no bit of the result, but for a weight of -0, which may stay -0 where
 * adding a zero would make it +0. */

enum {                /* layers: word 0 is the kind, the others follow */
       TP_LINEAR = 1, /* inputs, outputs */
       TP_CONV2D,     /* input channels, output channels, kernel, stride, padding, groups, bias (0 or 1) */
       TP_RELU,
       TP_SIGMOID,
       TP_TANH,
       TP_MAX_POOL,     /* kernel, stride */
       TP_AVERAGE_POOL, /* kernel, stride */
       TP_FLATTEN /* stays [height][width][channels]: whoever makes a description from channel-first weights permutes
                     the columns of the linear layer that follows */
};
#define TP_WORD_DAMPING 8u /* float: of a trainable layer, zeta to the power of its distance from the output */

/* Weights: for each trainable layer in order, its rows, then its biases.
 * linear  [outputs][inputs]
 * conv2d  [output channels][kernel][kernel][input channels / groups]
 *
 * State (tp_state): 1 - beta1^t and 1 - beta2^t of Adam (2 floats, whatever the optimizer), then the running maximum of
 * each trainable layer's local error, then momentum or first moments in the layout of the weights, then second moments;
 * with TP_BUDGET then the threshold, its debt, and the number of samples trained on, modulo 2^24.
 */

#endif
