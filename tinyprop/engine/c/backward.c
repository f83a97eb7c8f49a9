/* The backward pass of a micro-batch: selection, input gradients, weight gradients. Step 4 of the method. */
#include "by_row.h"
#include "kept.h"
#include "kernels/activation.h"
#include "kernels/add_rows.h"
#include "kernels/pool.h"

#include <string.h>

/* dX = G W, of the kept entries; zeros where nothing is kept. */
static void input_gradient(tp_network *network, const tp_layer *layer, uint32_t s, const float *g, float *dx) {
    const tp_list kept = tp_kept_of(network, layer, s);
    memset(dx, 0, layer->in_size * sizeof(float));
    if (layer->kind == TP_LINEAR) {
        tp_add_rows(dx, layer->weight, layer->length, kept.index, 0, kept.count, g);
        return;
    }
    const tp_geometry *geometry = &layer->geometry;
    const bool contiguous = tp_patch_is_contiguous(geometry);
    tp_walk walk;
    for (bool more = tp_first_part(&walk, geometry, kept); more; more = tp_next_part(&walk, geometry)) {
        const float *weight = layer->weight + walk.group * (layer->rows / geometry->groups) * layer->length;
        float *patch = network->patch;
        if (contiguous)
            patch = dx + (walk.row * geometry->stride * geometry->width + walk.column * geometry->stride) *
                             geometry->channels;
        else
            memset(patch, 0, layer->length * sizeof(float));
        tp_add_rows(patch, weight, layer->length, walk.here.index, walk.base, walk.here.count, g);
        if (!contiguous)
            tp_scatter_patch(patch, geometry, walk.group, walk.row, walk.column, dx);
    }
}

static void input_gradients(tp_network *network, const tp_layer *layer, const float *flow, float *dx,
                            uint32_t samples) {
#ifdef TP_HOST
    if (layer->kind == TP_LINEAR && samples > 1) {
        tp_input_gradient_by_row(network, layer, flow, dx, samples);
        return;
    }
#endif
    for (uint32_t s = 0; s < samples; s++)
        input_gradient(network, layer, s, flow + (size_t)s * layer->out_size, dx + (size_t)s * layer->in_size);
}

static void backward_trainable(tp_network *network, uint32_t l, const tp_share *share, float *flow, float *dx) {
    const tp_layer *layer = &network->layer[l];
    TP_MARK(TP_SELECT, l);
    tp_select(network, l, flow, share);
    if (network->policy == TP_BUDGET && share->last && !layer->gives_input_gradient)
        tp_follow_budget(network, share->done + share->samples);
    if (layer->gives_input_gradient) {
        TP_MARK(TP_INPUT_GRADIENT, l);
        input_gradients(network, layer, flow, dx, share->samples);
    }
    tp_update(network, l, share, flow);
}

static void backward_activation(const tp_layer *layer, float *flow, uint32_t samples) {
    const uint32_t n = layer->out_size * samples;
    if (layer->kind == TP_RELU)
        tp_relu_backward(flow, layer->output, n);
    else if (layer->kind == TP_SIGMOID)
        tp_sigmoid_backward(flow, layer->output, n);
    else
        tp_tanh_backward(flow, layer->output, n);
}

static void backward_pool(const tp_layer *layer, const float *flow, float *dx, uint32_t samples) {
    for (uint32_t s = 0; s < samples; s++) {
        const size_t out = (size_t)s * layer->out_size, in = (size_t)s * layer->in_size;
        if (layer->kind == TP_MAX_POOL)
            tp_max_pool_backward(flow + out, &layer->geometry, layer->place + out, dx + in);
        else
            tp_average_pool_backward(flow + out, &layer->geometry, dx + in);
    }
}

void tp_backward_pass(tp_network *network, const tp_share *share) {
    uint32_t side = 0;
    memset(network->skipped, 0, share->samples);
    if (share->done == 0)
        memset(&network->spending, 0, sizeof network->spending);
    for (uint32_t l = network->layers; l-- > 0;) {
        const tp_layer *layer = &network->layer[l];
        float *flow = network->flow[side], *dx = network->flow[side ^ 1];
        if (tp_is_trainable(layer)) {
            backward_trainable(network, l, share, flow, dx);
            side ^= 1;
        } else if (layer->kind != TP_FLATTEN) {
            TP_MARK(TP_INPUT_GRADIENT, l);
            if (layer->kind == TP_MAX_POOL || layer->kind == TP_AVERAGE_POOL) {
                backward_pool(layer, flow, dx, share->samples);
                side ^= 1;
            } else {
                backward_activation(layer, flow, share->samples);
            }
        }
        if (tp_is_trainable(layer) && !layer->gives_input_gradient)
            return;
    }
}
