/* Where things lie in memory: the survey sizes the arena, and the same code that adds up its pieces hands them out. */
#include "plan.h"

#include <string.h>

/* Hands out pieces of the arena, or, without one, only adds up what they take. */
typedef struct tp_carver {
    char *base;
    uint64_t used;
} tp_carver;

static void *carve(tp_carver *carver, uint64_t count, size_t size) {
    const size_t alignment = size < sizeof(void *) ? size : sizeof(void *);
    carver->used = (carver->used + alignment - 1) / alignment * alignment;
    void *piece = carver->base == NULL || count == 0 ? NULL : carver->base + carver->used;
    carver->used += count * size;
    return piece;
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
    if (tp_moments(network) >= 1) {
        layer->first = cursors->first;
        cursors->first += weights;
    }
    if (tp_moments(network) == 2) {
        layer->second = cursors->second;
        cursors->second += weights;
    }
    if (tp_waits(network, layer)) {
        layer->gradient = cursors->gradient;
        if (!tp_is_whole_batch(network))
            cursors->gradient += weights;
    }
    layer->local_error_max = cursors->local_error_max++;
    layer->touched = cursors->touched;
    cursors->touched += layer->rows;
    if (layer->kind == TP_LINEAR && (network->options & TP_SKIP_ZEROS) != 0) {
        layer->runs = cursors->runs;
        cursors->runs += tp_runs_of(layer->length) * network->micro_batch;
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
        tp_settle(network, shared, i, layer, &may_overwrite);
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
    const uint32_t pointers = tp_larger(samples, shared->patch ? TP_TILE : 0);
    const uint64_t moments = tp_moments(network) * shared->weights, threshold = network->policy == TP_BUDGET ? 3 : 0;
    const uint64_t state = 2 + shared->trainable + moments + threshold;
    uint64_t before = carver->used;
    network->state = carve(carver, state, sizeof(float));
    memory->state = (uint32_t)state;
    memory->optimizer = (uint32_t)(carver->used - before);
    if (network->state != NULL) {
        cursors->local_error_max = network->state + 2;
        cursors->first = cursors->local_error_max + shared->trainable;
        cursors->second = cursors->first + shared->weights;
        network->threshold = cursors->first + moments;
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
#ifdef TP_HOST
    network->cursor = carve(carver, samples, sizeof(uint32_t));
    network->factor = carve(carver, samples, sizeof(float));
#endif
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
        status = tp_survey(description, network, input, shared);
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
