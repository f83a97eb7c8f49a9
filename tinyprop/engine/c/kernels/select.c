/* Ranking: see select.h. Three ways, each exact: a sorted list for few entries, a bound guessed from a sample for a
 * small share, a selection among all otherwise. */
#include "select.h"

#define FEW 8u     /* entries up to which the sorted list is less work */
#define SAMPLE 32u /* entries that suggest a bound, and how many more of them than is fair are to exceed it */
#define MARGIN 5u
#define ROUNDS 32u /* of Hoare's selection; a random order needs a few times log2 n */

/* Inlined into one function they would fill kilobytes and spill every register. */
#define OUTLINED __attribute__((noinline))

/* Magnitudes of floats order like their bits without the sign; a NaN's are the largest. */
static inline uint32_t magnitude(const float *value) {
    uint32_t bits;
    __builtin_memcpy(&bits, value, sizeof bits);
    return bits << 1;
}

/* Put every step-th entry from `i` on that belongs among the k largest into the descending list `rank` of magnitudes
 * and `index` of places. Of equals the first that came stays; an empty list is of zeros, and zeros never enter it. */
static OUTLINED void list_largest(const float *g, uint32_t i, uint32_t n, uint32_t step, uint32_t k, uint16_t *index,
                                  uint32_t *rank) {
    uint32_t least = rank[k - 1];
    for (; i < n; i += step) {
        const uint32_t entry = magnitude(g + i);
        uint32_t at = k - 1;
        if (entry <= least)
            continue;
        for (; at > 0 && rank[at - 1] < entry; --at) {
            rank[at] = rank[at - 1];
            index[at] = index[at - 1];
        }
        rank[at] = entry;
        index[at] = (uint16_t)i;
        least = rank[k - 1];
    }
}

static void empty_list(uint32_t *rank, uint32_t k) {
    for (uint32_t i = 0; i < k; ++i)
        rank[i] = 0;
}

static void sort_ascending(uint16_t *index, uint32_t k) {
    for (uint32_t i = 1; i < k; ++i) {
        const uint16_t entry = index[i];
        uint32_t at = i;
        for (; at > 0 && index[at - 1] > entry; --at)
            index[at] = index[at - 1];
        index[at] = entry;
    }
}

/* By a sorted list of the k largest. False where fewer than k are not zero. */
static OUTLINED int keep_by_list(const float *g, uint32_t n, uint32_t channels, uint32_t k, uint16_t *index,
                                 uint32_t *rank) {
    empty_list(rank, k);
    for (uint32_t c = 0; c < channels; ++c)
        list_largest(g, c, n, channels, k, index, rank);
    if (!rank[k - 1])
        return 0;
    sort_ascending(index, k);
    return 1;
}

/* The k-th largest of n, bit by bit: slow, but never slower. */
static OUTLINED uint32_t bisect(const uint32_t *rank, uint32_t n, uint32_t k) {
    uint32_t threshold = 0;
    for (uint32_t bit = 1u << 31; bit; bit >>= 1) {
        uint32_t reached = 0;
        for (uint32_t i = 0; i < n; ++i)
            reached += rank[i] >= (threshold | bit);
        if (reached >= k)
            threshold |= bit;
    }
    return threshold;
}

/* The k-th largest of n by Hoare's selection. */
static OUTLINED uint32_t find_kth(uint32_t *rank, uint32_t n, uint32_t k) {
    const int32_t kth = (int32_t)k - 1;
    int32_t low = 0, high = (int32_t)n - 1;
    for (uint32_t rounds = 0; low < high; ++rounds) {
        const uint32_t pivot = rank[kth];
        int32_t i = low, j = high;
        if (rounds == ROUNDS)
            return bisect(rank + low, (uint32_t)(high - low) + 1, (uint32_t)(kth - low) + 1);
        while (i <= j) {
            while (rank[i] > pivot)
                ++i;
            while (rank[j] < pivot)
                --j;
            if (i <= j) {
                const uint32_t swapped = rank[i];
                rank[i++] = rank[j];
                rank[j--] = swapped;
            }
        }
        if (j < kth)
            low = i;
        if (kth < i)
            high = j;
    }
    return rank[kth];
}

static OUTLINED uint32_t count_above(const uint32_t *rank, uint32_t n, uint32_t bound) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; ++i)
        count += rank[i] > bound;
    return count;
}

/* The entries above `bound`: magnitudes from the start of `rank` up, places from its end down. Past the middle the two
 * destroy each other. */
static uint32_t collect(const float *g, uint32_t n, uint32_t bound, uint32_t *rank) {
    uint32_t *next = rank, *place = rank + n;
    for (uint32_t i = 0; i < n; ++i) {
        const uint32_t entry = magnitude(g + i);
        if (entry > bound) {
            *next++ = entry;
            *--place = i;
        }
    }
    return (uint32_t)(next - rank);
}

/* By a bound that a sample suggests: only what exceeds it is ranked. False where the bound was a bad one, or where only
 * some of several equals are to be kept. k is above FEW and n at least 2 SAMPLE, so `index` has room for `few`. */
static OUTLINED int keep_by_bound(const float *g, uint32_t n, uint32_t k, uint16_t *index, uint32_t *rank) {
    const uint32_t step = n / SAMPLE | 1, few = k / step + MARGIN;
    uint32_t count, threshold;
    empty_list(rank, few);
    list_largest(g, 0, n, step, few, index, rank);
    count = collect(g, n, rank[few - 1], rank);
    if (count < k || count > n / 2)
        return 0;
    threshold = find_kth(rank, count, k);
    if (count_above(rank, count, threshold - 1) != k)
        return 0;
    for (const uint32_t *place = rank + n; place-- > rank + n - count;)
        if (magnitude(g + *place) >= threshold)
            *index++ = (uint16_t)*place;
    return 1;
}

/* The magnitudes that are not zero. */
static uint32_t collect_all(const float *g, uint32_t n, uint32_t *rank) {
    uint32_t *next = rank;
    for (uint32_t i = 0; i < n; ++i) {
        const uint32_t entry = magnitude(g + i);
        if (entry)
            *next++ = entry;
    }
    return (uint32_t)(next - rank);
}

/* The channel-major place of the first entry equal to the threshold after `ties` others. */
static uint32_t first_dropped(const float *g, uint32_t n, uint32_t channels, uint32_t threshold, uint32_t ties) {
    uint32_t place = 0;
    for (uint32_t c = 0; c < channels; ++c)
        for (uint32_t i = c; i < n; i += channels, ++place)
            if (magnitude(g + i) == threshold && ties-- == 0)
                return place;
    return n;
}

/* All entries above the threshold, and those equal to it that come before the channel-major place `dropped`. */
static void gather(const float *g, uint32_t n, uint32_t channels, uint32_t threshold, uint32_t dropped,
                   uint16_t *index) {
    const uint32_t positions = n / channels;
    for (uint32_t i = 0, p = 0; p < positions; ++p)
        for (uint32_t c = 0; c < channels; ++c, ++i) {
            const uint32_t entry = magnitude(g + i);
            if (entry >= threshold && (entry > threshold || c * positions + p < dropped))
                *index++ = (uint16_t)i;
        }
}

static OUTLINED void keep_by_threshold(const float *g, uint32_t n, uint32_t channels, uint32_t k, uint16_t *index,
                                       uint32_t *rank) {
    const uint32_t count = collect_all(g, n, rank), threshold = count < k ? 0 : find_kth(rank, count, k);
    uint32_t dropped = n;
    if (!threshold || count_above(rank, count, threshold - 1) > k)
        dropped = first_dropped(g, n, channels, threshold, k - count_above(rank, count, threshold));
    gather(g, n, channels == 1 ? n : channels, threshold, dropped, index);
}

void tp_keep_largest(const float *g, uint32_t n, uint32_t channels, uint32_t k, uint16_t *index, uint32_t *rank) {
    if (channels == n)
        channels = 1;
    if (k == n)
        for (uint32_t i = 0; i < n; ++i)
            index[i] = (uint16_t)i;
    else if (k && !(k <= FEW && keep_by_list(g, n, channels, k, index, rank)) &&
             !(k > FEW && n >= 2 * SAMPLE && k <= n / 4 && keep_by_bound(g, n, k, index, rank)))
        keep_by_threshold(g, n, channels, k, index, rank);
}
