/* A demonstration: fine-tunes on the samples of samples.c. An application's own main takes its place.
 *
 * On a board the outcome is in `demonstration` when `halt` is reached; on a PC (-DHOST) it is printed.
 */
#include "fine_tune.h"
#include "samples.h"

#define PASSES 4u

typedef struct demonstration_outcome {
    uint32_t status;  /* tp_status */
    uint32_t samples; /* learnt from */
    float loss_before, loss_after;
    uint32_t correct_before, correct_after; /* samples, of classifiers */
} demonstration_outcome;

volatile demonstration_outcome demonstration;

static float mean_loss(void) {
    float sum = 0.0f;
    for (uint32_t i = 0; i < SAMPLES; i++)
        sum += fine_tune_loss(sample_x[i], sample_target[i]);
    return sum / SAMPLES;
}

#ifdef NETWORK_SQUARED_ERROR
static uint32_t correct(void) {
    return 0;
}
#else
static uint32_t class_of(const float *outputs) {
#ifdef NETWORK_BINARY_CROSS_ENTROPY
    return outputs[0] > 0.0f;
#else
    uint32_t best = 0;
    for (uint32_t j = 1; j < NETWORK_OUTPUTS; j++)
        if (outputs[j] > outputs[best])
            best = j;
    return best;
#endif
}

static uint32_t correct(void) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < SAMPLES; i++)
        count += class_of(fine_tune_outputs(sample_x[i])) == sample_target[i];
    return count;
}
#endif

static tp_status pass(void) {
    for (uint32_t i = 0; i < SAMPLES; i++) {
        const tp_status status = fine_tune(sample_x[i], sample_target[i]);
        if (status != TP_OK)
            return status;
        demonstration.samples++;
    }
    return fine_tune_rest();
}

static void demonstrate(void) {
    tp_status status = fine_tune_begin();
    if (status == TP_OK) {
        demonstration.loss_before = mean_loss();
        demonstration.correct_before = correct();
        for (uint32_t i = 0; i < PASSES && status == TP_OK; i++)
            status = pass();
        demonstration.loss_after = mean_loss();
        demonstration.correct_after = correct();
    }
    demonstration.status = status;
}

#ifndef HOST
int main(void) {
    demonstrate();
    return (int)demonstration.status;
}
#else
#include <stdio.h>

static int write_weights(const char *path) {
    FILE *const file = fopen(path, "wb");
    if (!file)
        return 1;
    const size_t written = fwrite(fine_tune_weights, sizeof(float), NETWORK_WEIGHTS, file);
    return fclose(file) != 0 || written != NETWORK_WEIGHTS;
}

/* With an argument, the weights that it ended with are written to that file. */
int main(int count, char **arguments) {
    demonstrate();
    if (demonstration.status != TP_OK) {
        printf("failed: tp_status %u of engine/tinyprop.h\n", (unsigned)demonstration.status);
        return 1;
    }
    printf("loss %.6f before, %.6f after %u passes over %u samples\n", (double)demonstration.loss_before,
           (double)demonstration.loss_after, PASSES, SAMPLES);
#ifndef NETWORK_SQUARED_ERROR
    printf("correct %u before, %u after\n", (unsigned)demonstration.correct_before,
           (unsigned)demonstration.correct_after);
#endif
    return count > 1 ? write_weights(arguments[1]) : 0;
}
#endif
