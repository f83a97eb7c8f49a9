/* Batches: forward pass, loss, backward pass. */
#include "kernels/loss.h"
#include "network.h"

#include <string.h>

/* Where the samples of a call are. */
typedef struct tp_source {
    const float *x;
    const void *target;
    const uint32_t *order;
} tp_source;

static bool is_finite(float value) {
    return value - value == 0.0f;
}

/* Loss of sample s of the micro-batch, and its gradient into the first flow buffer. */
static tp_status lose(tp_network *network, const tp_source *source, uint32_t s, uint32_t row, float *loss) {
    const tp_layer *last = &network->layer[network->layers - 1];
    const uint32_t n = network->outputs;
    const float *z = last->output + (size_t)s * n;
    float *g = network->flow[0] + (size_t)s * n;
    if (network->loss == TP_MEAN_SQUARED_ERROR) {
        *loss = tp_squared_error(z, (const float *)source->target + (size_t)row * n, n, g);
        return TP_OK;
    }
    const uint32_t label = ((const uint32_t *)source->target)[row];
    if (label >= (network->loss == TP_BINARY_CROSS_ENTROPY ? 2 : n))
        return TP_BAD_TARGET;
    *loss = network->loss == TP_BINARY_CROSS_ENTROPY ? tp_binary_cross_entropy(z[0], label, g)
                                                     : tp_softmax_cross_entropy(z, n, label, g);
    return TP_OK;
}

static uint32_t row_of(const tp_source *source, uint32_t i) {
    return source->order == NULL ? i : source->order[i];
}

/* Samples first to first + share->samples of the source. */
static tp_status train_micro_batch(tp_network *network, const tp_source *source, uint32_t first, const tp_share *share,
                                   float *loss) {
    for (uint32_t s = 0; s < share->samples; s++)
        network->input[s] = source->x + (size_t)row_of(source, first + s) * network->inputs;
    tp_forward_pass(network, share->samples);
    TP_MARK(TP_FORWARD, network->layers);
    for (uint32_t s = 0; s < share->samples; s++) {
        float own;
        const tp_status status = lose(network, source, s, row_of(source, first + s), &own);
        if (status != TP_OK)
            return status;
        *loss += own;
    }
    if (!is_finite(*loss))
        return TP_DIVERGED;
    tp_backward_pass(network, share);
    return TP_OK;
}

static tp_status train_batch(tp_network *network, const tp_source *source, uint32_t first, uint32_t samples,
                             float learning_rate, tp_progress *progress, float *loss) {
    tp_share share = {.scale = 1.0f / (float)samples, .learning_rate = learning_rate};
    uint32_t skipped = 0;
    network->begun = false;
    for (uint32_t done = 0; done < samples; done += share.samples) {
        const uint32_t left = samples - done;
        share.samples = left < network->micro_batch ? left : network->micro_batch;
        share.done = done;
        share.last = share.samples == left;
        const tp_status status = train_micro_batch(network, source, first + done, &share, loss);
        if (status != TP_OK)
            return status;
        for (uint32_t s = 0; s < share.samples; s++)
            skipped += network->skipped[s];
    }
    progress->skipped += skipped;
    return TP_OK;
}

tp_status tp_train(tp_network *network, const float *x, const void *target, const uint32_t *order, uint32_t samples,
                   float learning_rate, tp_progress *progress) {
    const tp_source source = {x, target, order};
    float carry = 0.0f; /* Kahan's sum: an epoch adds up more than a float holds */
    memset(progress, 0, sizeof *progress);
    while (progress->samples < samples) {
        const uint32_t left = samples - progress->samples, now = left < network->batch ? left : network->batch;
        float loss = 0.0f;
        const tp_status status = train_batch(network, &source, progress->samples, now, learning_rate, progress, &loss);
        TP_MARK(TP_OUTSIDE, 0);
        if (status == TP_DIVERGED)
            progress->loss += loss; /* shows what it was */
        if (status != TP_OK) {
            tp_abandon(network);
            return status;
        }
        const float corrected = loss - carry, total = progress->loss + corrected;
        carry = (total - progress->loss) - corrected;
        progress->loss = total;
        progress->samples += now;
    }
    return TP_OK;
}

const tp_statistics *tp_layer_statistics(const tp_network *network, uint32_t i) {
    for (uint32_t l = 0; l < network->layers; l++)
        if (tp_is_trainable(&network->layer[l]) && i-- == 0)
            return &network->layer[l].statistics;
    return NULL;
}

void tp_clear_statistics(tp_network *network) {
    for (uint32_t l = 0; l < network->layers; l++)
        memset(&network->layer[l].statistics, 0, sizeof network->layer[l].statistics);
}

#ifdef TP_OBSERVED
void tp_observe(tp_network *network, tp_observer observer, void *context) {
    network->observer = observer;
    network->observer_context = context;
}
#endif
