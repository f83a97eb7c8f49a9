/* Selection under a budget: one threshold of the network, lots, and the control that holds the budget.
 *
 *     s        = sqrt((m mean(x^2) + 1) / (m + 1))     x the sample's input, m inputs of one output
 *     certain  = threshold / s                         before the first threshold: mean |g| * -ln(budget)
 *     keep |g| > u certain                             u in [0, 1), one for each sample and layer
 *     and scale it towards max(|g|, certain)
 *
 * After a batch of B samples, with e = kept / (budget total) - 1 in multiply-accumulates and r = B / (B + horizon):
 *
 *     debt += r e;  threshold *= exp(clamp(r (e + debt / 4), -2, 2))
 */
#include "kernels/dot.h"
#include "kernels/elementary.h"
#include "kernels/select.h"
#include "network.h"

#define PERIOD 0x1000000u /* samples after which draws repeat: as far as a float counts exactly */
#define MOST 2.0f

enum { VALUE, DEBT, SAMPLES };

/* In [0, 1): a hash (lowbias32) of the sample's number and the layer's distance from the output. */
static float draw(uint32_t sample, uint32_t depth) {
    uint32_t h = sample % PERIOD * 0x9E3779B9u + (depth + 1) * 0x85EBCA6Bu;
    h = (h ^ h >> 16) * 0x7FEB352Du;
    h = (h ^ h >> 15) * 0x846CA68Bu;
    return (float)((h ^ h >> 16) >> 8) * 5.9604644775390625e-8f;
}

static uint32_t depth_of(const tp_network *network, uint32_t l) {
    uint32_t depth = 0;
    while (++l < network->layers)
        depth += tp_is_trainable(&network->layer[l]);
    return depth;
}

static float as_float(tp_work work) {
    return (float)work.high * 4294967296.0f + (float)work.low;
}

static void spend(tp_work *work, uint32_t entries, uint32_t each) {
    const uint64_t sum = ((uint64_t)work->high << 32 | work->low) + (uint64_t)entries * each;
    *work = (tp_work){(uint32_t)sum, (uint32_t)(sum >> 32)};
}

/* Multiply-accumulates of a kept entry. */
static uint32_t work_of(const tp_layer *layer) {
    return layer->gives_input_gradient ? 2 * layer->length : layer->length;
}

static float input_norm(const tp_network *network, const tp_layer *layer, uint32_t s) {
    const float *x = tp_input_of(network, layer, s);
    float squares, *y = &squares;
    tp_dot(x, NULL, 1, layer->in_size, &x, &y, 1);
    const float length = (float)layer->length;
    return tp_root((squares / (float)layer->in_size * length + 1.0f) / (length + 1.0f));
}

void tp_spend_all(tp_network *network, const tp_layer *layer) {
    spend(&network->spending.kept, layer->out_size, work_of(layer));
    spend(&network->spending.total, layer->out_size, work_of(layer));
}

uint32_t tp_select_by_threshold(tp_network *network, uint32_t l, uint32_t s, float *g, const tp_share *share) {
    const tp_layer *layer = &network->layer[l];
    tp_spending *spending = &network->spending;
    const float *threshold = network->threshold, norm = input_norm(network, layer, s);
    const uint32_t n = layer->out_size, work = work_of(layer);
    float certain = threshold[VALUE] / norm;
    if (threshold[VALUE] == 0.0f) {
        const float error = tp_local_error(g, n);
        certain = error / (float)n * network->budget_log;
        spending->scores += error * norm * (float)work;
    }
    const float u = draw((uint32_t)threshold[SAMPLES] + share->done + s, depth_of(network, l));
    const uint32_t kept = tp_keep_above(g, n, u * certain, certain, network->max_factor,
                                        network->index + (size_t)s * network->most, &spending->dropped);
    spend(&spending->kept, kept, work);
    spend(&spending->total, n, work);
    spending->selected |= kept > 0;
    return kept;
}

void tp_follow_budget(tp_network *network, uint32_t samples) {
    const tp_spending *spent = &network->spending;
    float *threshold = network->threshold;
    const float before = threshold[VALUE], total = as_float(spent->total);
    threshold[SAMPLES] = (float)(((uint32_t)threshold[SAMPLES] + samples) % PERIOD);
    if (before == 0.0f)
        threshold[VALUE] = spent->scores / total * network->budget_log;
    const float excess = as_float(spent->kept) / (network->budget * total) - 1.0f;
    if ((excess < 0.0f && !spent->dropped) || (excess > 0.0f && !spent->selected))
        return;
    const float rate = (float)samples / ((float)samples + network->horizon);
    threshold[DEBT] += rate * excess;
    if (before == 0.0f)
        return;
    const float change = rate * (excess + threshold[DEBT] / 4.0f);
    threshold[VALUE] = before * tp_exp(change < -MOST ? -MOST : change > MOST ? MOST : change);
}
