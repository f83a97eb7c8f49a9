/* A vector added to rows on Arm cores with single-precision registers: see add_outer.h.
 *
 * Up to four rows share each load of x. s0-s7 hold a block of x, s8-s15 one of a row, s16-s23 products, s24-s27 the
 * rows' factors. dot_vfp.c says why blocks are loaded whole.
 */
#include "config.h"
#ifdef TP_VFP

#include "add_outer.h"

#define ROWS 4u

typedef struct group {
    uint32_t rows;
    float *row[ROWS], factor[ROWS];
} group;

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

#define ONE_ROW(PART) PART("m0", "s24")
#define TWO_ROWS(PART) ONE_ROW(PART) PART("m1", "s25")
#define THREE_ROWS(PART) TWO_ROWS(PART) PART("m2", "s26")
#define FOUR_ROWS(PART) THREE_ROWS(PART) PART("m3", "s27")

#define ADD(EACH)                                                                                                      \
    __asm__ volatile("cmp %[blocks], #0\n beq 2f\n"                                                                    \
                     "1: vldmia %[x]!, {s0-s7}\n" EACH(BLOCK) "subs %[blocks], #1\n bne 1b\n"                          \
                     "2: cmp %[rest], #0\n beq 4f\n"                                                                   \
                     "3: vldmia %[x]!, {s0}\n" EACH(ONE) "subs %[rest], #1\n bne 3b\n"                                 \
                     "4:\n"                                                                                            \
                     : [x] "+r"(x), [m0] "+r"(m0), [m1] "+r"(m1), [m2] "+r"(m2), [m3] "+r"(m3),                        \
                       [blocks] "+r"(blocks), [rest] "+r"(rest)                                                        \
                     : "t"(f0), "t"(f1), "t"(f2), "t"(f3)                                                              \
                     : "cc", "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11",       \
                       "s12", "s13", "s14", "s15", "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23")

/* Blocks of eight, then `rest` single numbers, all from `x`, to the rows from number `first` on. */
static inline void add(const group *to, uint32_t first, const float *x, uint32_t blocks, uint32_t rest) {
    float *m0 = to->row[0] + first, *m1 = to->row[1] + first, *m2 = to->row[2] + first, *m3 = to->row[3] + first;
    register float f0 __asm__("s24") = to->factor[0], f1 __asm__("s25") = to->factor[1];
    register float f2 __asm__("s26") = to->factor[2], f3 __asm__("s27") = to->factor[3];
    switch (to->rows) {
    case 4:
        ADD(FOUR_ROWS);
        break;
    case 3:
        ADD(THREE_ROWS);
        break;
    case 2:
        ADD(TWO_ROWS);
        break;
    default:
        ADD(ONE_ROW);
    }
}

/* The next rows, at most four. */
static inline void gather(group *to, float *m, uint32_t length, const uint16_t *index, uint32_t base, uint32_t k,
                          uint32_t count, const float *g, float scale) {
    to->rows = count - k < ROWS ? count - k : ROWS;
    for (uint32_t r = 0; r < to->rows; ++r) {
        const uint32_t j = index ? index[k + r] : base + k + r;
        to->row[r] = m + (j - base) * length;
        to->factor[r] = scale * g[j];
    }
}

void tp_add_outer(float *m, uint32_t length, const uint16_t *index, uint32_t base, uint32_t count, const float *g,
                  float scale, const float *x) {
    group to = {0};
    for (uint32_t k = 0; k < count; k += ROWS) {
        gather(&to, m, length, index, base, k, count, g, scale);
        add(&to, 0, x, length / TP_LANES, length % TP_LANES);
    }
}

void tp_add_outer_runs(float *m, uint32_t length, const uint16_t *index, uint32_t base, uint32_t count, const float *g,
                       float scale, const float *x, const tp_run *runs, uint32_t run_count) {
    const uint32_t rest = length % TP_LANES, whole = length - rest;
    group to = {0};
    for (uint32_t k = 0; k < count; k += ROWS) {
        gather(&to, m, length, index, base, k, count, g, scale);
        for (uint32_t r = 0; r < run_count; ++r) {
            const uint32_t first = runs[r].first * TP_LANES;
            add(&to, first, x + first, runs[r].blocks, 0);
        }
        if (rest)
            add(&to, whole, x + whole, 0, rest);
    }
}

#endif
