#include "elementary.h"
#include "loss.h"

float tp_binary_cross_entropy(float z, uint32_t label, float *g) {
    const float small = tp_exp(z < 0.0f ? z : -z); /* never overflows */
    const float p = (z < 0.0f ? small : 1.0f) / (1.0f + small);
    *g = p - (float)label;
    return (z > 0.0f ? z : 0.0f) - z * (float)label + tp_log(1.0f + small);
}
