/* A weighted sum of rows on Arm cores with single-precision registers: see add_rows.h.
 *
 * Up to four rows share each load and store of y. s0-s7 hold a block of y, s8-s15 products, s24-s27 the rows' factors.
 * dot_vfp.c says why blocks are loaded whole.
 */
#include "config.h"
#ifdef TP_VFP

#include "add_rows.h"

#define ROWS 4u

#define BLOCK(row, factor)                                                                                             \
    "vldmia %[" row "]!, {s8-s15}\n"                                                                                   \
    "vmul.f32 s8, s8, " factor "\n vmul.f32 s9, s9, " factor "\n vmul.f32 s10, s10, " factor "\n"                      \
    "vmul.f32 s11, s11, " factor "\n vmul.f32 s12, s12, " factor "\n vmul.f32 s13, s13, " factor "\n"                  \
    "vmul.f32 s14, s14, " factor "\n vmul.f32 s15, s15, " factor "\n"                                                  \
    "vadd.f32 s0, s0, s8\n vadd.f32 s1, s1, s9\n vadd.f32 s2, s2, s10\n vadd.f32 s3, s3, s11\n"                        \
    "vadd.f32 s4, s4, s12\n vadd.f32 s5, s5, s13\n vadd.f32 s6, s6, s14\n vadd.f32 s7, s7, s15\n"
#define ONE(row, factor) "vldmia %[" row "]!, {s8}\n vmul.f32 s8, s8, " factor "\n vadd.f32 s0, s0, s8\n"

#define ONE_ROW(PART) PART("m0", "s24")
#define TWO_ROWS(PART) ONE_ROW(PART) PART("m1", "s25")
#define THREE_ROWS(PART) TWO_ROWS(PART) PART("m2", "s26")
#define FOUR_ROWS(PART) THREE_ROWS(PART) PART("m3", "s27")

/* clang-format off */
/* Labels: 1 the next block, 2 the short last block, 3 the next number of it, 4 the end. */
#define ADD(EACH)                                                                                                      \
    __asm__ volatile(                                                                                                  \
        "cmp %[blocks], #0\n beq 2f\n"                                                                                 \
        "1: vldmia %[y], {s0-s7}\n"                                                                                    \
        EACH(BLOCK)                                                                                                    \
        "subs %[blocks], #1\n vstmia %[y]!, {s0-s7}\n bne 1b\n"                                                        \
        "2: cmp %[rest], #0\n beq 4f\n"                                                                                \
        "3: vldr s0, [%[y]]\n"                                                                                         \
        EACH(ONE)                                                                                                      \
        "subs %[rest], #1\n vstmia %[y]!, {s0}\n bne 3b\n"                                                             \
        "4:\n"                                                                                                         \
        : [y] "+r"(to), [m0] "+r"(m0), [m1] "+r"(m1), [m2] "+r"(m2), [m3] "+r"(m3), [blocks] "+r"(blocks),             \
          [rest] "+r"(rest)                                                                                            \
        : "t"(f0), "t"(f1), "t"(f2), "t"(f3)                                                                           \
        : "cc", "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13",      \
          "s14", "s15")
/* clang-format on */

#define TAKE(r)                                                                                                        \
    do {                                                                                                               \
        const uint32_t j = index ? index[k + r] : base + k + r;                                                        \
        m##r += (j - base) * length;                                                                                   \
        f##r = g[j];                                                                                                   \
    } while (0)

void tp_add_rows(float *y, const float *m, uint32_t length, const uint16_t *index, uint32_t base, uint32_t count,
                 const float *g) {
    for (uint32_t k = 0; k < count; k += ROWS) {
        uint32_t blocks = length / TP_LANES, rest = length % TP_LANES;
        float *to = y;
        const float *m0 = m, *m1 = m, *m2 = m, *m3 = m;
        register float f0 __asm__("s24") = 0, f1 __asm__("s25") = 0, f2 __asm__("s26") = 0, f3 __asm__("s27") = 0;
        TAKE(0);
        if (count - k == 1) {
            ADD(ONE_ROW);
            return;
        }
        TAKE(1);
        if (count - k == 2) {
            ADD(TWO_ROWS);
            return;
        }
        TAKE(2);
        if (count - k == 3) {
            ADD(THREE_ROWS);
            return;
        }
        TAKE(3);
        ADD(FOUR_ROWS);
    }
}

#endif
