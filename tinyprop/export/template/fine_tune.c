#include "fine_tune.h"

#include "kernels/loss.h"

#include <string.h>

float fine_tune_weights[NETWORK_WEIGHTS];
static void *arena[NETWORK_ARENA_BYTES / 4]; /* aligned like a pointer; twice as large where pointers are */
static tp_network *network;

static tp_status learn(const float *x, const void *target, uint32_t samples) {
    tp_progress progress;
    return tp_train(network, x, target, 0, samples, NETWORK_LEARNING_RATE, &progress);
}

#if NETWORK_BATCH > 1
static uint32_t kept;
static float kept_x[NETWORK_BATCH][NETWORK_INPUTS];
#ifdef NETWORK_SQUARED_ERROR
static float kept_target[NETWORK_BATCH][NETWORK_OUTPUTS];
#else
static uint32_t kept_target[NETWORK_BATCH];
#endif
#endif

tp_status fine_tune_begin(void) {
#if NETWORK_BATCH > 1
    kept = 0;
#endif
    memcpy(fine_tune_weights, network_initial_weights, sizeof fine_tune_weights);
    return tp_open(network_description, NETWORK_WORDS, fine_tune_weights, arena, sizeof arena, &network);
}

tp_status fine_tune(const float *x, network_target target) {
#ifdef NETWORK_SQUARED_ERROR
    const float *const row = target;
#else
    const uint32_t *const row = &target;
#endif
#if NETWORK_BATCH > 1
    memcpy(kept_x[kept], x, sizeof kept_x[0]);
    memcpy(&kept_target[kept], row, sizeof kept_target[0]);
    kept++;
    return kept == NETWORK_BATCH ? fine_tune_rest() : TP_OK;
#else
    return learn(x, row, 1);
#endif
}

tp_status fine_tune_rest(void) {
#if NETWORK_BATCH > 1
    const uint32_t samples = kept;
    kept = 0;
    return samples ? learn(kept_x[0], kept_target, samples) : TP_OK;
#else
    return TP_OK;
#endif
}

const float *fine_tune_outputs(const float *x) {
    static float outputs[NETWORK_OUTPUTS];
    tp_forward(network, x, 1, outputs);
    return outputs;
}

float fine_tune_loss(const float *x, network_target target) {
    static float gradient[NETWORK_OUTPUTS];
    const float *const outputs = fine_tune_outputs(x);
#if defined(NETWORK_SQUARED_ERROR)
    return tp_squared_error(outputs, target, NETWORK_OUTPUTS, gradient);
#elif defined(NETWORK_BINARY_CROSS_ENTROPY)
    return tp_binary_cross_entropy(outputs[0], target, gradient);
#else
    return tp_softmax_cross_entropy(outputs, NETWORK_OUTPUTS, target, gradient);
#endif
}
