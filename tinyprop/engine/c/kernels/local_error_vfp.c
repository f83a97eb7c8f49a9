/* The sum of magnitudes on Arm cores with single-precision registers: see select.h. s0-s7 hold a block, s8-s15 the
 * lanes. */
#include "config.h"
#ifdef TP_VFP

#include "select.h"

float tp_local_error(const float *g, uint32_t n) {
    float lanes[TP_LANES] = {0};
    uint32_t blocks = n / TP_LANES;
    if (blocks > 0) {
        float *sums = lanes;
        __asm__ volatile(
            "vldmia %[sums], {s8-s15}\n"
            "1: vldmia %[g]!, {s0-s7}\n"
            "vabs.f32 s0, s0\n vabs.f32 s1, s1\n vabs.f32 s2, s2\n vabs.f32 s3, s3\n"
            "vabs.f32 s4, s4\n vabs.f32 s5, s5\n vabs.f32 s6, s6\n vabs.f32 s7, s7\n"
            "subs %[blocks], #1\n"
            "vadd.f32 s8, s8, s0\n vadd.f32 s9, s9, s1\n vadd.f32 s10, s10, s2\n vadd.f32 s11, s11, s3\n"
            "vadd.f32 s12, s12, s4\n vadd.f32 s13, s13, s5\n vadd.f32 s14, s14, s6\n vadd.f32 s15, s15, s7\n"
            "bne 1b\n"
            "vstmia %[sums], {s8-s15}\n"
            : [g] "+r"(g), [blocks] "+r"(blocks)
            : [sums] "r"(sums)
            : "cc", "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13",
              "s14", "s15");
    }
    const uint32_t rest = n % TP_LANES;
    TP_NOT_UNROLLED for (uint32_t l = 0; l < rest; ++l) lanes[l] += __builtin_fabsf(g[l]);
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

#endif
