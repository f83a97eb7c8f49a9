/* What the fuzzer and its driver share. */
#ifndef FUZZ_H
#define FUZZ_H

#include "tinyprop.h"

/* Let the engine do all it can with a description that is not trusted, in as little memory as it asks for. Ends the
 * process where the engine contradicts itself; sanitizers see the rest. Returns what tp_measure says, or TP_TOO_LARGE
 * if it would take long. */
tp_status fuzz_description(const uint32_t *description, uint32_t words);

/* A number of a reproducible sequence. */
uint32_t fuzz_random(uint32_t *state);

#endif
