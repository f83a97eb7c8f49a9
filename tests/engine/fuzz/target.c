/* A fuzz target for libFuzzer:
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -DTP_HOST -Itinyprop/engine/c tests/engine/fuzz/target.c \
 *         $(find tinyprop/engine/c -name '*.c') -o fuzz && ./fuzz
 *
 * driver.c runs it without libFuzzer.
 */
#include "fuzz.h"

#include "description.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES (1u << 22)
#define MOST_WORK 2e6 /* multiply-accumulates of a sample */
#define MOST_SAMPLES 9u

uint32_t fuzz_random(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Mostly tame numbers; of wild ones, some that arithmetic stumbles over. */
static float number(uint32_t *state, int wild) {
    static const float odd[] = {
        0.0f, -0.0f, 1e-42f, 3e38f, -3e38f, __builtin_inff(), -__builtin_inff(), __builtin_nanf("")};
    if (wild && fuzz_random(state) % 8 == 0)
        return odd[fuzz_random(state) % 8];
    if (fuzz_random(state) % 4 == 0)
        return 0.0f;
    return (float)(fuzz_random(state) >> 8) / 8388608.0f - 1.0f;
}

static void fill(float *values, size_t count, uint32_t *state, int wild) {
    for (size_t i = 0; i < count; i++)
        values[i] = number(state, wild);
}

typedef struct shape {
    uint32_t height, width, channels;
} shape;

static uint32_t slid(uint32_t size, uint32_t kernel, uint32_t stride, uint32_t padding) {
    return (size + 2 * padding - kernel) / stride + 1;
}

/* The outputs of a description that the engine accepts, and the work of a sample, by another hand than the engine's. */
static uint32_t outputs_of(const uint32_t *description, double *work) {
    shape s = {description[TP_WORD_HEIGHT], description[TP_WORD_WIDTH], description[TP_WORD_CHANNELS]};
    *work = 0;
    for (uint32_t i = 0; i < description[TP_WORD_LAYERS]; i++) {
        const uint32_t *word = description + TP_HEADER_WORDS + i * TP_LAYER_WORDS;
        double fan_in = 1;
        if (word[0] == TP_LINEAR) {
            s = (shape){1, 1, word[2]};
            fan_in = word[1];
        } else if (word[0] == TP_CONV2D) {
            s = (shape){slid(s.height, word[3], word[4], word[5]), slid(s.width, word[3], word[4], word[5]), word[2]};
            fan_in = (double)word[3] * word[3] * word[1] / word[6];
        } else if (word[0] == TP_MAX_POOL || word[0] == TP_AVERAGE_POOL) {
            s = (shape){slid(s.height, word[1], word[2], 0), slid(s.width, word[1], word[2], 0), s.channels};
            fan_in = (double)word[1] * word[1];
        } else if (word[0] == TP_FLATTEN) {
            s = (shape){1, 1, s.height * s.width * s.channels};
        }
        *work += fan_in * s.height * s.width * s.channels;
    }
    return s.height * s.width * s.channels;
}

static void require(int holds, const char *what) {
    if (holds)
        return;
    fprintf(stderr, "the engine contradicts itself: %s\n", what);
    abort();
}

static void *room(size_t bytes) {
    void *piece = malloc(bytes ? bytes : 1);
    require(piece != NULL, "no memory for the test itself");
    return piece;
}

static void exercise(tp_network *network, const uint32_t *description, uint32_t outputs, const tp_memory *memory,
                     uint32_t *state) {
    const uint32_t inputs = description[TP_WORD_HEIGHT] * description[TP_WORD_WIDTH] * description[TP_WORD_CHANNELS];
    const uint32_t batch = description[TP_WORD_BATCH], rows = 3;
    const uint32_t samples = batch < MOST_SAMPLES ? 2 * batch - batch / 2 : MOST_SAMPLES;
    const int wild = fuzz_random(state) % 4 == 0, squared = description[TP_WORD_LOSS] == TP_MEAN_SQUARED_ERROR;
    float *x = room((size_t)rows * inputs * sizeof(float));
    float *targets = room((size_t)rows * outputs * sizeof(float));
    float *answers = room((size_t)rows * outputs * sizeof(float));
    uint32_t *labels = room(rows * sizeof(uint32_t)), *order = room(samples * sizeof(uint32_t));
    fill(x, (size_t)rows * inputs, state, wild);
    fill(targets, (size_t)rows * outputs, state, wild);
    for (uint32_t i = 0; i < rows; i++)
        labels[i] = fuzz_random(state) % (outputs + (fuzz_random(state) % 16 == 0));
    for (uint32_t i = 0; i < samples; i++)
        order[i] = fuzz_random(state) % rows;

    const float rate = number(state, wild);
    tp_progress progress;
    const void *target = squared ? (const void *)targets : (const void *)labels;
    for (int pass = 0; pass < 2; pass++) {
        const tp_status status = tp_train(network, x, target, order, samples, rate, &progress);
        require(status == TP_OK || status == TP_BAD_TARGET || status == TP_DIVERGED, "a status of training");
        require(status != TP_OK || progress.samples == samples, "not all samples were trained on");
        require(progress.samples <= samples && progress.skipped <= samples, "too many samples");
    }
    tp_forward(network, x, rows, answers);
    volatile float last = answers[(size_t)rows * outputs - 1] + tp_state(network)[memory->state - 1];
    (void)last;
    uint32_t layers = 0;
    while (tp_layer_statistics(network, layers) != NULL)
        layers++;
    require(layers >= 1 && layers <= TP_MAX_LAYERS, "a number of trainable layers");
    tp_clear_statistics(network);
    require(tp_layer_statistics(network, 0)->samples == 0, "statistics that are not cleared");
    free(x);
    free(targets);
    free(answers);
    free(labels);
    free(order);
}

tp_status fuzz_description(const uint32_t *description, uint32_t words) {
    tp_memory memory;
    tp_network *network = NULL;
    tp_status status = tp_measure(description, words, &memory);
    if (status != TP_OK)
        return status;
    double work;
    const uint32_t outputs = outputs_of(description, &work);
    if (memory.arena > MOST_BYTES || memory.weights > MOST_BYTES || work > MOST_WORK)
        return TP_TOO_LARGE;
    require(memory.gradients + memory.optimizer + memory.activations + memory.scratch + memory.network == memory.arena,
            "memory does not add up");
    uint32_t state = 2463534242u ^ words;
    for (uint32_t i = 0; i < words; i++)
        state = state * 31 + description[i];
    state |= 1;
    float *weights = room(memory.weights);
    void *arena = room(memory.arena);
    fill(weights, memory.weights / sizeof(float), &state, 0);
    require(tp_open(description, words, weights, arena, memory.arena - 1, &network) == TP_NO_MEMORY,
            "too little memory");
    require(tp_open(description, words, weights, arena, memory.arena, &network) == TP_OK, "measured, but not opened");
    exercise(network, description, outputs, &memory, &state);
    free(weights);
    free(arena);
    return TP_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint32_t words = (uint32_t)(size / sizeof(uint32_t));
    uint32_t *description = room(words * sizeof(uint32_t));
    memcpy(description, data, words * sizeof(uint32_t));
    fuzz_description(description, words);
    free(description);
    return 0;
}
