/* What start-up and job loop share. */
#ifndef TP_BOARD_H
#define TP_BOARD_H

#include <stdint.h>

#define TP_PAINT 0xa5c3965au /* of stack that was never used */

extern uint32_t tp_stack_top[], tp_stack_limit[]; /* link.ld */

/* Do what tp_job asks for, then stay in tp_halt. Needs nothing of an earlier job but what tp_job holds. */
void tp_run(void);

/* Bytes over the serial line: USART2 of an STM32F4. */
void tp_send(const void *bytes, uint32_t count);

#endif
