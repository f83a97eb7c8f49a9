#include "activation.h"
#include "config.h"

/* On bits: an integer comparison is cheaper than one of floats wherever floats are, and far cheaper where they are not.
 * Four at a time, since cores load four words at once. */
typedef struct tp_quad {
    uint32_t word[4];
} tp_quad;

static inline tp_quad load(const float *from) {
    tp_quad quad;
    __builtin_memcpy(&quad, from, sizeof quad);
    return quad;
}

static inline uint32_t bits_of(float value) {
    uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Small cores leave alone what stays; the host stores it too, since only then can it do eight at once. */
static inline void zero_if(bool zero, float *value) {
#ifdef TP_HOST
    *value = zero ? 0.0f : *value;
#else
    if (zero)
        *value = 0.0f;
#endif
}

/* From -0 to minus infinity; a NaN stays. */
static inline bool is_cut(uint32_t bits) {
    return bits - 0x80000000u <= 0x7f800000u;
}

static inline bool is_dead(uint32_t bits) {
    return (int32_t)bits <= 0;
}

void tp_relu(float *x, uint32_t n) {
    TP_NOT_UNROLLED for (; n >= 4; n -= 4, x += 4) {
        const tp_quad quad = load(x);
        for (uint32_t i = 0; i < 4; i++)
            zero_if(is_cut(quad.word[i]), x + i);
    }
    for (; n > 0; n--, x++)
        zero_if(is_cut(bits_of(*x)), x);
}

void tp_relu_backward(float *g, const float *y, uint32_t n) {
    TP_NOT_UNROLLED for (; n >= 4; n -= 4, g += 4, y += 4) {
        const tp_quad quad = load(y);
        for (uint32_t i = 0; i < 4; i++)
            zero_if(is_dead(quad.word[i]), g + i);
    }
    for (; n > 0; n--, g++, y++)
        zero_if(is_dead(bits_of(*y)), g);
}
