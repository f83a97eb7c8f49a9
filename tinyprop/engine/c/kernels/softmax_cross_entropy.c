#include "elementary.h"
#include "loss.h"

float tp_softmax_cross_entropy(const float *z, uint32_t n, uint32_t label, float *g) {
    float largest = z[0];
    for (uint32_t j = 1; j < n; j++)
        largest = z[j] > largest ? z[j] : largest;
    float sum = 0.0f;
    for (uint32_t j = 0; j < n; j++) {
        g[j] = tp_exp(z[j] - largest);
        sum += g[j];
    }
    const float loss = tp_log(sum) - (z[label] - largest);
    const float scale = 1.0f / sum;
    for (uint32_t j = 0; j < n; j++)
        g[j] *= scale;
    g[label] -= 1.0f;
    return loss;
}
