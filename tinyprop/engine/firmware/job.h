/* What the simulated board is told and what it answers: one block of memory at the symbol tp_job.
 *
 * Every field is one 32-bit word. The host fills in the first part and starts the board at reset, or at tp_run when it
 * has been started before; the board does what `commands` says, in this order, and ends in tp_halt.
 */
#ifndef TP_JOB_H
#define TP_JOB_H

#include "../c/tinyprop.h"

enum { /* bits of `commands`; the first that fails ends the job, apart from TP_JOB_SEND */
       TP_JOB_MEASURE = 1,
       TP_JOB_OPEN = 2,
       TP_JOB_RESTORE = 4, /* copy saved_state to the network's state */
       TP_JOB_CLEAR = 8,   /* begin the statistics anew */
       TP_JOB_TRAIN = 16,
       TP_JOB_SEND = 32 /* send this block, weights, state and statistics over the serial line */
};

#define TP_JOB_LOOP 0xffu /* a tp_mark: what follows is none of the engine's work */

typedef struct tp_job {
    uint32_t commands;
    const uint32_t *description;
    uint32_t words;
    float *weights;
    void *arena;
    uint32_t arena_bytes;
    const float *saved_state; /* memory.state floats */
    const float *x;
    const void *target;
    const uint32_t *order;
    uint32_t samples;
    float learning_rate;
    tp_statistics *statistics; /* room for those of every trainable layer */

    uint32_t status; /* tp_status */
    tp_memory memory;
    tp_network *network;
    float *state;
    uint32_t layers;      /* trainable */
    tp_progress progress; /* of this job */
    uint32_t stack;       /* bytes of it used since reset, those of this loop included */
} tp_job_block;

#endif
