/* What startup.c needs of its surroundings: memory as link.ld has it, and what to run. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

#define TP_PAINT 0xa5c3965au /* of stack that was never used */

extern uint32_t tp_stack_top[], tp_stack_limit[];

void tp_run(void);

#endif
