/* The kept entries of an output gradient, and how a convolution goes through them. */
#ifndef TP_KEPT_H
#define TP_KEPT_H

#include "network.h"

/* The kept entries of one sample's output gradient; without a list, all n of them. */
typedef struct tp_list {
    const uint16_t *index;
    uint32_t count;
} tp_list;

/* Walks over those parts of a list that lie in one group of one position after the other. */
typedef struct tp_walk {
    tp_list left, here; /* here: the part at hand */
    uint32_t base;      /* index of the part's first possible entry */
    uint32_t group, row, column;
} tp_walk;

static inline tp_list tp_kept_of(const tp_network *network, const tp_layer *layer, uint32_t s) {
    const uint32_t kept = network->kept[s];
    if (kept == TP_ALL || kept == 0)
        return (tp_list){NULL, kept == 0 ? 0 : layer->out_size};
    return (tp_list){network->index + (size_t)s * network->most, kept};
}

/* Go to the first part, or to the next; false where there is none. */
bool tp_first_part(tp_walk *walk, const tp_geometry *geometry, tp_list kept);
bool tp_next_part(tp_walk *walk, const tp_geometry *geometry);

#endif
