/* Rows times vectors on Arm cores with single-precision registers: see dot.h.
 *
 * Two rows share each load of x. s0-s7 hold a block of x, s8-s15 and s16-s23 the lanes of the rows, s24-s31 products.
 * Loads of eight registers cost nine cycles where eight single ones cost sixteen, and a product and a sum two where
 * a fused multiply-add costs three (Cortex-M4 Technical Reference Manual, table 7-1).
 */
#include "config.h"
#ifdef TP_VFP

#include "dot.h"
#include "stretches.h"

#define PRODUCTS                                                                                                       \
    "vmul.f32 s24, s24, s0\n vmul.f32 s25, s25, s1\n vmul.f32 s26, s26, s2\n vmul.f32 s27, s27, s3\n"                  \
    "vmul.f32 s28, s28, s4\n vmul.f32 s29, s29, s5\n vmul.f32 s30, s30, s6\n vmul.f32 s31, s31, s7\n"

#define LOAD "vldmia %[x]!, {s0-s7}\n"
#define FIRST                                                                                                          \
    "vldmia %[w0]!, {s24-s31}\n" PRODUCTS                                                                              \
    "vadd.f32 s8, s8, s24\n vadd.f32 s9, s9, s25\n vadd.f32 s10, s10, s26\n vadd.f32 s11, s11, s27\n"                  \
    "vadd.f32 s12, s12, s28\n vadd.f32 s13, s13, s29\n vadd.f32 s14, s14, s30\n vadd.f32 s15, s15, s31\n"
#define SECOND                                                                                                         \
    "vldmia %[w1]!, {s24-s31}\n" PRODUCTS                                                                              \
    "vadd.f32 s16, s16, s24\n vadd.f32 s17, s17, s25\n vadd.f32 s18, s18, s26\n vadd.f32 s19, s19, s27\n"              \
    "vadd.f32 s20, s20, s28\n vadd.f32 s21, s21, s29\n vadd.f32 s22, s22, s30\n vadd.f32 s23, s23, s31\n"

/* The first block: its products are the lanes. */
#define FIRST_LANES                                                                                                    \
    "vldmia %[w0]!, {s8-s15}\n"                                                                                        \
    "vmul.f32 s8, s8, s0\n vmul.f32 s9, s9, s1\n vmul.f32 s10, s10, s2\n vmul.f32 s11, s11, s3\n"                      \
    "vmul.f32 s12, s12, s4\n vmul.f32 s13, s13, s5\n vmul.f32 s14, s14, s6\n vmul.f32 s15, s15, s7\n"
#define SECOND_LANES                                                                                                   \
    "vldmia %[w1]!, {s16-s23}\n"                                                                                       \
    "vmul.f32 s16, s16, s0\n vmul.f32 s17, s17, s1\n vmul.f32 s18, s18, s2\n vmul.f32 s19, s19, s3\n"                  \
    "vmul.f32 s20, s20, s4\n vmul.f32 s21, s21, s5\n vmul.f32 s22, s22, s6\n vmul.f32 s23, s23, s7\n"

/* One number of the short last block, into the lanes `a` and `b`. */
#define ONE_OF_FIRST(a, b)                                                                                             \
    "vldmia %[x]!, {s0}\n vldmia %[w0]!, {s24}\n vmul.f32 s24, s24, s0\n"                                              \
    "subs %[rest], #1\n vadd.f32 " a ", " a ", s24\n beq 6f\n"
#define ONE_OF_BOTH(a, b)                                                                                              \
    "vldmia %[x]!, {s0}\n vldmia %[w0]!, {s24}\n vldmia %[w1]!, {s25}\n"                                               \
    "vmul.f32 s24, s24, s0\n vmul.f32 s25, s25, s0\n"                                                                  \
    "subs %[rest], #1\n vadd.f32 " a ", " a ", s24\n vadd.f32 " b ", " b ", s25\n beq 6f\n"

/* The sum of the lanes. A zero is added because lanes that began as products may all be -0, where sums from 0 are +0.
 */
#define SUM_OF_FIRST                                                                                                   \
    "vadd.f32 s8, s8, s12\n vadd.f32 s9, s9, s13\n vadd.f32 s10, s10, s14\n vadd.f32 s11, s11, s15\n"                  \
    "vadd.f32 s8, s8, s10\n vadd.f32 s9, s9, s11\n mov %[n], #0\n vadd.f32 s8, s8, s9\n vmov s0, %[n]\n"               \
    "vadd.f32 s8, s8, s0\n"
#define SUM_OF_BOTH                                                                                                    \
    "vadd.f32 s8, s8, s12\n vadd.f32 s9, s9, s13\n vadd.f32 s10, s10, s14\n vadd.f32 s11, s11, s15\n"                  \
    "vadd.f32 s16, s16, s20\n vadd.f32 s17, s17, s21\n vadd.f32 s18, s18, s22\n vadd.f32 s19, s19, s23\n"              \
    "vadd.f32 s8, s8, s10\n vadd.f32 s9, s9, s11\n vadd.f32 s16, s16, s18\n vadd.f32 s17, s17, s19\n"                  \
    "mov %[n], #0\n vadd.f32 s8, s8, s9\n vadd.f32 s16, s16, s17\n vmov s0, %[n]\n"                                    \
    "vadd.f32 s8, s8, s0\n vadd.f32 s16, s16, s0\n"

/* clang-format off */
/* Go to block number n. */
#define GO                                                                                                             \
    "add %[x], %[all_x], %[n], lsl #5\n add %[w0], %[all_w0], %[n], lsl #5\n add %[w1], %[all_w1], %[n], lsl #5\n"

/* From one stretch to the next, and from the last to the short last block. */
#define STRETCHES                                                                                                      \
    "cmp %[next], %[end]\n beq 5f\n"                                                                                   \
    "ldrh %[n], [%[next]], #2\n"                                                                                       \
    GO                                                                                                                 \
    "ldrh %[n], [%[next]], #2\n b 4b\n"                                                                                \
    "5: ldr %[n], %[whole]\n"                                                                                          \
    GO
#define STRETCH_OPERANDS                                                                                               \
    [all_x] "r"(x), [all_w0] "r"(w), [all_w1] "r"(w + length), [end] "r"(part.end), [whole] "m"(whole)

/* Labels: 0 the first block, 1 the next, 2 the one after it, 3 the end of a stretch, 4 a further stretch, 6 the sum.
 * An odd number of blocks enters at 2. */
#define DOT(LANES, BLOCK, STRETCHES, ONE, SUM, ...)                                                                    \
    __asm__ volatile(                                                                                                  \
        "cmp %[n], #0\n bne 0f\n"                                                                                      \
        "vmov s8, s9, %[n], %[n]\n vmov s10, s11, %[n], %[n]\n vmov s12, s13, %[n], %[n]\n"                            \
        "vmov s14, s15, %[n], %[n]\n vmov s16, s17, %[n], %[n]\n vmov s18, s19, %[n], %[n]\n"                          \
        "vmov s20, s21, %[n], %[n]\n vmov s22, s23, %[n], %[n]\n b 3f\n"                                               \
        "0:\n"                                                                                                         \
        LOAD LANES                                                                                                     \
        "subs %[n], #1\n beq 3f\n"                                                                                     \
        "4: adds %[n], #1\n lsrs %[n], %[n], #1\n bcc 2f\n"                                                            \
        "1:\n"                                                                                                         \
        LOAD BLOCK                                                                                                     \
        "2:\n"                                                                                                         \
        LOAD BLOCK                                                                                                     \
        "subs %[n], #1\n bne 1b\n"                                                                                     \
        "3:\n"                                                                                                         \
        STRETCHES                                                                                                      \
        "cmp %[rest], #0\n beq 6f\n"                                                                                   \
        ONE("s8", "s16") ONE("s9", "s17") ONE("s10", "s18") ONE("s11", "s19") ONE("s12", "s20") ONE("s13", "s21")      \
        ONE("s14", "s22")                                                                                              \
        "6:\n"                                                                                                         \
        SUM                                                                                                            \
        : [x] "+&r"(from), [w0] "+&r"(w0), [w1] "+&r"(w1), [n] "+&r"(n), [next] "+&r"(next), [rest] "+&r"(rest),  \
          "=&t"(sum0), "=&t"(sum1)                                                                                     \
        : __VA_ARGS__                                                                                                  \
        : "cc", "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s9", "s10", "s11", "s12", "s13", "s14",     \
          "s15", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26", "s27", "s28", "s29", "s30",     \
          "s31")
/* clang-format on */

/* With a constant `whole_vector` there is one stretch, of all blocks. */
static inline __attribute__((always_inline)) void dot(const float *w, const float *b, uint32_t rows, uint32_t length,
                                                      const float *x, float *y, stretches part, int whole_vector) {
    const uint32_t whole = length / TP_LANES;
    for (uint32_t j = 0; j < rows; j += 2, w += 2 * length) {
        const float *from = x + part.first * TP_LANES, *w0 = w + part.first * TP_LANES, *w1 = w0 + length;
        const tp_run *next = part.next;
        uint32_t n = part.blocks, rest = length % TP_LANES;
        register float sum0 __asm__("s8"), sum1 __asm__("s16");
        if (j + 1 == rows) {
            if (whole_vector)
                DOT(FIRST_LANES, FIRST, "", ONE_OF_FIRST, SUM_OF_FIRST);
            else
                DOT(FIRST_LANES, FIRST, STRETCHES, ONE_OF_FIRST, SUM_OF_FIRST, STRETCH_OPERANDS);
        } else {
            if (whole_vector)
                DOT(FIRST_LANES SECOND_LANES, FIRST SECOND, "", ONE_OF_BOTH, SUM_OF_BOTH);
            else
                DOT(FIRST_LANES SECOND_LANES, FIRST SECOND, STRETCHES, ONE_OF_BOTH, SUM_OF_BOTH, STRETCH_OPERANDS);
            y[j + 1] = b ? sum1 + b[j + 1] : sum1;
        }
        y[j] = b ? sum0 + b[j] : sum0;
    }
}

void tp_dot(const float *w, const float *b, uint32_t rows, uint32_t length, const float *const *x, float *const *y,
            uint32_t samples) {
    for (uint32_t s = 0; s < samples; ++s)
        dot(w, b, rows, length, x[s], y[s], all_blocks(length), 1);
}

void tp_dot_runs(const float *w, const float *b, uint32_t rows, uint32_t length, const float *x, const tp_run *runs,
                 uint32_t run_count, float *y) {
    dot(w, b, rows, length, x, y, blocks_of_runs(runs, run_count), 0);
}

#endif
