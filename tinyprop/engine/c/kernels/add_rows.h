/* A weighted sum of rows of a matrix: the input gradient.
 *
 *     y[i] += sum_k g[index[k]] m[index[k] - base][i]        0 <= k < count, 0 <= i < length
 *
 * Order: k ascending, each product rounded before it is added.
 *
 * y      [length]
 * m      [..][length]
 * index  which rows and which g, in any order; null is base, base + 1, ...
 * g      indexed like the rows, before base is subtracted
 */
#ifndef TP_ADD_ROWS_H
#define TP_ADD_ROWS_H

#include <stdint.h>

void tp_add_rows(float *y, const float *m, uint32_t length, const uint16_t *index, uint32_t base, uint32_t count,
                 const float *g);

#endif
