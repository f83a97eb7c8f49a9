/* What becomes of weight gradients: added to the weights in place, to the velocity, or up for an update that waits. */
#include "kernels/update.h"
#include "kept.h"
#include "kernels/elementary.h"

#include <string.h>

static bool learns(const tp_network *network, uint32_t samples) {
    for (uint32_t s = 0; s < samples; s++)
        if (!network->skipped[s])
            return true;
    return false;
}

/* 1 - b^t = b (1 - b^(t-1)) + (1 - b): a sum of positive terms, where the power itself would lose its digits. */
static void count_step(tp_network *network) {
    if (network->begun)
        return;
    float *rest = network->state;
    rest[0] = network->beta1 * rest[0] + network->beta1_rest;
    rest[1] = network->beta2 * rest[1] + network->beta2_rest;
    network->begun = true;
}

static tp_adam_step adam_step(const tp_network *network, float learning_rate) {
    tp_adam_step step = {.beta1 = network->beta1,
                         .beta1_rest = network->beta1_rest,
                         .beta2 = network->beta2,
                         .beta2_rest = network->beta2_rest,
                         .epsilon = network->epsilon,
                         .step = learning_rate / network->state[0],
                         .root = tp_root(network->state[1]),
                         .decay = network->optimizer == TP_ADAM ? network->weight_decay : 0.0f,
                         .shrinkage = 0.0f};
    if (network->optimizer == TP_ADAMW)
        step.shrinkage = learning_rate * network->weight_decay;
    return step;
}

/* Before the first gradient of a batch is added to what it is added to. */
static void begin(tp_network *network, uint32_t l, const tp_share *share) {
    tp_layer *layer = &network->layer[l];
    const uint32_t n = tp_weights_of(layer);
    layer->begun = true;
    count_step(network);
    if (network->optimizer != TP_SGD || layer->gradient != NULL)
        return;
    if (layer->first != NULL) {
        TP_MARK(TP_UPDATE, l);
        tp_velocity(layer->first, layer->weight, n, network->momentum, network->weight_decay);
    } else if (network->weight_decay > 0.0f) {
        TP_MARK(TP_UPDATE, l);
        tp_decay(layer->weight, n, share->learning_rate, network->weight_decay);
    }
}

/* SGD moves the rows that were added to, and all of them under decay. */
static void move_touched(const tp_network *network, tp_layer *layer, float learning_rate) {
    if (network->weight_decay > 0.0f)
        tp_decay(layer->weight, tp_weights_of(layer), learning_rate, network->weight_decay);
    for (uint32_t row = 0; row < layer->rows; row++)
        if (layer->touched[row])
            tp_sgd(layer->weight + row * layer->length, layer->gradient + row * layer->length, layer->length,
                   learning_rate);
    const uint32_t biases = layer->rows * layer->length;
    tp_sgd(layer->weight + biases, layer->gradient + biases, layer->biases, learning_rate);
}

/* After the last gradient of a batch. */
static void finish(tp_network *network, uint32_t l, const tp_share *share) {
    tp_layer *layer = &network->layer[l];
    const uint32_t n = tp_weights_of(layer);
    layer->begun = false;
    if (network->optimizer == TP_SGD && layer->first == NULL && layer->gradient == NULL)
        return;
    TP_MARK(TP_UPDATE, l);
    if (network->optimizer != TP_SGD) {
        const tp_adam_step step = adam_step(network, share->learning_rate);
        tp_adam(&step, layer->weight, layer->first, layer->second, layer->gradient, n);
    } else if (layer->first != NULL) {
        tp_momentum(layer->weight, layer->first, n, share->learning_rate);
    } else {
        move_touched(network, layer, share->learning_rate);
    }
}

/* Adam on a single sample of a linear layer: gradient, moments and weights of a row in one go. */
static void adam_in_place(tp_network *network, uint32_t l, const tp_share *share, const float *g) {
    tp_layer *layer = &network->layer[l];
    const tp_adam_step step = adam_step(network, share->learning_rate);
    const tp_list kept = tp_kept_of(network, layer, 0);
    const float *x = tp_input_of(network, layer, 0);
    const uint32_t biases = layer->rows * layer->length;
    const bool dense_bias = (network->policy_flags & TP_DENSE_BIAS) != 0;
    TP_MARK(TP_UPDATE, l);
    uint32_t next = 0;
    for (uint32_t row = 0; row < layer->rows; row++) {
        const bool is_kept = next < kept.count && (kept.index == NULL || kept.index[next] == row);
        next += is_kept;
        const float a = is_kept ? share->scale * g[row] : 0.0f;
        float bias = is_kept || dense_bias ? share->scale * g[row] : 0.0f;
        const uint32_t at = row * layer->length, b = biases + row;
        tp_adam_outer(&step, layer->weight + at, layer->first + at, layer->second + at, a, x, layer->length);
        tp_adam(&step, layer->weight + b, layer->first + b, layer->second + b, &bias, 1);
    }
    layer->begun = false;
}

static void count_rows(tp_layer *layer) {
    for (uint32_t row = 0; row < layer->rows; row++)
        layer->statistics.kept_rows += layer->touched[row];
    memset(layer->touched, 0, layer->rows);
}

void tp_abandon(tp_network *network) {
    for (uint32_t l = 0; l < network->layers; l++) {
        tp_layer *layer = &network->layer[l];
        if (!tp_is_trainable(layer))
            continue;
        layer->begun = false;
        memset(layer->touched, 0, layer->rows);
        if (layer->gradient != NULL)
            memset(layer->gradient, 0, tp_weights_of(layer) * sizeof(float));
    }
}

void tp_update(tp_network *network, uint32_t l, const tp_share *share, const float *flow) {
    tp_layer *layer = &network->layer[l];
    if (learns(network, share->samples)) {
        if (!layer->begun)
            begin(network, l, share);
        if (network->optimizer != TP_SGD && layer->gradient == NULL) {
            adam_in_place(network, l, share, flow);
        } else {
            const bool in_place = layer->gradient == NULL && layer->first == NULL;
            float *sum = in_place ? layer->weight : layer->gradient != NULL ? layer->gradient : layer->first;
            const float scale = in_place ? -share->learning_rate * share->scale : share->scale;
            TP_MARK(TP_WEIGHT_GRADIENT, l);
            tp_add_weight_gradient(network, layer, flow, scale, sum, share->samples);
        }
    }
    if (!share->last)
        return;
    if (layer->begun)
        finish(network, l, share);
    if (!tp_counts_kept(network, layer))
        count_rows(layer);
    else if (!network->skipped[0])
        layer->statistics.kept_rows += tp_kept_of(network, layer, 0).count;
    layer->statistics.steps++;
}
