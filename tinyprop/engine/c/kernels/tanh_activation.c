#include "activation.h"
#include "elementary.h"

void tp_tanh_forward(float *x, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        x[i] = tp_tanh(x[i]);
}

void tp_tanh_backward(float *g, const float *y, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        g[i] = g[i] * (1.0f - y[i] * y[i]);
}
