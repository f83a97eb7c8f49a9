/* A vector added to rows on Arm cores with single-precision registers: see add_outer.h.
 *
 * Up to four rows share each load of x. s0-s7 hold a block of x, s8-s15 one of a row, s16-s23 products, s24-s27 the
 * rows' factors. dot_vfp.c says why blocks are loaded whole.
 */
#include "config.h"
#ifdef TP_VFP

#include "add_outer.h"
#include "stretches.h"

#define ROWS 4u

#define BLOCK(row, factor)                                                                                             \
    "vldmia %[" row "], {s8-s15}\n"                                                                                    \
    "vmul.f32 s16, s0, " factor "\n vmul.f32 s17, s1, " factor "\n vmul.f32 s18, s2, " factor "\n"                     \
    "vmul.f32 s19, s3, " factor "\n vmul.f32 s20, s4, " factor "\n vmul.f32 s21, s5, " factor "\n"                     \
    "vmul.f32 s22, s6, " factor "\n vmul.f32 s23, s7, " factor "\n"                                                    \
    "vadd.f32 s8, s8, s16\n vadd.f32 s9, s9, s17\n vadd.f32 s10, s10, s18\n vadd.f32 s11, s11, s19\n"                  \
    "vadd.f32 s12, s12, s20\n vadd.f32 s13, s13, s21\n vadd.f32 s14, s14, s22\n vadd.f32 s15, s15, s23\n"              \
    "vstmia %[" row "]!, {s8-s15}\n"
#define ONE(row, factor)                                                                                               \
    "vldr s8, [%[" row "]]\n vmul.f32 s16, s0, " factor "\n vadd.f32 s8, s8, s16\n vstmia %[" row "]!, {s8}\n"
#define SKIP(row, factor) "add %[" row "], %[" row "], %[n], lsl #5\n"

#define ONE_ROW(PART) PART("m0", "s24")
#define TWO_ROWS(PART) ONE_ROW(PART) PART("m1", "s25")
#define THREE_ROWS(PART) TWO_ROWS(PART) PART("m2", "s26")
#define FOUR_ROWS(PART) THREE_ROWS(PART) PART("m3", "s27")

/* clang-format off */
/* Labels: 1 the next block, 2 the end of a stretch, 3 the short last block, 4 the next number of it, 5 the end. */
#define ADD(EACH)                                                                                                      \
    __asm__ volatile(                                                                                                  \
        "cmp %[n], #0\n beq 2f\n"                                                                                      \
        "1: vldmia %[x]!, {s0-s7}\n"                                                                                   \
        EACH(BLOCK)                                                                                                    \
        "subs %[n], #1\n bne 1b\n"                                                                                     \
        "2: ldr %[n], %[end]\n cmp %[next], %[n]\n beq 3f\n"                                                           \
        "ldrh %[n], [%[next]], #2\n sub %[n], %[at]\n add %[at], %[n]\n"                                               \
        SKIP("x", ) EACH(SKIP)                                                                                         \
        "ldrh %[n], [%[next]], #2\n add %[at], %[n]\n b 1b\n"                                                          \
        "3: ldr %[n], %[whole]\n sub %[n], %[at]\n ldr %[at], %[rest]\n cmp %[at], #0\n beq 5f\n"                      \
        SKIP("x", ) EACH(SKIP)                                                                                         \
        "4: vldmia %[x]!, {s0}\n"                                                                                      \
        EACH(ONE)                                                                                                      \
        "subs %[at], #1\n bne 4b\n"                                                                                    \
        "5:\n"                                                                                                         \
        : [x] "+&r"(from), [m0] "+&r"(m0), [m1] "+&r"(m1), [m2] "+&r"(m2), [m3] "+&r"(m3), [n] "+&r"(n),               \
          [next] "+&r"(next), [at] "+&r"(at)                                                                           \
        : [end] "m"(end), [whole] "m"(whole), [rest] "m"(rest), "t"(f0), "t"(f1), "t"(f2), "t"(f3)                     \
        : "cc", "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13",      \
          "s14", "s15", "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23")
/* clang-format on */

#define TAKE(r)                                                                                                        \
    do {                                                                                                               \
        const uint32_t j = index ? index[k + r] : base + k + r;                                                        \
        m##r += (j - base) * length;                                                                                   \
        f##r = scale * g[j];                                                                                           \
    } while (0)

static inline __attribute__((always_inline)) void add_outer(float *m, uint32_t length, const uint16_t *index,
                                                            uint32_t base, uint32_t count, const float *g, float scale,
                                                            const float *x, stretches part) {
    const uint32_t whole = length / TP_LANES, rest = length % TP_LANES;
    const tp_run *const end = part.end;
    float *const start = m + part.first * TP_LANES;
    for (uint32_t k = 0; k < count; k += ROWS) {
        const float *from = x + part.first * TP_LANES;
        const tp_run *next = part.next;
        uint32_t n = part.blocks, at = part.first + n;
        float *m0 = start, *m1 = start, *m2 = start, *m3 = start;
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

void tp_add_outer(float *m, uint32_t length, const uint16_t *index, uint32_t base, uint32_t count, const float *g,
                  float scale, const float *x) {
    add_outer(m, length, index, base, count, g, scale, x, all_blocks(length));
}

void tp_add_outer_runs(float *m, uint32_t length, const uint16_t *index, uint32_t base, uint32_t count, const float *g,
                       float scale, const float *x, const tp_run *runs, uint32_t run_count) {
    add_outer(m, length, index, base, count, g, scale, x, blocks_of_runs(runs, run_count));
}

#endif
