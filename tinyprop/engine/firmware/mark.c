/* Where simulators see a phase begin: its argument is in r0 when this address is reached. */
#include "../c/tinyprop.h"

__attribute__((noinline, used)) void tp_mark(uint32_t where) {
    __asm__ volatile("" : : "r"(where));
}
