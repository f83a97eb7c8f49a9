#include "activation.h"

void tp_relu(float *x, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        x[i] = x[i] <= 0.0f ? 0.0f : x[i]; /* a NaN stays */
}

void tp_relu_backward(float *g, const float *y, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        g[i] = y[i] > 0.0f ? g[i] : 0.0f;
}
