#include "loss.h"

float tp_squared_error(const float *z, const float *target, uint32_t n, float *g) {
    const float scale = 2.0f / (float)n;
    float sum = 0.0f;
    for (uint32_t j = 0; j < n; j++) {
        const float error = z[j] - target[j];
        sum += error * error;
        g[j] = scale * error;
    }
    return sum / (float)n;
}
