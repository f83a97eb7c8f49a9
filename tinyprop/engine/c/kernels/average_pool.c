#include "pool.h"

#include <string.h>

void tp_average_pool(const float *x, const tp_geometry *geometry, float *y) {
    const uint32_t channels = geometry->channels, kernel = geometry->kernel;
    const float size = (float)(kernel * kernel);
    for (uint32_t row = 0; row < geometry->out_height; row++) {
        for (uint32_t column = 0; column < geometry->out_width; column++) {
            const float *window = x + (row * geometry->width + column) * geometry->stride * channels;
            for (uint32_t c = 0; c < channels; c++) {
                float sum = 0.0f;
                for (uint32_t i = 0; i < kernel; i++)
                    for (uint32_t j = 0; j < kernel; j++)
                        sum += window[(i * geometry->width + j) * channels + c];
                *y++ = sum / size;
            }
        }
    }
}

void tp_average_pool_backward(const float *g, const tp_geometry *geometry, float *dx) {
    const uint32_t channels = geometry->channels, kernel = geometry->kernel;
    const float size = (float)(kernel * kernel);
    memset(dx, 0, (size_t)geometry->height * geometry->width * channels * sizeof *dx);
    for (uint32_t row = 0; row < geometry->out_height; row++) {
        for (uint32_t column = 0; column < geometry->out_width; column++) {
            float *window = dx + (row * geometry->width + column) * geometry->stride * channels;
            for (uint32_t c = 0; c < channels; c++, g++) {
                const float part = *g / size;
                for (uint32_t i = 0; i < kernel; i++)
                    for (uint32_t j = 0; j < kernel; j++)
                        window[(i * geometry->width + j) * channels + c] += part;
            }
        }
    }
}
