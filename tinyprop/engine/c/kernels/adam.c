#include "elementary.h"
#include "update.h"

static inline float moved(const tp_adam_step *step, float w, float *m, float *v, float g) {
    w += -step->shrinkage * w;
    if (step->decay != 0.0f)
        g += step->decay * w;
    *m = step->beta1 * *m + step->beta1_rest * g;
    *v = step->beta2 * *v + (step->beta2_rest * g) * g;
    return w - step->step * *m / (tp_root(*v) / step->root + step->epsilon);
}

void tp_adam(const tp_adam_step *step, float *w, float *m, float *v, float *g, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        w[i] = moved(step, w[i], m + i, v + i, g[i]);
        g[i] = 0.0f;
    }
}

void tp_adam_outer(const tp_adam_step *step, float *w, float *m, float *v, float a, const float *x, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        w[i] = moved(step, w[i], m + i, v + i, 0.0f + a * x[i]); /* as if added to an empty gradient */
}
