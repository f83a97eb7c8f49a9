/* What optimizers do to n weights w with gradient g, learning rate a, decay d:
 *
 *     decay      w = w + (-a d) w
 *     sgd        w = w + (-a) g; g = 0
 *     velocity   v = mu v + d w
 *     momentum   w = w + (-a) v
 *     adam       g = g + d w; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g g
 *                w = w - (a / c1) m / (sqrt(v) / sqrt(c2) + epsilon); g = 0
 *     adamw      w = w + (-a d) w first, and no d in g
 *
 * decay is SGD's, before gradients are added; 1 - a d, rounded, would be wrong by the same bit at every step. velocity
 * comes before gradients are added to v.
 * c1 = 1 - b1^t and c2 = 1 - b2^t at step t. Each operation is rounded.
 */
#ifndef TP_UPDATE_H
#define TP_UPDATE_H

#include <stdbool.h>
#include <stdint.h>

void tp_decay(float *w, uint32_t n, float learning_rate, float decay);
void tp_sgd(float *w, float *g, uint32_t n, float learning_rate);
void tp_velocity(float *v, const float *w, uint32_t n, float momentum, float decay);
void tp_momentum(float *w, const float *v, uint32_t n, float learning_rate);

typedef struct tp_adam_step {
    float beta1, beta1_rest, beta2, beta2_rest, epsilon;
    float step;      /* a / c1 */
    float root;      /* sqrt(c2) */
    float decay;     /* d, added to the gradient; 0 for AdamW */
    float shrinkage; /* a d for AdamW; 0 otherwise */
} tp_adam_step;

void tp_adam(const tp_adam_step *step, float *w, float *m, float *v, float *g, uint32_t n);

/* The same with the gradient a x, which is never stored. */
void tp_adam_outer(const tp_adam_step *step, float *w, float *m, float *v, float a, const float *x, uint32_t n);

#endif
