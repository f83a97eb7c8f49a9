/* Ranking: see select.h. Magnitudes of floats order like their bits without the sign; a NaN's are the largest. */
#include "select.h"
#include "config.h"

static uint32_t magnitude(float value) {
    uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits & 0x7fffffffu;
}

float tp_local_error(const float *g, uint32_t n) {
    float lanes[TP_LANES] = {0};
    for (uint32_t i = 0; i < n; ++i)
        lanes[i % TP_LANES] += __builtin_fabsf(g[i]);
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/* The k-th largest of n magnitudes, bit by bit. */
static uint32_t kth_largest(const uint32_t *rank, uint32_t n, uint32_t k) {
    uint32_t threshold = 0;
    for (uint32_t bit = 1u << 30; bit; bit >>= 1) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < n; ++i)
            count += rank[i] >= (threshold | bit);
        if (count >= k)
            threshold |= bit;
    }
    return threshold;
}

void tp_keep_largest(const float *g, uint32_t n, uint32_t channels, uint32_t k, uint16_t *index, uint32_t *rank) {
    uint32_t threshold, ties = k, kept = 0;
    if (k == 0)
        return;
    for (uint32_t i = 0; i < n; ++i)
        rank[i] = magnitude(g[i]);
    threshold = kth_largest(rank, n, k);
    for (uint32_t i = 0; i < n; ++i)
        ties -= rank[i] > threshold;
    for (uint32_t c = 0; c < channels; ++c)
        for (uint32_t i = c; i < n && ties; i += channels)
            if (rank[i] == threshold) {
                rank[i] = 0xffffffffu;
                --ties;
            }
    for (uint32_t i = 0; i < n; ++i)
        if (rank[i] > threshold)
            index[kept++] = (uint16_t)i;
}
