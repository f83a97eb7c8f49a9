/* Patches: what one output position of a convolution sees of one group's channels, as a row of the weight matrix sees
 * it.
 *
 *     patch[(i * kernel + j) * n + c] = x[y * stride - padding + i][x * stride - padding + j][group * n + c]
 *
 * with n = channels / groups and zeros outside the image.
 */
#ifndef TP_PATCH_H
#define TP_PATCH_H

#include <stdbool.h>
#include <stdint.h>

typedef struct tp_geometry {
    uint32_t height, width, channels; /* of the input */
    uint32_t out_height, out_width, out_channels;
    uint32_t kernel, stride, padding, groups;
} tp_geometry;

/* Whether patches lie in the image as they are, so that nothing is to be copied. */
static inline bool tp_patch_is_contiguous(const tp_geometry *geometry) {
    return geometry->groups == 1 && geometry->padding == 0 &&
           (geometry->kernel == 1 || geometry->kernel == geometry->width);
}

/* Copy a patch out of an image. */
void tp_gather_patch(const float *image, const tp_geometry *geometry, uint32_t group, uint32_t row, uint32_t column,
                     float *patch);

/* Add a patch to an image: the input gradient of a position. What falls outside is lost. */
void tp_scatter_patch(const float *patch, const tp_geometry *geometry, uint32_t group, uint32_t row, uint32_t column,
                      float *image);

#endif
