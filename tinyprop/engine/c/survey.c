/* How much memory a network's layers need, and what each of them does: see plan.h. */
#include "plan.h"

#include <string.h>

/* What the policy does in a layer. */
static void settle_selection(const tp_network *network, tp_layer *layer) {
    const bool by_channel = (network->policy_flags & TP_BY_CHANNEL) != 0 && layer->kind == TP_CONV2D;
    layer->ranked = by_channel ? layer->rows : layer->out_size;
    layer->selects =
        network->policy != TP_DENSE && !(layer->is_output && (network->policy_flags & TP_DENSE_OUTPUT) != 0);
    layer->most = 0;
    if (layer->selects && network->policy == TP_BUDGET)
        layer->most = layer->out_size;
    else if (layer->selects)
        layer->most =
            tp_count(network, tp_ratio(network, layer, 1.0f, 1.0f), layer->ranked) * (layer->out_size / layer->ranked);
    else if ((network->options & TP_SKIP_ZEROS) != 0)
        layer->most = layer->out_size;
}

/* An activation may overwrite its input unless that is a sample, or needed again by an activation before it. */
static void settle_place(tp_layer *layer, bool *may_overwrite) {
    const bool is_activation = layer->kind == TP_RELU || layer->kind == TP_SIGMOID || layer->kind == TP_TANH;
    layer->in_place = layer->kind == TP_FLATTEN || (is_activation && *may_overwrite);
    if (layer->kind != TP_FLATTEN)
        *may_overwrite = !is_activation;
}

void tp_settle(const tp_network *network, const tp_shared *shared, uint32_t i, tp_layer *layer, bool *may_overwrite) {
    settle_place(layer, may_overwrite);
    layer->is_output = i == shared->last_trainable;
    layer->gives_input_gradient = i > shared->first_trainable;
    if (tp_is_trainable(layer))
        settle_selection(network, layer);
}

static void add_trainable(const tp_network *network, const tp_layer *layer, tp_shared *shared) {
    const uint32_t weights = tp_weights_of(layer);
    shared->trainable++;
    shared->weights += weights;
    shared->rows += layer->rows;
    if (tp_waits(network, layer)) {
        if (tp_is_whole_batch(network))
            shared->common_gradient = shared->common_gradient > weights ? shared->common_gradient : weights;
        else
            shared->own_gradients += weights;
    }
    shared->most = tp_larger(shared->most, layer->most);
    if (layer->selects && network->policy != TP_BUDGET) {
        shared->rank = tp_larger(shared->rank, layer->ranked);
        if (layer->ranked != layer->out_size)
            shared->norm = tp_larger(shared->norm, layer->ranked);
    }
    const bool skips_zeros = (network->options & TP_SKIP_ZEROS) != 0;
    if (layer->kind == TP_CONV2D) {
        shared->patch = tp_larger(shared->patch, layer->length);
        if (skips_zeros)
            shared->patch_runs = tp_larger(shared->patch_runs, tp_runs_of(layer->length));
    } else if (skips_zeros) {
        shared->runs += tp_runs_of(layer->length);
    }
}

/* Whether the gradient that a layer hands back is a new one, and so needs the other of the two buffers. */
static bool turns(const tp_layer *layer) {
    const bool is_pool = layer->kind == TP_MAX_POOL || layer->kind == TP_AVERAGE_POOL;
    return layer->gives_input_gradient && (is_pool || tp_is_trainable(layer));
}

tp_status tp_survey(const uint32_t *description, tp_network *network, const tp_geometry *input, tp_shared *shared) {
    tp_layer layer;
    tp_geometry before = *input;
    uint32_t turned = 0;
    memset(shared, 0, sizeof *shared);
    shared->first_trainable = TP_MAX_LAYERS;
    for (uint32_t i = 0; i < network->layers; i++, before = layer.geometry) {
        const tp_status status = tp_read_layer(description, i, network, &before, &layer);
        if (status != TP_OK)
            return status;
        layer.gives_input_gradient = i > shared->first_trainable;
        turned += turns(&layer);
        if (!tp_is_trainable(&layer))
            continue;
        shared->last_trainable = i;
        if (shared->first_trainable == TP_MAX_LAYERS)
            shared->first_trainable = i;
    }
    if (shared->first_trainable == TP_MAX_LAYERS)
        return TP_BAD_LAYER;
    network->outputs = layer.out_size;
    if (network->loss == TP_BINARY_CROSS_ENTROPY && network->outputs != 1)
        return TP_BAD_LAYER;

    bool may_overwrite = false;
    uint32_t side = turned & 1; /* the walk goes forward and has to end on side 0, where the loss begins */
    before = *input;
    for (uint32_t i = 0; i < network->layers; i++, before = layer.geometry) {
        tp_read_layer(description, i, network, &before, &layer);
        tp_settle(network, shared, i, &layer, &may_overwrite);
        if (tp_is_trainable(&layer))
            add_trainable(network, &layer, shared);
        if (!layer.in_place) {
            shared->outputs += layer.out_size;
            shared->places += layer.kind == TP_MAX_POOL ? layer.out_size : 0;
        }
        if (turns(&layer)) {
            shared->flow[side] = tp_larger(shared->flow[side], layer.in_size);
            side ^= 1;
        }
        if (i >= shared->first_trainable)
            shared->flow[side] = tp_larger(shared->flow[side], layer.out_size);
    }
    return TP_OK;
}
