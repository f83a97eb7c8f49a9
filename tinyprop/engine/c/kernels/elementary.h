/* Elementary functions in float32 arithmetic only, the same bits on every core.
 *
 *     exp   x = n ln 2 + r, |r| <= ln 2 / 2; 2^n (1 + r + r^2 p(r))
 *     log   x = 2^e m, sqrt(1/2) <= m < sqrt(2); e ln 2 + 2 s + s^3 p(s^2), s = (m - 1) / (m + 1)
 *     tanh  x + x^3 p(x^2) below 5/8, 1 - 2 / (exp(2 x) + 1) above
 *     root  square root, correctly rounded
 *
 * Largest errors: exp, log 1.5, tanh 2.5 units in the last place, over all floats; exp also into the subnormals. The
 * polynomials p are weighted least-squares fits, sharpened to near minimax.
 */
#ifndef TP_ELEMENTARY_H
#define TP_ELEMENTARY_H

#include "config.h"
#include <stdint.h>

float tp_exp(float x);
float tp_log(float x); /* x > 0 */
float tp_tanh(float x);

#if defined(TP_HOST) || (defined(__ARM_FP) && (__ARM_FP & 4))
static inline float tp_root(float x) {
    return __builtin_sqrtf(x); /* one instruction, given -fno-math-errno */
}
#else
float tp_root(float x);
#endif

#endif
