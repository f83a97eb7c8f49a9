#include "by_row.h"
#ifdef TP_HOST

#include "kept.h"
#include "kernels/add_rows.h"
#include "kernels/add_samples.h"

#include <string.h>

#define CHUNK 64u /* rows whose weights stay in a cache while all samples use them */

/* The part of a sample's list with rows under `end` that its cursor has not passed; the cursor moves on. */
static tp_list next_rows(tp_network *network, const tp_layer *layer, uint32_t s, uint32_t end) {
    const tp_list kept = tp_kept_of(network, layer, s);
    const uint32_t begin = network->cursor[s], last = end < layer->rows ? end : layer->rows;
    uint32_t now = begin;
    if (kept.index == NULL)
        now = last < kept.count ? last : kept.count;
    while (kept.index != NULL && now < kept.count && kept.index[now] < last)
        now++;
    network->cursor[s] = now;
    return (tp_list){kept.index == NULL ? NULL : kept.index + begin, now - begin};
}

void tp_input_gradient_by_row(tp_network *network, const tp_layer *layer, const float *flow, float *dx,
                              uint32_t samples) {
    memset(network->cursor, 0, samples * sizeof *network->cursor);
    memset(dx, 0, (size_t)samples * layer->in_size * sizeof *dx);
    for (uint32_t row = 0; row < layer->rows; row += CHUNK)
        for (uint32_t s = 0; s < samples; s++) {
            const tp_list rows = next_rows(network, layer, s, row + CHUNK);
            const uint32_t base = rows.index == NULL ? row : 0;
            tp_add_rows(dx + (size_t)s * layer->in_size, layer->weight + (size_t)base * layer->length, layer->length,
                        rows.index, base, rows.count, flow + (size_t)s * layer->out_size);
        }
}

/* The samples that kept a row: their inputs and factors. All lists are walked at once, a row at a time. */
static uint32_t samples_of(tp_network *network, const tp_layer *layer, uint32_t row, const float *flow, float scale,
                           uint32_t samples) {
    uint32_t count = 0;
    for (uint32_t s = 0; s < samples; s++) {
        const uint32_t kept = network->kept[s], at = network->cursor[s];
        if (kept != TP_ALL) {
            if (at == kept || network->index[(size_t)s * network->most + at] != row)
                continue;
            network->cursor[s] = at + 1;
        }
        network->x[count] = tp_input_of(network, layer, s);
        network->factor[count++] = scale * flow[(size_t)s * layer->out_size + row];
    }
    return count;
}

void tp_add_weight_gradient_by_row(tp_network *network, tp_layer *layer, const float *flow, float scale, float *sum,
                                   uint32_t samples) {
    memset(network->cursor, 0, samples * sizeof *network->cursor);
    for (uint32_t row = 0; row < layer->rows; row++) {
        const uint32_t count = samples_of(network, layer, row, flow, scale, samples);
        if (count == 0)
            continue;
        layer->touched[row] = 1;
        tp_add_samples(sum + (size_t)row * layer->length, network->x, network->factor, count, layer->length);
    }
}

#endif
