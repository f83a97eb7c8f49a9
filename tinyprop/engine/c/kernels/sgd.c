#include "update.h"

void tp_scale(float *w, uint32_t n, float factor) {
    for (uint32_t i = 0; i < n; i++)
        w[i] *= factor;
}

void tp_sgd(float *w, float *g, uint32_t n, float learning_rate) {
    for (uint32_t i = 0; i < n; i++) {
        w[i] += -learning_rate * g[i];
        g[i] = 0.0f;
    }
}
