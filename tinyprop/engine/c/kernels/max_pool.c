#include "pool.h"

#include <string.h>

void tp_max_pool(const float *x, const tp_geometry *geometry, float *y, uint8_t *place) {
    const uint32_t channels = geometry->channels, step = geometry->width * channels;
    for (uint32_t row = 0; row < geometry->out_height; row++) {
        for (uint32_t column = 0; column < geometry->out_width; column++) {
            const float *window = x + (row * geometry->width + column) * geometry->stride * channels;
            for (uint32_t c = 0; c < channels; c++) {
                float best = window[c];
                uint8_t at = 0, here = 0;
                for (uint32_t i = 0; i < geometry->kernel; i++) {
                    const float *value = window + i * step + c;
                    for (uint32_t j = 0; j < geometry->kernel; j++, here++, value += channels) {
                        /* a NaN is taken, and then never left, since nothing is greater than it */
                        if (*value > best || *value != *value) {
                            best = *value;
                            at = here;
                        }
                    }
                }
                *y++ = best;
                *place++ = at;
            }
        }
    }
}

void tp_max_pool_backward(const float *g, const tp_geometry *geometry, const uint8_t *place, float *dx) {
    const uint32_t channels = geometry->channels, kernel = geometry->kernel;
    memset(dx, 0, (size_t)geometry->height * geometry->width * channels * sizeof *dx);
    for (uint32_t row = 0; row < geometry->out_height; row++) {
        for (uint32_t column = 0; column < geometry->out_width; column++) {
            float *window = dx + (row * geometry->width + column) * geometry->stride * channels;
            for (uint32_t c = 0; c < channels; c++, place++, g++) {
                const uint32_t i = *place / kernel, j = *place % kernel;
                window[(i * geometry->width + j) * channels + c] += *g;
            }
        }
    }
}
