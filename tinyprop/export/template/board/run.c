/* From start-up into the program, and what it used of the stack. */
#include "board.h"

int main(void);

volatile uint32_t stack_bytes; /* used since reset */

/* The end, for a debugger or simulator to stop at. */
__attribute__((noreturn, noinline, used)) void halt(void) {
    for (;;)
        __asm__ volatile("");
}

void tp_run(void) {
    main();
    const volatile uint32_t *word = tp_stack_limit;
    while (word < tp_stack_top && *word == TP_PAINT)
        word++;
    stack_bytes = (uint32_t)((uintptr_t)tp_stack_top - (uintptr_t)word);
    halt();
}
