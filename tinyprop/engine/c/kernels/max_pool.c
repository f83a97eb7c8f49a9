#include "pool.h"

#include <string.h>

/* A NaN is taken, and then never left, since nothing is greater than it. */
static inline bool exceeds(float value, float best) {
    return value > best || value != value;
}

/* The maximum of one channel in a window, and its place. Called with a constant kernel where that is common. */
static inline float largest(const float *window, uint32_t kernel, uint32_t channels, uint32_t step, uint8_t *place) {
    float best = window[0];
    uint32_t at = 0, here = 0;
    for (uint32_t i = 0; i < kernel; i++) {
        const float *value = window + i * step;
        for (uint32_t j = 0; j < kernel; j++, here++, value += channels) {
            if (exceeds(*value, best)) {
                best = *value;
                at = here;
            }
        }
    }
    *place = (uint8_t)at;
    return best;
}

void tp_max_pool(const float *x, const tp_geometry *geometry, float *y, uint8_t *place) {
    const uint32_t channels = geometry->channels, step = geometry->width * channels, kernel = geometry->kernel;
    for (uint32_t row = 0; row < geometry->out_height; row++) {
        const float *window = x + row * geometry->stride * step;
        for (uint32_t column = 0; column < geometry->out_width; column++, window += geometry->stride * channels) {
            if (kernel == 2)
                for (uint32_t c = 0; c < channels; c++)
                    *y++ = largest(window + c, 2, channels, step, place++);
            else
                for (uint32_t c = 0; c < channels; c++)
                    *y++ = largest(window + c, kernel, channels, step, place++);
        }
    }
}

void tp_max_pool_backward(const float *g, const tp_geometry *geometry, const uint8_t *place, float *dx) {
    const uint32_t channels = geometry->channels, step = geometry->width * channels, kernel = geometry->kernel;
    memset(dx, 0, (size_t)geometry->height * step * sizeof *dx);
    for (uint32_t row = 0; row < geometry->out_height; row++) {
        float *window = dx + row * geometry->stride * step;
        for (uint32_t column = 0; column < geometry->out_width; column++, window += geometry->stride * channels) {
            for (uint32_t c = 0; c < channels; c++, place++, g++) {
                uint32_t i = 0, j = *place;
                for (; j >= kernel; j -= kernel) /* rather than divide, which small cores do in software */
                    i++;
                window[i * step + j * channels + c] += *g;
            }
        }
    }
}
