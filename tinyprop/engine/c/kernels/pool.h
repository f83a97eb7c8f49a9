/* Pools over windows of `kernel` x `kernel` positions, channel by channel; windows begin every `stride` positions.
 *
 *     maximum   y = max of the window, NaN if there is one; place = its number in the window, the first of equals
 *     average   y = (sum of the window, row by row) / (kernel kernel)
 *
 * Backward, g is handed to the place of the maximum, or g / (kernel kernel) to the whole window; dx is set to zero
 * first.
 */
#ifndef TP_POOL_H
#define TP_POOL_H

#include "patch.h"

#define TP_MAX_POOL_KERNEL 15u /* places are 8 bits wide */

void tp_max_pool(const float *x, const tp_geometry *geometry, float *y, uint8_t *place);
void tp_max_pool_backward(const float *g, const tp_geometry *geometry, const uint8_t *place, float *dx);
void tp_average_pool(const float *x, const tp_geometry *geometry, float *y);
void tp_average_pool_backward(const float *g, const tp_geometry *geometry, float *dx);

#endif
