#include "elementary.h"

static float power_of_two(int32_t n) {
    const uint32_t bits = (uint32_t)(n + 127) << 23;
    float power;
    __builtin_memcpy(&power, &bits, sizeof power);
    return power;
}

float tp_exp(float x) {
    if (!(x <= 88.72283f)) /* overflow, or NaN */
        return x > 0.0f ? x * 3.4028235e38f : x;
    if (x < -103.97208f)
        return 0.0f;
    const float scaled = x * 1.44269504f;
    const int32_t n = (int32_t)(scaled + (scaled < 0.0f ? -0.5f : 0.5f));
    /* ln 2 in two parts: n times the first is exact */
    const float r = (x - (float)n * 0.693359375f) - (float)n * -2.12194440e-4f;
    float p = 0.0013814540579915047f;
    p = p * r + 0.00836874544620514f;
    p = p * r + 0.04166838899254799f;
    p = p * r + 0.1666652113199234f;
    p = p * r + 0.4999999403953552f;
    const float y = (p * (r * r) + r) + 1.0f;
    /* in two steps, since 2^128 and powers below 2^-126 are no normal floats */
    if (n > 127)
        return (y * 2.0f) * power_of_two(n - 1);
    if (n < -126)
        return (y * power_of_two(n + 100)) * 7.88860905e-31f;
    return y * power_of_two(n);
}
