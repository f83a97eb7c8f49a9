/* Which path the kernels take. Both give the same bits.
 *
 * TP_VFP   Arm cores with single-precision registers s0 to s31: hand-scheduled, loads and stores of whole blocks
 * TP_SIMD  the host: the compiler's vector types
 * neither  plain C
 */
#ifndef TP_CONFIG_H
#define TP_CONFIG_H

#if defined(TP_PLAIN)
#elif defined(__ARM_FP) && (__ARM_FP & 4) && defined(__thumb__) && defined(__OPTIMIZE__)
#define TP_VFP 1
#elif defined(TP_HOST)
#define TP_SIMD 1
#endif

#if defined(__clang__)
#define TP_NOT_UNROLLED _Pragma("clang loop unroll(disable)")
#define TP_UNROLLED _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define TP_NOT_UNROLLED _Pragma("GCC unroll 1")
#define TP_UNROLLED _Pragma("GCC unroll 16")
#else
#define TP_NOT_UNROLLED
#define TP_UNROLLED
#endif

#define TP_LANES 8u /* partial sums of every long sum: see dot.h */

#ifdef TP_HOST
#define TP_TILE 16u /* positions of a convolution whose patches are worked on together */
#else
#define TP_TILE 1u
#endif

#ifdef TP_MARKED
#include "../tinyprop.h"
#define TP_MARK(phase, layer) tp_mark((uint32_t)(layer) << 8 | (phase))
#else
#define TP_MARK(phase, layer) ((void)0)
#endif

#endif
