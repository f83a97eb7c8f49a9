#include "activation.h"
#include "elementary.h"

void tp_sigmoid(float *x, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        x[i] = 1.0f / (1.0f + tp_exp(-x[i]));
}

void tp_sigmoid_backward(float *g, const float *y, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        g[i] = g[i] * (1.0f - y[i]) * y[i];
}
