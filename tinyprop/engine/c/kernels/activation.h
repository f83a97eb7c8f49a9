/* Activations, in place over n numbers, and their derivatives by way of their outputs y:
 *
 *     relu      y = x > 0 ? x : 0           g = y > 0 ? g : 0
 *     sigmoid   y = 1 / (1 + exp(-x))       g = g (1 - y) y
 *     tanh      y = tanh(x)                 g = g (1 - y y)
 */
#ifndef TP_ACTIVATION_H
#define TP_ACTIVATION_H

#include <stdbool.h>
#include <stdint.h>

void tp_relu(float *x, uint32_t n);
void tp_relu_backward(float *g, const float *y, uint32_t n);
void tp_sigmoid(float *x, uint32_t n);
void tp_sigmoid_backward(float *g, const float *y, uint32_t n);
void tp_tanh_forward(float *x, uint32_t n);
void tp_tanh_backward(float *g, const float *y, uint32_t n);

#endif
