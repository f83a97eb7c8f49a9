/* dW = G' X and db = the sum of G, of the kept entries, added to whatever waits for them. */
#include "by_row.h"
#include "kept.h"
#include "kernels/add_outer.h"

static void touch(tp_layer *layer, const tp_list *rows, uint32_t base, uint32_t first) {
    for (uint32_t i = 0; i < rows->count; i++)
        layer->touched[first + (rows->index == NULL ? i : rows->index[i] - base)] = 1;
}

/* sum[row] += (scale g) x, sum being the weights themselves, the velocity, or a gradient that waits. */
static void add_linear(tp_network *network, tp_layer *layer, uint32_t s, const float *g, float scale, float *sum) {
    const tp_list kept = tp_kept_of(network, layer, s);
    const float *x = tp_input_of(network, layer, s);
    if (!tp_counts_kept(network, layer))
        touch(layer, &kept, 0, 0);
    if (layer->runs == NULL) {
        tp_add_outer(sum, layer->length, kept.index, 0, kept.count, g, scale, x);
        return;
    }
    const uint32_t most = tp_runs_of(layer->length);
    tp_add_outer_runs(sum, layer->length, kept.index, 0, kept.count, g, scale, x, layer->runs + (size_t)s * most,
                      layer->run_count[s]);
}

static void add_convolution(tp_network *network, tp_layer *layer, uint32_t s, const float *g, float scale, float *sum) {
    const tp_geometry *geometry = &layer->geometry;
    const float *image = tp_input_of(network, layer, s);
    const bool contiguous = tp_patch_is_contiguous(geometry);
    const bool skips_zeros = (network->options & TP_SKIP_ZEROS) != 0;
    const tp_list kept = tp_kept_of(network, layer, s);
    uint32_t patches = 0;
    tp_walk walk;
    for (bool more = tp_first_part(&walk, geometry, kept); more; more = tp_next_part(&walk, geometry)) {
        const uint32_t first = walk.group * (layer->rows / geometry->groups);
        float *rows = sum + first * layer->length;
        const float *patch = network->patch;
        if (contiguous)
            patch = image + (walk.row * geometry->stride * geometry->width + walk.column * geometry->stride) *
                                geometry->channels;
        else
            tp_gather_patch(image, geometry, walk.group, walk.row, walk.column, network->patch);
        touch(layer, &walk.here, walk.base, first);
        patches++;
        if (!skips_zeros) {
            tp_add_outer(rows, layer->length, walk.here.index, walk.base, walk.here.count, g, scale, patch);
            continue;
        }
        const uint32_t count = tp_find_runs(patch, layer->length, network->runs);
        tp_add_outer_runs(rows, layer->length, walk.here.index, walk.base, walk.here.count, g, scale, patch,
                          network->runs, count);
    }
    layer->statistics.kept_patches += patches;
}

static void add_biases(const tp_network *network, const tp_layer *layer, uint32_t s, const float *g, float scale,
                       float *sum) {
    tp_list learnt = tp_kept_of(network, layer, s);
    if ((network->policy_flags & TP_DENSE_BIAS) != 0)
        learnt = (tp_list){NULL, network->skipped[s] ? 0 : layer->out_size};
    if (layer->kind == TP_LINEAR) {
        for (uint32_t i = 0; i < learnt.count; i++) {
            const uint32_t j = learnt.index == NULL ? i : learnt.index[i];
            sum[j] += scale * g[j];
        }
        return;
    }
    uint32_t base = 0;
    for (uint32_t i = 0; i < learnt.count; i++) {
        const uint32_t j = learnt.index == NULL ? i : learnt.index[i];
        while (j - base >= layer->rows)
            base += layer->rows;
        sum[j - base] += scale * g[j];
    }
}

void tp_add_weight_gradient(tp_network *network, tp_layer *layer, const float *flow, float scale, float *sum,
                            uint32_t samples) {
    bool by_row = false;
#ifdef TP_HOST
    by_row = layer->kind == TP_LINEAR && samples > 1 && layer->runs == NULL;
    if (by_row)
        tp_add_weight_gradient_by_row(network, layer, flow, scale, sum, samples);
#endif
    for (uint32_t s = 0; s < samples; s++) {
        const float *g = flow + (size_t)s * layer->out_size;
        if (layer->kind == TP_CONV2D)
            add_convolution(network, layer, s, g, scale, sum);
        else if (!by_row)
            add_linear(network, layer, s, g, scale, sum);
        if (layer->biases)
            add_biases(network, layer, s, g, scale, sum + layer->rows * layer->length);
    }
}
