/* From reset to main. */
#include "board.h"

extern uint32_t tp_data_start[], tp_data_end[], tp_bss_start[], tp_bss_end[];
extern const uint32_t tp_data_image[];

/* A fault ends here, where a simulator sees it. */
__attribute__((noreturn, used)) void tp_fault(void) {
    for (;;)
        __asm__ volatile("");
}

#ifdef __ARM_FP
static void enable_fpu(void) {
    volatile uint32_t *const cpacr = (volatile uint32_t *)0xe000ed88u;
    *cpacr |= 0xfu << 20; /* full access to CP10 and CP11: Armv7-M architecture reference manual, B3.2.20 */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
}
#endif

__attribute__((noreturn, used)) void Reset_Handler(void) {
#ifdef __ARM_FP
    enable_fpu();
#endif
    const uint32_t *from = tp_data_image;
    for (uint32_t *word = tp_data_start; word < tp_data_end; word++)
        *word = *from++;
    for (uint32_t *word = tp_bss_start; word < tp_bss_end; word++)
        *word = 0;
    const uint32_t *here; /* what lies above is this function's own */
    __asm__ volatile("mov %0, sp" : "=r"(here));
    for (volatile uint32_t *word = tp_stack_limit; word < here; word++)
        *word = TP_PAINT;
    tp_run();
    tp_fault();
}

typedef union vector {
    void (*handler)(void);
    uint32_t *stack;
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    [0].stack = tp_stack_top, [1].handler = Reset_Handler, [2].handler = tp_fault,  [3].handler = tp_fault,
    [4].handler = tp_fault,   [5].handler = tp_fault,      [6].handler = tp_fault,  [7].handler = tp_fault,
    [11].handler = tp_fault,  [12].handler = tp_fault,     [14].handler = tp_fault, [15].handler = tp_fault,
};
