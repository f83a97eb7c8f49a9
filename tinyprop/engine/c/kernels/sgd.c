#include "update.h"

void tp_decay(float *w, uint32_t n, float learning_rate, float decay) {
    const float factor = -(learning_rate * decay);
    for (uint32_t i = 0; i < n; i++)
        w[i] += factor * w[i];
}

void tp_sgd(float *w, float *g, uint32_t n, float learning_rate) {
    for (uint32_t i = 0; i < n; i++) {
        w[i] += -learning_rate * g[i];
        g[i] = 0.0f;
    }
}
