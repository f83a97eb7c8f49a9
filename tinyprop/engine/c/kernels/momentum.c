#include "update.h"

void tp_velocity(float *v, const float *w, uint32_t n, float momentum, float decay) {
    if (decay == 0.0f) {
        for (uint32_t i = 0; i < n; i++)
            v[i] *= momentum;
    } else {
        for (uint32_t i = 0; i < n; i++)
            v[i] = momentum * v[i] + decay * w[i];
    }
}

void tp_momentum(float *w, const float *v, uint32_t n, float learning_rate) {
    for (uint32_t i = 0; i < n; i++)
        w[i] += -learning_rate * v[i];
}
