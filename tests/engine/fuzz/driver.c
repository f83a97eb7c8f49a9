/* Runs the fuzz target without libFuzzer: ./driver SEED NETWORKS MUTATIONS
 *
 * makes so many random networks, which must train, and of each so many damaged descriptions, with which the engine may
 * do anything but harm. Prints how many were accepted.
 */
#include "fuzz.h"

#include "description.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_LAYERS 8u

static uint32_t state;

static uint32_t between(uint32_t low, uint32_t high) {
    return low + fuzz_random(&state) % (high - low + 1);
}

static uint32_t word_of(float value) {
    uint32_t word;
    memcpy(&word, &value, sizeof word);
    return word;
}

static uint32_t fraction(void) {
    return word_of((float)(fuzz_random(&state) >> 8) / 16777216.0f);
}

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static void write_header(uint32_t *word) {
    memset(word, 0, TP_HEADER_WORDS * sizeof *word);
    word[TP_WORD_MAGIC] = TP_MAGIC;
    word[TP_WORD_HEIGHT] = between(1, 9);
    word[TP_WORD_WIDTH] = between(1, 9);
    word[TP_WORD_CHANNELS] = between(1, 6);
    word[TP_WORD_BATCH] = between(1, 7);
    word[TP_WORD_MICRO_BATCH] = fuzz_random(&state) % 2 ? word[TP_WORD_BATCH] : between(1, word[TP_WORD_BATCH]);
    word[TP_WORD_POLICY] = between(TP_DENSE, TP_BUDGET);
    word[TP_WORD_POLICY_FLAGS] = between(0, 15);
    word[TP_WORD_K] = between(1, 40);
    for (uint32_t i = TP_WORD_RATIO; i <= TP_WORD_SKIP_THRESHOLD; i++)
        if (i != TP_WORD_K)
            word[i] = fraction();
    word[TP_WORD_OPTIMIZER] = between(TP_SGD, TP_ADAMW);
    for (uint32_t i = TP_WORD_MOMENTUM; i <= TP_WORD_WEIGHT_DECAY; i++)
        word[i] = fuzz_random(&state) % 4 ? fraction() : 0;
    word[TP_WORD_OPTIONS] = between(0, 3);
    if (word[TP_WORD_POLICY] == TP_BUDGET)
        word[TP_WORD_POLICY_FLAGS] &= TP_DENSE_OUTPUT | TP_ROUND_DOWN;
    word[TP_WORD_BUDGET] = fraction();
    word[TP_WORD_BUDGET_LOG] = word_of((float)between(0, 9));
    word[TP_WORD_HORIZON] = word_of((float)between(1, 200));
    word[TP_WORD_MAX_FACTOR] = word_of((float)between(1, 30));
}

/* A layer on a feature map; its shape moves on. */
static void write_layer(uint32_t *word, uint32_t *height, uint32_t *width, uint32_t *channels) {
    const uint32_t kind = between(TP_LINEAR, TP_FLATTEN), side = smaller(smaller(*height, *width), 4);
    const uint32_t kernel = between(1, side), stride = between(1, 3);
    uint32_t padding = 0;
    memset(word, 0, TP_LAYER_WORDS * sizeof *word);
    word[0] = kind;
    word[TP_WORD_DAMPING] = fraction();
    if (kind == TP_CONV2D) {
        const uint32_t groups = *channels % 2 == 0 ? between(1, 2) : 1, out = groups * between(1, 9);
        padding = between(0, kernel - 1);
        const uint32_t said[] = {TP_CONV2D, *channels, out, kernel, stride, padding, groups, between(0, 1)};
        memcpy(word, said, sizeof said);
        *channels = out;
    } else if (kind == TP_MAX_POOL || kind == TP_AVERAGE_POOL) {
        word[1] = kernel;
        word[2] = stride;
    } else {
        if (kind == TP_LINEAR || kind == TP_FLATTEN) {
            *channels *= *height * *width;
            *height = *width = 1;
        }
        if (kind == TP_LINEAR) {
            word[1] = *channels;
            word[2] = *channels = between(1, 20);
        }
        return;
    }
    *height = (*height + 2 * padding - kernel) / stride + 1;
    *width = (*width + 2 * padding - kernel) / stride + 1;
}

static uint32_t write_network(uint32_t *description) {
    write_header(description);
    uint32_t height = description[TP_WORD_HEIGHT], width = description[TP_WORD_WIDTH];
    uint32_t channels = description[TP_WORD_CHANNELS];
    const uint32_t layers = between(1, MOST_LAYERS);
    uint32_t *word = description + TP_HEADER_WORDS;
    for (uint32_t i = 0; i + 1 < layers; i++, word += TP_LAYER_WORDS)
        write_layer(word, &height, &width, &channels);
    const uint32_t outputs = between(1, 9);
    const uint32_t last[TP_LAYER_WORDS] = {TP_LINEAR, height * width * channels, outputs};
    memcpy(word, last, sizeof last);
    word[TP_WORD_DAMPING] = fraction();
    description[TP_WORD_LOSS] =
        outputs == 1 ? between(TP_BINARY_CROSS_ENTROPY, TP_MEAN_SQUARED_ERROR) : between(0, 1) * TP_MEAN_SQUARED_ERROR;
    description[TP_WORD_LAYERS] = layers;
    description[TP_WORD_WORDS] = TP_HEADER_WORDS + layers * TP_LAYER_WORDS;
    return description[TP_WORD_WORDS];
}

/* Change some words of a description, to numbers near a border more often than not, or cut it short. */
static uint32_t damage(uint32_t *description, uint32_t words) {
    static const uint32_t borders[] = {0,          1,          2,          7,          8,          15,
                                       16,         255,        256,        65535,      65536,      0x0fffffff,
                                       0x10000000, 0x7f7fffff, 0x7f800000, 0x7fc00000, 0x7fffffff, 0x80000000,
                                       0xff800000, 0xfffffffe, 0xffffffff};
    for (uint32_t i = between(1, 3); i > 0; i--) {
        uint32_t *word = description + between(0, words - 1);
        switch (between(0, 3)) {
        case 0:
            *word = fuzz_random(&state);
            break;
        case 1:
            *word += between(0, 2) - 1;
            break;
        default:
            *word = borders[between(0, sizeof borders / sizeof *borders - 1)];
            break;
        }
    }
    return between(0, 15) ? words : between(0, words);
}

int main(int argc, char **argv) {
    if (argc != 4)
        return 2;
    state = (uint32_t)strtoul(argv[1], NULL, 10) | 1;
    const unsigned long networks = strtoul(argv[2], NULL, 10), mutations = strtoul(argv[3], NULL, 10);
    unsigned long trained = 0, damaged_trained = 0, refused = 0;
    for (unsigned long n = 0; n < networks; n++) {
        uint32_t whole[TP_HEADER_WORDS + MOST_LAYERS * TP_LAYER_WORDS];
        const uint32_t words = write_network(whole);
        const tp_status status = fuzz_description(whole, words);
        if (status == TP_OK)
            trained++;
        else
            fprintf(stderr, "network %lu is refused with status %d\n", n, status);
        for (unsigned long m = 0; m < mutations; m++) {
            uint32_t damaged[sizeof whole / sizeof *whole];
            memcpy(damaged, whole, sizeof whole);
            const uint32_t left = damage(damaged, words);
            uint32_t *exact = malloc(left * sizeof *exact + 1); /* so that reading past its end is seen */
            memcpy(exact, damaged, left * sizeof *exact);
            if (fuzz_description(exact, left) == TP_OK)
                damaged_trained++;
            else
                refused++;
            free(exact);
        }
    }
    printf("%lu %lu %lu\n", trained, damaged_trained, refused);
    return 0;
}
