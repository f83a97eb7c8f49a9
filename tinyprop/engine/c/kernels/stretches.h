/* The part of a vector that is worked on: a first stretch of whole blocks, then others. See tp_run in dot.h. */
#ifndef TP_STRETCHES_H
#define TP_STRETCHES_H

#include "config.h"
#include "dot.h"

#include <stddef.h>

typedef struct stretches {
    uint32_t first, blocks;
    const tp_run *next, *end;
} stretches;

static inline stretches all_blocks(uint32_t length) {
    return (stretches){0, length / TP_LANES, 0, 0};
}

static inline stretches blocks_of_runs(const tp_run *runs, uint32_t count) {
    return count ? (stretches){runs->first, runs->blocks, runs + 1, runs + count} : (stretches){0, 0, 0, 0};
}

#endif
