#include "elementary.h"

float tp_tanh(float x) {
    const float a = x < 0.0f ? -x : x;
    if (a < 0.625f) {
        const float z = x * x;
        float p = -0.006091894116252661f;
        p = p * z + 0.020995527505874634f;
        p = p * z + -0.05385103076696396f;
        p = p * z + 0.13332775235176086f;
        p = p * z + -0.333333283662796f;
        return x + x * (z * p);
    }
    const float y = a > 9.02f ? 1.0f : 1.0f - 2.0f / (tp_exp(a + a) + 1.0f);
    return x < 0.0f ? -y : (x == x ? y : x);
}
