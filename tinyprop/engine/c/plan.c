/* Where things lie in memory: one walk over the description sizes the arena, a second one hands it out. */
#include "network.h"

#include <string.h>

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

/* Hands out pieces of the arena, or, without one, only adds up what they take. */
typedef struct tp_carver {
    char *base;
    uint64_t used;
} tp_carver;

static void *carve(tp_carver *carver, uint64_t count, size_t size) {
    const size_t alignment = size < sizeof(uint32_t) ? 1 : size < sizeof(void *) ? sizeof(uint32_t) : sizeof(void *);
    carver->used = (carver->used + alignment - 1) / alignment * alignment;
    void *piece = carver->base == NULL || count == 0 ? NULL : carver->base + carver->used;
    carver->used += count * size;
    return piece;
}

static bool has_momentum(const tp_network *network) {
    return network->optimizer == TP_SGD && network->momentum > 0.0f;
}

static bool is_whole_batch(const tp_network *network) {
    return network->micro_batch == network->batch;
}

/* Whether a layer's update must wait for a gradient that is summed up somewhere. Momentum sums in the velocity. */
static bool waits(const tp_network *network, const tp_layer *layer) {
    if (network->optimizer == TP_SGD)
        return !has_momentum(network) && !is_whole_batch(network);
    return network->batch > 1 || layer->kind == TP_CONV2D;
}

static uint32_t larger(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

/* What the policy does in a layer. */
static void settle_selection(const tp_network *network, tp_layer *layer) {
    const bool by_channel = (network->policy_flags & TP_BY_CHANNEL) != 0 && layer->kind == TP_CONV2D;
    layer->ranked = by_channel ? layer->rows : layer->out_size;
    layer->selects =
        network->policy != TP_DENSE && !(layer->is_output && (network->policy_flags & TP_DENSE_OUTPUT) != 0);
    layer->most = 0;
    if (layer->selects)
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

static void settle(const tp_network *network, const tp_shared *shared, uint32_t i, tp_layer *layer,
                   bool *may_overwrite) {
    settle_place(layer, may_overwrite);
    layer->is_output = i == shared->last_trainable;
    layer->gives_input_gradient = i > shared->first_trainable;
    if (tp_is_trainable(layer))
        settle_selection(network, layer);
}

static uint32_t runs_of(uint32_t length) {
    return length / (2 * TP_LANES) + 1;
}

static void add_trainable(const tp_network *network, const tp_layer *layer, tp_shared *shared) {
    const uint32_t weights = tp_weights_of(layer);
    shared->trainable++;
    shared->weights += weights;
    shared->rows += layer->rows;
    if (waits(network, layer)) {
        if (is_whole_batch(network))
            shared->common_gradient = shared->common_gradient > weights ? shared->common_gradient : weights;
        else
            shared->own_gradients += weights;
    }
    shared->most = larger(shared->most, layer->most);
    if (layer->selects) {
        shared->rank = larger(shared->rank, layer->ranked);
        if (layer->ranked != layer->out_size)
            shared->norm = larger(shared->norm, layer->ranked);
    }
    const bool skips_zeros = (network->options & TP_SKIP_ZEROS) != 0;
    if (layer->kind == TP_CONV2D) {
        shared->patch = larger(shared->patch, layer->length);
        if (skips_zeros)
            shared->patch_runs = larger(shared->patch_runs, runs_of(layer->length));
    } else if (skips_zeros) {
        shared->runs += runs_of(layer->length);
    }
}

/* Whether the gradient that a layer hands back is a new one, and so needs the other of the two buffers. */
static bool turns(const tp_layer *layer) {
    const bool is_pool = layer->kind == TP_MAX_POOL || layer->kind == TP_AVERAGE_POOL;
    return layer->gives_input_gradient && (is_pool || tp_is_trainable(layer));
}

/* The first walk. `network` holds the header and is told the number of outputs. */
static tp_status survey(const uint32_t *description, tp_network *network, const tp_geometry *input, tp_shared *shared) {
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
        settle(network, shared, i, &layer, &may_overwrite);
        if (tp_is_trainable(&layer))
            add_trainable(network, &layer, shared);
        if (!layer.in_place) {
            shared->outputs += layer.out_size;
            shared->places += layer.kind == TP_MAX_POOL ? layer.out_size : 0;
        }
        if (turns(&layer)) {
            shared->flow[side] = larger(shared->flow[side], layer.in_size);
            side ^= 1;
        }
        if (i >= shared->first_trainable)
            shared->flow[side] = larger(shared->flow[side], layer.out_size);
    }
    return TP_OK;
}

static uint32_t moments(const tp_network *network) {
    return network->optimizer == TP_SGD ? has_momentum(network) : 2;
}

/* Give a layer its share of what all layers' pieces were carved as; the cursors move on. */
typedef struct tp_cursors {
    float *weight, *first, *second, *gradient, *output, *local_error_max;
    uint8_t *place, *touched;
    tp_run *runs;
    uint32_t *run_count;
} tp_cursors;

static void place_trainable(const tp_network *network, tp_layer *layer, tp_cursors *cursors) {
    const uint32_t weights = tp_weights_of(layer);
    layer->weight = cursors->weight;
    cursors->weight += weights;
    if (moments(network) >= 1) {
        layer->first = cursors->first;
        cursors->first += weights;
    }
    if (moments(network) == 2) {
        layer->second = cursors->second;
        cursors->second += weights;
    }
    if (waits(network, layer)) {
        layer->gradient = cursors->gradient;
        if (!is_whole_batch(network))
            cursors->gradient += weights;
    }
    layer->local_error_max = cursors->local_error_max++;
    layer->touched = cursors->touched;
    cursors->touched += layer->rows;
    if (layer->kind == TP_LINEAR && (network->options & TP_SKIP_ZEROS) != 0) {
        layer->runs = cursors->runs;
        cursors->runs += runs_of(layer->length) * network->micro_batch;
        layer->run_count = cursors->run_count;
        cursors->run_count += network->micro_batch;
    }
}

static void place_layers(const uint32_t *description, tp_network *network, const tp_geometry *input,
                         const tp_shared *shared, tp_cursors *cursors) {
    tp_geometry before = *input;
    const float *values = NULL; /* the samples */
    bool may_overwrite = false;
    for (uint32_t i = 0; i < network->layers; i++) {
        tp_layer *layer = &network->layer[i];
        tp_read_layer(description, i, network, &before, layer);
        before = layer->geometry;
        settle(network, shared, i, layer, &may_overwrite);
        layer->input = values;
        if (layer->in_place) {
            layer->output = (float *)values;
            continue;
        }
        layer->output = cursors->output;
        cursors->output += layer->out_size * network->micro_batch;
        values = layer->output;
        if (layer->kind == TP_MAX_POOL) {
            layer->place = cursors->place;
            cursors->place += layer->out_size * network->micro_batch;
        }
        if (tp_is_trainable(layer))
            place_trainable(network, layer, cursors);
    }
}

/* Carve the arena and, if there is one, fill in where everything is. */
static void lay_out(tp_network *network, const tp_shared *shared, tp_carver *carver, tp_cursors *cursors,
                    tp_memory *memory) {
    const uint32_t samples = network->micro_batch;
    const uint32_t pointers = larger(samples, shared->patch ? TP_TILE : 0);
    const uint64_t state = 2 + shared->trainable + moments(network) * shared->weights;
    uint64_t before = carver->used;
    network->state = carve(carver, state, sizeof(float));
    memory->state = (uint32_t)state;
    memory->optimizer = (uint32_t)(carver->used - before);
    if (network->state != NULL) {
        cursors->local_error_max = network->state + 2;
        cursors->first = cursors->local_error_max + shared->trainable;
        cursors->second = cursors->first + shared->weights;
    }

    before = carver->used;
    cursors->gradient = carve(carver, shared->own_gradients + shared->common_gradient, sizeof(float));
    memory->gradients = (uint32_t)(carver->used - before);

    before = carver->used;
    cursors->output = carve(carver, shared->outputs * samples, sizeof(float));
    cursors->runs = carve(carver, shared->runs * samples, sizeof(tp_run));
    cursors->run_count = carve(carver, shared->runs ? (uint64_t)shared->trainable * samples : 0, sizeof(uint32_t));
    cursors->place = carve(carver, shared->places * samples, sizeof(uint8_t));
    memory->activations = (uint32_t)(carver->used - before);

    before = carver->used;
    network->input = carve(carver, samples, sizeof(float *));
    network->x = carve(carver, pointers, sizeof(float *));
    network->y = carve(carver, pointers, sizeof(float *));
    network->flow[0] = carve(carver, (uint64_t)shared->flow[0] * samples, sizeof(float));
    network->flow[1] = carve(carver, (uint64_t)shared->flow[1] * samples, sizeof(float));
    network->kept = carve(carver, samples, sizeof(uint32_t));
    network->local_error = carve(carver, samples, sizeof(float));
    network->rank = carve(carver, shared->rank, sizeof(uint32_t));
    network->norm = carve(carver, shared->norm, sizeof(float));
    network->patch = carve(carver, (uint64_t)shared->patch * TP_TILE, sizeof(float));
    network->runs = carve(carver, shared->patch_runs, sizeof(tp_run));
    network->index = carve(carver, (uint64_t)shared->most * samples, sizeof(uint16_t));
    network->skipped = carve(carver, samples, sizeof(uint8_t));
    cursors->touched = carve(carver, shared->rows, sizeof(uint8_t));
    carve(carver, 0, sizeof(float));
    memory->scratch = (uint32_t)(carver->used - before);
    network->most = shared->most;
}

static tp_status plan(const uint32_t *description, uint32_t words, tp_network *network, tp_geometry *input,
                      tp_shared *shared, tp_memory *memory) {
    tp_status status = tp_read_header(description, words, network, input);
    if (status == TP_OK)
        status = survey(description, network, input, shared);
    if (status != TP_OK)
        return status;
    tp_network unplaced = *network;
    tp_carver carver = {NULL, 0};
    tp_cursors cursors;
    carve(&carver, sizeof(tp_network) + network->layers * sizeof(tp_layer), 1);
    carve(&carver, 0, sizeof(void *));
    memory->network = (uint32_t)carver.used;
    lay_out(&unplaced, shared, &carver, &cursors, memory);
    memory->weights = (uint32_t)(shared->weights * sizeof(float));
    memory->arena = (uint32_t)carver.used;
    return carver.used > TP_MAX_FLOATS * sizeof(float) || shared->weights > TP_MAX_FLOATS ? TP_TOO_LARGE : TP_OK;
}

tp_status tp_measure(const uint32_t *description, uint32_t words, tp_memory *memory) {
    tp_network network;
    tp_geometry input;
    tp_shared shared;
    memset(memory, 0, sizeof *memory);
    return plan(description, words, &network, &input, &shared, memory);
}

tp_status tp_open(const uint32_t *description, uint32_t words, float *weights, void *arena, uint32_t arena_bytes,
                  tp_network **opened) {
    tp_network header;
    tp_geometry input;
    tp_shared shared;
    tp_memory memory;
    const tp_status status = plan(description, words, &header, &input, &shared, &memory);
    if (status != TP_OK)
        return status;
    if (arena == NULL || (uintptr_t)arena % sizeof(void *) != 0 || arena_bytes < memory.arena)
        return TP_NO_MEMORY;
    memset(arena, 0, memory.arena);
    tp_network *network = arena;
    tp_carver carver = {arena, memory.network};
    tp_cursors cursors;
    cursors.weight = weights;
    *network = header;
    lay_out(network, &shared, &carver, &cursors, &memory);
    place_layers(description, network, &input, &shared, &cursors);
    *opened = network;
    return TP_OK;
}

float *tp_state(tp_network *network) {
    return network->state;
}
