#include "patch.h"
#include "config.h"

/* The rows of a kernel that lie within the image, and the stretch of each that does. */
typedef struct tp_window {
    uint32_t first_row, last_row, first, last;
    int32_t top, left; /* of the window in the image */
} tp_window;

/* The part [*first, *last) of a kernel's side that lies within the image, from `start` on. */
static inline void clip(int32_t start, uint32_t kernel, uint32_t side, uint32_t *first, uint32_t *last) {
    const int32_t room = (int32_t)side - start;
    *first = start < 0 ? (uint32_t)-start : 0;
    *last = room < (int32_t)kernel ? (room < 0 ? 0 : (uint32_t)room) : kernel;
    if (*first > *last)
        *first = *last;
}

static inline tp_window window_at(const tp_geometry *geometry, uint32_t row, uint32_t column) {
    tp_window window = {0, geometry->kernel, 0, geometry->kernel, 0, 0};
    window.top = (int32_t)(row * geometry->stride) - (int32_t)geometry->padding;
    window.left = (int32_t)(column * geometry->stride) - (int32_t)geometry->padding;
    if (geometry->padding > 0) {
        clip(window.top, geometry->kernel, geometry->height, &window.first_row, &window.last_row);
        clip(window.left, geometry->kernel, geometry->width, &window.first, &window.last);
    }
    return window;
}

/* Of the image, what the window's row i sees first. */
static inline uint32_t offset(const tp_geometry *geometry, const tp_window *window, uint32_t i) {
    return ((uint32_t)(window->top + (int32_t)i) * geometry->width +
            (uint32_t)(window->left + (int32_t)window->first)) *
           geometry->channels;
}

typedef struct tp_quad {
    uint32_t word[4];
} tp_quad;

/* Four at a time, which cores load and store at once. Stretches are short: unrolled loops would only get in the way. */
static inline void copy(float *to, const float *from, uint32_t n) {
    TP_NOT_UNROLLED for (; n >= 4; n -= 4, to += 4, from += 4) {
        tp_quad quad;
        __builtin_memcpy(&quad, from, sizeof quad);
        __builtin_memcpy(to, &quad, sizeof quad);
    }
    TP_NOT_UNROLLED for (; n > 0; n--) *to++ = *from++;
}

static inline void clear(float *to, uint32_t n) {
    TP_NOT_UNROLLED for (; n > 0; n--) *to++ = 0.0f;
}

/* A patch that lies within the image and sees all channels: `kernel` stretches of n numbers. */
static void gather_within(const float *from, uint32_t step, uint32_t kernel, uint32_t n, float *patch) {
    TP_NOT_UNROLLED for (uint32_t i = 0; i < kernel; i++, from += step, patch += n) copy(patch, from, n);
}

void tp_gather_patch(const float *image, const tp_geometry *geometry, uint32_t group, uint32_t row, uint32_t column,
                     float *patch) {
    const uint32_t kernel = geometry->kernel, n = geometry->channels / geometry->groups;
    const tp_window window = window_at(geometry, row, column);
    const uint32_t before = window.first * n, within = (window.last - window.first) * n;
    const uint32_t after = kernel * n - before - within;
    if (geometry->groups == 1 && within == kernel * n && window.last_row - window.first_row == kernel) {
        gather_within(image + offset(geometry, &window, 0), geometry->width * n, kernel, within, patch);
        return;
    }
    clear(patch, window.first_row * kernel * n);
    patch += window.first_row * kernel * n;
    const float *from = image + offset(geometry, &window, window.first_row) + group * n;
    for (uint32_t i = window.first_row; i < window.last_row; i++) {
        clear(patch, before);
        patch += before;
        if (geometry->groups == 1) {
            copy(patch, from, within);
            patch += within;
        } else {
            const float *position = from;
            for (uint32_t j = window.first; j < window.last; j++, position += geometry->channels, patch += n)
                copy(patch, position, n);
        }
        clear(patch, after);
        patch += after;
        from += geometry->width * geometry->channels;
    }
    clear(patch, (kernel - window.last_row) * kernel * n);
}

static inline void add(float *to, const float *from, uint32_t n) {
    TP_NOT_UNROLLED for (; n > 0; n--) *to++ += *from++;
}

void tp_scatter_patch(const float *patch, const tp_geometry *geometry, uint32_t group, uint32_t row, uint32_t column,
                      float *image) {
    const uint32_t kernel = geometry->kernel, n = geometry->channels / geometry->groups;
    const tp_window window = window_at(geometry, row, column);
    float *to = image + offset(geometry, &window, window.first_row) + group * n;
    patch += (window.first_row * kernel + window.first) * n;
    for (uint32_t i = window.first_row; i < window.last_row; i++) {
        if (geometry->groups == 1) {
            add(to, patch, (window.last - window.first) * n);
        } else {
            float *position = to;
            for (uint32_t j = 0; j < window.last - window.first; j++, position += geometry->channels)
                add(position, patch + j * n, n);
        }
        patch += kernel * n;
        to += geometry->width * geometry->channels;
    }
}
