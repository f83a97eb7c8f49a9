#include "patch.h"

bool tp_patch_is_contiguous(const tp_geometry *geometry) {
    return geometry->groups == 1 && geometry->padding == 0 &&
           (geometry->kernel == 1 || geometry->kernel == geometry->width);
}

/* The part [first, last) of a kernel's side that lies within the image, from `start` on. */
static void clip(int32_t start, uint32_t kernel, uint32_t side, uint32_t *first, uint32_t *last) {
    *first = start < 0 ? (uint32_t)-start : 0;
    int32_t room = (int32_t)side - start;
    *last = room < (int32_t)kernel ? (room < 0 ? 0 : (uint32_t)room) : kernel;
    if (*first > *last)
        *first = *last;
}

void tp_gather_patch(const float *image, const tp_geometry *geometry, uint32_t group, uint32_t row, uint32_t column,
                     float *patch) {
    const uint32_t kernel = geometry->kernel, n = geometry->channels / geometry->groups;
    const int32_t top = (int32_t)(row * geometry->stride) - (int32_t)geometry->padding;
    const int32_t left = (int32_t)(column * geometry->stride) - (int32_t)geometry->padding;
    uint32_t first_row, last_row, first, last;
    clip(top, kernel, geometry->height, &first_row, &last_row);
    clip(left, kernel, geometry->width, &first, &last);
    for (uint32_t i = 0; i < kernel; i++) {
        float *to = patch + i * kernel * n;
        const bool inside = i >= first_row && i < last_row;
        const uint32_t from_j = inside ? first : kernel, to_j = inside ? last : kernel;
        for (uint32_t j = 0; j < from_j * n; j++)
            to[j] = 0.0f;
        if (!inside)
            continue;
        const float *from =
            image +
            ((uint32_t)(top + (int32_t)i) * geometry->width + (uint32_t)(left + (int32_t)first)) * geometry->channels +
            group * n;
        if (geometry->groups == 1) {
            for (uint32_t j = 0; j < (to_j - from_j) * n; j++)
                to[from_j * n + j] = from[j];
        } else {
            for (uint32_t j = from_j; j < to_j; j++, from += geometry->channels)
                for (uint32_t c = 0; c < n; c++)
                    to[j * n + c] = from[c];
        }
        for (uint32_t j = to_j * n; j < kernel * n; j++)
            to[j] = 0.0f;
    }
}

void tp_scatter_patch(const float *patch, const tp_geometry *geometry, uint32_t group, uint32_t row, uint32_t column,
                      float *image) {
    const uint32_t kernel = geometry->kernel, n = geometry->channels / geometry->groups;
    const int32_t top = (int32_t)(row * geometry->stride) - (int32_t)geometry->padding;
    const int32_t left = (int32_t)(column * geometry->stride) - (int32_t)geometry->padding;
    uint32_t first_row, last_row, first, last;
    clip(top, kernel, geometry->height, &first_row, &last_row);
    clip(left, kernel, geometry->width, &first, &last);
    for (uint32_t i = first_row; i < last_row; i++) {
        const float *from = patch + (i * kernel + first) * n;
        float *to =
            image +
            ((uint32_t)(top + (int32_t)i) * geometry->width + (uint32_t)(left + (int32_t)first)) * geometry->channels +
            group * n;
        if (geometry->groups == 1) {
            for (uint32_t j = 0; j < (last - first) * n; j++)
                to[j] += from[j];
        } else {
            for (uint32_t j = first; j < last; j++, from += n, to += geometry->channels)
                for (uint32_t c = 0; c < n; c++)
                    to[c] += from[c];
        }
    }
}
