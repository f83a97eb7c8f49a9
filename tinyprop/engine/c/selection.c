/* Steps 1 to 3 of the method for one layer: local error, ratio, and which entries are kept. */
#include "kernels/select.h"
#include "network.h"

uint32_t tp_count(const tp_network *network, float ratio, uint32_t n) {
    if (network->policy == TP_MEPROP)
        return network->k < n ? network->k : n;
    const float half = (network->policy_flags & TP_ROUND_DOWN) != 0 ? 0.0f : 0.5f;
    const uint32_t k = (uint32_t)(ratio * (float)n + half);
    return k < 1 ? 1 : k > n ? n : k;
}

float tp_ratio(const tp_network *network, const tp_layer *layer, float local_error, float local_error_max) {
    switch (network->policy) {
    case TP_DENSE:
        return 1.0f;
    case TP_STATIC:
        return network->ratio;
    case TP_MEPROP:
        return network->k < layer->ranked ? (float)network->k / (float)layer->ranked : 1.0f;
    default:
        break;
    }
    const float share = local_error_max > 0.0f ? local_error / local_error_max : local_error;
    const float ratio = (network->s_min + share * network->s_range) * layer->damping;
    return ratio < 0.0f ? 0.0f : ratio > 1.0f ? 1.0f : ratio;
}

static bool follows_error(const tp_network *network) {
    return network->policy == TP_ADAPTIVE || network->policy == TP_ADAPTIVE_SKIP;
}

static bool is_finite(float value) {
    return value - value == 0.0f;
}

/* Kahan's sum: an epoch adds up more than a float holds. */
static void add(float *sum, float *carry, float value) {
    const float corrected = value - *carry, total = *sum + corrected;
    *carry = (total - *sum) - corrected;
    *sum = total;
}

/* Y of each sample, and the running maximum with them. */
static void measure(tp_network *network, tp_layer *layer, const float *flow, uint32_t samples) {
    float largest = *layer->local_error_max;
    for (uint32_t s = 0; s < samples; s++) {
        const float error = network->skipped[s] ? 0.0f : tp_local_error(flow + s * layer->out_size, layer->out_size);
        network->local_error[s] = error;
        largest = error > largest ? error : largest;
    }
    *layer->local_error_max = largest;
}

static void skip_samples(tp_network *network, const tp_layer *layer, uint32_t samples) {
    for (uint32_t s = 0; s < samples; s++) {
        const float ratio = tp_ratio(network, layer, network->local_error[s], *layer->local_error_max);
        network->skipped[s] = ratio < network->skip_threshold;
    }
}

/* The kept channels of a convolution's gradient, as a list of all their entries. */
static void keep_channels(tp_network *network, const tp_layer *layer, const float *g, uint32_t k, uint16_t *index) {
    const uint32_t channels = layer->rows, positions = layer->out_size / channels;
    for (uint32_t c = 0; c < channels; c++)
        network->norm[c] = 0.0f;
    for (uint32_t i = 0; i < layer->out_size; i += channels)
        for (uint32_t c = 0; c < channels; c++)
            network->norm[c] += __builtin_fabsf(g[i + c]);
    tp_keep_largest(network->norm, channels, channels, k, index, network->rank);
    /* the list of one position, repeated for each */
    for (uint32_t position = 1; position < positions; position++)
        for (uint32_t i = 0; i < k; i++)
            index[position * k + i] = (uint16_t)(index[i] + position * channels);
}

static uint32_t without_zeros(const float *g, uint16_t *index, uint32_t kept) {
    uint32_t left = 0;
    for (uint32_t i = 0; i < kept; i++)
        if (g[index[i]] != 0.0f)
            index[left++] = index[i];
    return left;
}

static uint32_t all_but_zeros(const float *g, uint32_t n, uint16_t *index) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (g[i] != 0.0f)
            index[kept++] = (uint16_t)i;
    return kept;
}

static bool any(const float *g, const uint16_t *index, uint32_t kept) {
    for (uint32_t i = 0; i < kept; i++)
        if (g[index[i]] != 0.0f)
            return true;
    return false;
}

/* Rank one sample's gradient and fill its list with the k largest. */
static void rank(tp_network *network, const tp_layer *layer, uint32_t s, const float *g, uint32_t k) {
    uint16_t *index = network->index + (size_t)s * network->most;
    if (layer->ranked != layer->out_size) {
        keep_channels(network, layer, g, k, index);
        k *= layer->out_size / layer->ranked;
    } else {
        tp_keep_largest(g, layer->out_size, layer->rows, k, index, network->rank);
    }
    network->kept[s] = (network->options & TP_SKIP_ZEROS) != 0 ? without_zeros(g, index, k) : k;
}

/* How many of the ranked a sample's ratio keeps. An error that is no number asks for everything that there is room for,
 * so that a divergence stays visible. */
static uint32_t count_of(const tp_network *network, const tp_layer *layer, float error, float *ratio) {
    if (follows_error(network) && !is_finite(error)) {
        *ratio = 1.0f;
        return network->most / (layer->out_size / layer->ranked);
    }
    *ratio = tp_ratio(network, layer, error, *layer->local_error_max);
    return tp_count(network, *ratio, layer->ranked);
}

/* Select from one sample's gradient; without measured errors, nothing is known of it. */
static void select_sample(tp_network *network, tp_layer *layer, uint32_t s, const float *g, bool measured) {
    tp_statistics *statistics = &layer->statistics;
    const float error = measured ? network->local_error[s] : 1.0f;
    float ratio = 1.0f;
    uint32_t k = layer->ranked;
    network->kept[s] = 0;
    if (network->skipped[s] || (layer->selects && error == 0.0f))
        return;
    if (!layer->selects) {
        const bool skips_zeros = (network->options & TP_SKIP_ZEROS) != 0;
        uint16_t *index = network->index + (size_t)s * network->most;
        network->kept[s] = skips_zeros ? all_but_zeros(g, layer->out_size, index) : TP_ALL;
    } else {
        k = count_of(network, layer, error, &ratio);
        rank(network, layer, s, g, k);
        if (!measured && !any(g, network->index + (size_t)s * network->most, network->kept[s])) {
            network->kept[s] = 0; /* a gradient that is all zero keeps nothing */
            return;
        }
    }
    statistics->kept += k;
    add(&statistics->ratio, &statistics->ratio_carry, ratio);
}

/* The same by the network's threshold. */
static void select_within_budget(tp_network *network, uint32_t l, uint32_t s, float *g, const tp_share *share) {
    tp_layer *layer = &network->layer[l];
    if (!layer->selects) {
        tp_spend_all(network, layer);
        select_sample(network, layer, s, g, false);
        return;
    }
    network->kept[s] = tp_select_by_threshold(network, l, s, g, share);
    tp_statistics *statistics = &layer->statistics;
    statistics->kept += network->kept[s];
    add(&statistics->ratio, &statistics->ratio_carry, (float)network->kept[s] / (float)layer->out_size);
}

void tp_select(tp_network *network, uint32_t l, float *flow, const tp_share *share) {
    tp_layer *layer = &network->layer[l];
    const uint32_t samples = share->samples;
    const bool decides = layer->is_output && network->policy == TP_ADAPTIVE_SKIP;
    const bool measures = (layer->selects && follows_error(network)) || decides || (network->options & TP_MEASURE_ERROR) != 0;
    if (measures)
        measure(network, layer, flow, samples);
    if (decides)
        skip_samples(network, layer, samples);
    tp_statistics *statistics = &layer->statistics;
    statistics->samples += samples;
    for (uint32_t s = 0; s < samples; s++) {
        float *g = flow + (size_t)s * layer->out_size;
        if (network->policy == TP_BUDGET)
            select_within_budget(network, l, s, g, share);
        else
            select_sample(network, layer, s, g, measures);
        if (measures)
            add(&statistics->local_error, &statistics->local_error_carry, network->local_error[s]);
#ifdef TP_OBSERVED
        if (network->observer != NULL) {
            const bool all = network->kept[s] == TP_ALL;
            network->observer(network->observer_context, l, s, all ? NULL : network->index + (size_t)s * network->most,
                              all ? layer->out_size : network->kept[s]);
        }
#endif
    }
}
