/* The forward pass of a micro-batch. */
#include "kernels/activation.h"
#include "kernels/pool.h"
#include "network.h"

#include <string.h>

static bool skips_zeros(const tp_network *network) {
    return (network->options & TP_SKIP_ZEROS) != 0;
}

static void forward_linear(tp_network *network, const tp_layer *layer, uint32_t samples) {
    const float *biases = layer->weight + layer->rows * layer->length;
    for (uint32_t s = 0; s < samples; s++) {
        network->x[s] = tp_input_of(network, layer, s);
        network->y[s] = layer->output + (size_t)s * layer->out_size;
    }
    if (!skips_zeros(network)) {
        tp_dot(layer->weight, biases, layer->rows, layer->length, network->x, network->y, samples);
        return;
    }
    const uint32_t most = tp_runs_of(layer->length);
    for (uint32_t s = 0; s < samples; s++) {
        tp_run *runs = layer->runs + (size_t)s * most;
        layer->run_count[s] = tp_find_runs(network->x[s], layer->length, runs);
        tp_dot_runs(layer->weight, biases, layer->rows, layer->length, network->x[s], runs, layer->run_count[s],
                    network->y[s]);
    }
}

/* One group at up to TP_TILE positions from (row, column) on, which move behind them. */
static void forward_tile(tp_network *network, const tp_layer *layer, const float *image, float *output, uint32_t group,
                         uint32_t *row, uint32_t *column, uint32_t positions) {
    const tp_geometry *g = &layer->geometry;
    const uint32_t rows = layer->rows / g->groups, first = group * rows;
    const float *weight = layer->weight + first * layer->length;
    const float *biases = layer->biases ? layer->weight + layer->rows * layer->length + first : NULL;
    const bool contiguous = tp_patch_is_contiguous(g);
    for (uint32_t t = 0; t < positions; t++) {
        float *patch = network->patch + t * layer->length;
        if (contiguous)
            network->x[t] = image + (*row * g->stride * g->width + *column * g->stride) * g->channels;
        else {
            tp_gather_patch(image, g, group, *row, *column, patch);
            network->x[t] = patch;
        }
        network->y[t] = output + first;
        output += layer->rows;
        if (++*column == g->out_width) {
            *column = 0;
            ++*row;
        }
    }
    if (!skips_zeros(network)) {
        tp_dot(weight, biases, rows, layer->length, network->x, network->y, positions);
        return;
    }
    for (uint32_t t = 0; t < positions; t++) {
        const uint32_t count = tp_find_runs(network->x[t], layer->length, network->runs);
        tp_dot_runs(weight, biases, rows, layer->length, network->x[t], network->runs, count, network->y[t]);
    }
}

static void forward_convolution(tp_network *network, const tp_layer *layer, uint32_t samples) {
    const tp_geometry *g = &layer->geometry;
    const uint32_t all = g->out_height * g->out_width;
    for (uint32_t s = 0; s < samples; s++) {
        float *output = layer->output + (size_t)s * layer->out_size;
        const float *image = tp_input_of(network, layer, s);
        for (uint32_t group = 0; group < g->groups; group++) {
            uint32_t row = 0, column = 0;
            for (uint32_t position = 0; position < all; position += TP_TILE) {
                const uint32_t left = all - position;
                forward_tile(network, layer, image, output + position * layer->rows, group, &row, &column,
                             left < TP_TILE ? left : TP_TILE);
            }
        }
    }
}

static void forward_activation(tp_network *network, const tp_layer *layer, uint32_t samples) {
    const uint32_t n = layer->out_size;
    for (uint32_t s = 0; s < samples && !layer->in_place; s++)
        memcpy(layer->output + (size_t)s * n, tp_input_of(network, layer, s), n * sizeof(float));
    switch (layer->kind) {
    case TP_RELU:
        tp_relu(layer->output, n * samples);
        break;
    case TP_SIGMOID:
        tp_sigmoid(layer->output, n * samples);
        break;
    default:
        tp_tanh_forward(layer->output, n * samples);
        break;
    }
}

static void forward_pool(tp_network *network, const tp_layer *layer, uint32_t samples) {
    for (uint32_t s = 0; s < samples; s++) {
        const float *x = tp_input_of(network, layer, s);
        float *y = layer->output + (size_t)s * layer->out_size;
        if (layer->kind == TP_MAX_POOL)
            tp_max_pool(x, &layer->geometry, y, layer->place + (size_t)s * layer->out_size);
        else
            tp_average_pool(x, &layer->geometry, y);
    }
}

void tp_forward_pass(tp_network *network, uint32_t samples) {
    for (uint32_t l = 0; l < network->layers; l++) {
        const tp_layer *layer = &network->layer[l];
        TP_MARK(TP_FORWARD, l);
        switch (layer->kind) {
        case TP_LINEAR:
            forward_linear(network, layer, samples);
            break;
        case TP_CONV2D:
            forward_convolution(network, layer, samples);
            break;
        case TP_MAX_POOL:
        case TP_AVERAGE_POOL:
            forward_pool(network, layer, samples);
            break;
        case TP_FLATTEN:
            break;
        default:
            forward_activation(network, layer, samples);
            break;
        }
    }
}

void tp_forward(tp_network *network, const float *x, uint32_t samples, float *outputs) {
    const tp_layer *last = &network->layer[network->layers - 1];
    for (uint32_t done = 0; done < samples;) {
        const uint32_t left = samples - done, now = left < network->micro_batch ? left : network->micro_batch;
        for (uint32_t s = 0; s < now; s++)
            network->input[s] = x + (size_t)(done + s) * network->inputs;
        tp_forward_pass(network, now);
        for (uint32_t s = 0; s < now; s++) {
            const size_t n = network->outputs;
            memcpy(outputs + (done + s) * n, last->output + s * n, n * sizeof(float));
        }
        done += now;
    }
}
