/* The job loop: one job a run. */
#include "board.h"
#include "job.h"

__attribute__((section(".job"), used)) volatile tp_job_block tp_job;

__attribute__((noreturn, noinline, used)) void tp_halt(void) {
    for (;;)
        __asm__ volatile("");
}

static tp_status open_network(void) {
    tp_network *network;
    const tp_status status =
        tp_open(tp_job.description, tp_job.words, tp_job.weights, tp_job.arena, tp_job.arena_bytes, &network);
    if (status == TP_OK) {
        tp_job.network = network;
        tp_job.state = tp_state(network);
        tp_job.layers = 0;
        while (tp_layer_statistics(network, tp_job.layers))
            tp_job.layers++;
    }
    return status;
}

static tp_status measure(void) {
    tp_memory memory;
    const tp_status status = tp_measure(tp_job.description, tp_job.words, &memory);
    if (status == TP_OK)
        tp_job.memory = memory;
    return status;
}

static tp_status train(void) {
    tp_progress progress;
    tp_mark(TP_OUTSIDE);
    const tp_status status = tp_train(tp_job.network, tp_job.x, tp_job.target, tp_job.order, tp_job.samples,
                                      tp_job.learning_rate, &progress);
    tp_mark(TP_JOB_LOOP);
    tp_job.progress = progress;
    for (uint32_t i = 0; i < tp_job.layers; i++)
        tp_job.statistics[i] = *tp_layer_statistics(tp_job.network, i);
    return status;
}

static tp_status work(uint32_t commands) {
    tp_status status = TP_OK;
    if (commands & TP_JOB_MEASURE)
        status = measure();
    if (status == TP_OK && (commands & TP_JOB_OPEN))
        status = open_network();
    if (status == TP_OK && (commands & TP_JOB_RESTORE)) {
        for (uint32_t i = 0; i < tp_job.memory.state; i++)
            tp_job.state[i] = tp_job.saved_state[i];
    }
    if (status == TP_OK && (commands & TP_JOB_CLEAR))
        tp_clear_statistics(tp_job.network);
    if (status == TP_OK && (commands & TP_JOB_TRAIN))
        status = train();
    return status;
}

static uint32_t stack_used(void) {
    const volatile uint32_t *word = tp_stack_limit;
    while (word < tp_stack_top && *word == TP_PAINT)
        word++;
    return (uint32_t)((uintptr_t)tp_stack_top - (uintptr_t)word);
}

void tp_run(void) {
    const uint32_t commands = tp_job.commands;
    tp_mark(TP_JOB_LOOP);
    tp_job.status = (uint32_t)work(commands);
    tp_job.stack = stack_used();
    if (commands & TP_JOB_SEND) {
        tp_send((const void *)&tp_job, sizeof tp_job);
        tp_send(tp_job.weights, tp_job.memory.weights);
        tp_send(tp_job.state, 4 * tp_job.memory.state);
        tp_send(tp_job.statistics, tp_job.layers * (uint32_t)sizeof *tp_job.statistics);
    }
    tp_halt();
}
