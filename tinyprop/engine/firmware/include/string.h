/* What the engine needs of the standard header, which a freestanding compiler does not bring. */
#ifndef TP_STRING_H
#define TP_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memset(void *to, int value, size_t count);

#endif
