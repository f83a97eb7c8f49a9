/* Reading a description, which is not trusted: every number is checked before anything is computed from it. */
#include "network.h"

#include <string.h>

static float as_float(uint32_t word) {
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

static bool within(float value, float low, float high) {
    return value >= low && value <= high; /* false for a NaN */
}

static bool is_side(uint32_t value) {
    return value >= 1 && value <= TP_MAX_FLOATS;
}

/* The number of values in a shape; 0 if the engine cannot count them. */
static uint32_t size_of(uint32_t height, uint32_t width, uint32_t channels) {
    if (!is_side(height) || !is_side(width) || !is_side(channels))
        return 0;
    const uint64_t plane = (uint64_t)height * width;
    return plane > TP_MAX_FLOATS || plane * channels > TP_MAX_FLOATS ? 0 : (uint32_t)(plane * channels);
}

static tp_status check_settings(const tp_network *network) {
    const tp_network *n = network;
    const bool fine =
        n->loss <= TP_MEAN_SQUARED_ERROR && n->batch >= 1 && n->batch <= TP_MAX_FLOATS && n->micro_batch >= 1 &&
        n->micro_batch <= n->batch && n->policy <= TP_BUDGET && n->policy_flags < 2 * TP_DENSE_OUTPUT &&
        within(n->ratio, 0.0f, 1.0f) && within(n->s_min, 0.0f, 1.0f) && within(n->s_range, 0.0f, 3.4e38f) &&
        within(n->skip_threshold, 0.0f, 1.0f) && (n->policy != TP_MEPROP || n->k >= 1) && n->optimizer <= TP_ADAMW &&
        within(n->momentum, 0.0f, 1.0f) && within(n->beta1, 0.0f, 1.0f) && within(n->beta1_rest, 0.0f, 1.0f) &&
        within(n->beta2, 0.0f, 1.0f) && within(n->beta2_rest, 0.0f, 1.0f) && within(n->epsilon, 0.0f, 3.4e38f) &&
        within(n->weight_decay, 0.0f, 3.4e38f) && n->options < 2 * TP_MEASURE_ERROR;
    const bool budget = n->policy != TP_BUDGET ||
                        ((n->policy_flags & (TP_BY_CHANNEL | TP_DENSE_BIAS)) == 0 && within(n->budget, 1e-9f, 1.0f) &&
                         within(n->budget_log, 0.0f, 30.0f) && within(n->horizon, 1.0f, 3.4e38f) &&
                         within(n->max_factor, 1.0f, 3.4e38f));
    return fine && budget ? TP_OK : TP_BAD_SETTING;
}

tp_status tp_read_header(const uint32_t *description, uint32_t words, tp_network *network, tp_geometry *input) {
    if (description == NULL || words < TP_HEADER_WORDS || description[TP_WORD_MAGIC] != TP_MAGIC)
        return TP_BAD_DESCRIPTION;
    const uint32_t layers = description[TP_WORD_LAYERS];
    if (layers < 1 || layers > TP_MAX_LAYERS || description[TP_WORD_WORDS] != words ||
        words != TP_HEADER_WORDS + layers * TP_LAYER_WORDS)
        return TP_BAD_DESCRIPTION;
    for (uint32_t word = TP_WORD_MAX_FACTOR + 1; word < TP_HEADER_WORDS; word++)
        if (description[word] != 0)
            return TP_BAD_DESCRIPTION;
    memset(network, 0, sizeof *network);
    network->layers = layers;
    network->loss = description[TP_WORD_LOSS];
    network->batch = description[TP_WORD_BATCH];
    network->micro_batch = description[TP_WORD_MICRO_BATCH];
    network->policy = description[TP_WORD_POLICY];
    network->policy_flags = description[TP_WORD_POLICY_FLAGS];
    network->ratio = as_float(description[TP_WORD_RATIO]);
    network->k = description[TP_WORD_K];
    network->s_min = as_float(description[TP_WORD_S_MIN]);
    network->s_range = as_float(description[TP_WORD_S_RANGE]);
    network->skip_threshold = as_float(description[TP_WORD_SKIP_THRESHOLD]);
    network->optimizer = description[TP_WORD_OPTIMIZER];
    network->momentum = as_float(description[TP_WORD_MOMENTUM]);
    network->beta1 = as_float(description[TP_WORD_BETA1]);
    network->beta1_rest = as_float(description[TP_WORD_BETA1_REST]);
    network->beta2 = as_float(description[TP_WORD_BETA2]);
    network->beta2_rest = as_float(description[TP_WORD_BETA2_REST]);
    network->epsilon = as_float(description[TP_WORD_EPSILON]);
    network->weight_decay = as_float(description[TP_WORD_WEIGHT_DECAY]);
    network->options = description[TP_WORD_OPTIONS];
    network->budget = as_float(description[TP_WORD_BUDGET]);
    network->budget_log = as_float(description[TP_WORD_BUDGET_LOG]);
    network->horizon = as_float(description[TP_WORD_HORIZON]);
    network->max_factor = as_float(description[TP_WORD_MAX_FACTOR]);
    const tp_status status = check_settings(network);
    if (status != TP_OK)
        return status;
    input->out_height = description[TP_WORD_HEIGHT];
    input->out_width = description[TP_WORD_WIDTH];
    input->out_channels = description[TP_WORD_CHANNELS];
    network->inputs = size_of(input->out_height, input->out_width, input->out_channels);
    return network->inputs == 0 ? TP_TOO_LARGE : TP_OK;
}

static tp_status read_linear(const uint32_t *word, tp_layer *layer) {
    if (word[1] != layer->in_size || !is_side(word[2]))
        return TP_BAD_LAYER;
    tp_geometry *g = &layer->geometry;
    *g = (tp_geometry){1, 1, word[1], 1, 1, word[2], 1, 1, 0, 1};
    layer->rows = word[2];
    layer->length = word[1];
    layer->biases = word[2];
    return TP_OK;
}

/* Windows of a convolution or pool over the input. */
static tp_status slide(tp_geometry *g, uint32_t kernel, uint32_t stride, uint32_t padding) {
    if (kernel < 1 || kernel > 0xffff || stride < 1 || stride > 0xffff || padding >= kernel ||
        g->height + 2 * padding < kernel || g->width + 2 * padding < kernel)
        return TP_BAD_LAYER;
    g->kernel = kernel;
    g->stride = stride;
    g->padding = padding;
    g->out_height = (g->height + 2 * padding - kernel) / stride + 1;
    g->out_width = (g->width + 2 * padding - kernel) / stride + 1;
    return TP_OK;
}

static tp_status read_convolution(const uint32_t *word, tp_layer *layer) {
    tp_geometry *g = &layer->geometry;
    const uint32_t out_channels = word[2], groups = word[6];
    if (word[1] != g->channels || !is_side(out_channels) || groups < 1 || g->channels % groups != 0 ||
        out_channels % groups != 0 || word[7] > 1 || slide(g, word[3], word[4], word[5]) != TP_OK)
        return TP_BAD_LAYER;
    g->out_channels = out_channels;
    g->groups = groups;
    layer->rows = out_channels;
    layer->length = size_of(g->kernel, g->kernel, g->channels / groups);
    layer->biases = word[7] ? out_channels : 0;
    return layer->length == 0 ? TP_TOO_LARGE : TP_OK;
}

static tp_status read_pool(const uint32_t *word, tp_layer *layer) {
    tp_geometry *g = &layer->geometry;
    if (word[1] > TP_MAX_POOL_KERNEL || slide(g, word[1], word[2], 0) != TP_OK)
        return TP_BAD_LAYER;
    g->out_channels = g->channels;
    return TP_OK;
}

tp_status tp_read_layer(const uint32_t *description, uint32_t i, const tp_network *network, const tp_geometry *before,
                        tp_layer *layer) {
    const uint32_t *word = description + TP_HEADER_WORDS + i * TP_LAYER_WORDS;
    memset(layer, 0, sizeof *layer);
    tp_geometry *g = &layer->geometry;
    *g = (tp_geometry){before->out_height,
                       before->out_width,
                       before->out_channels,
                       before->out_height,
                       before->out_width,
                       before->out_channels,
                       1,
                       1,
                       0,
                       1};
    layer->kind = word[0];
    layer->in_size = size_of(g->height, g->width, g->channels);
    tp_status status = TP_OK;
    switch (layer->kind) {
    case TP_LINEAR:
        status = read_linear(word, layer);
        break;
    case TP_CONV2D:
        status = read_convolution(word, layer);
        break;
    case TP_MAX_POOL:
    case TP_AVERAGE_POOL:
        status = read_pool(word, layer);
        break;
    case TP_FLATTEN:
        g->out_channels = layer->in_size;
        g->out_height = g->out_width = 1;
        break;
    case TP_RELU:
    case TP_SIGMOID:
    case TP_TANH:
        break;
    default:
        return TP_BAD_LAYER;
    }
    if (status != TP_OK)
        return status;
    layer->out_size = size_of(g->out_height, g->out_width, g->out_channels);
    if (layer->out_size == 0 || (uint64_t)layer->out_size * network->micro_batch > TP_MAX_FLOATS)
        return TP_TOO_LARGE;
    if (!tp_is_trainable(layer))
        return TP_OK;
    layer->damping = as_float(word[TP_WORD_DAMPING]);
    if (!within(layer->damping, 0.0f, 1.0f))
        return TP_BAD_SETTING;
    if (layer->out_size > TP_MAX_OUTPUTS || layer->length / TP_LANES > 0xffff ||
        (uint64_t)layer->rows * layer->length + layer->biases > TP_MAX_FLOATS)
        return TP_TOO_LARGE;
    return TP_OK;
}
