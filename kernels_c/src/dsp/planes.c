#include "planes.h"

#include "dsp.h"

#if LNT_DSP_HERE

#define STRINGS(text) #text
#define STRING(text) STRINGS(text)
#define PLANE STRING(136)
#define ROW STRING(544)

_Static_assert(LNT_PLANE_BYTES == 136 && LNT_ROW_BYTES == 544, "the assembly has these");

/* Bytes of four channels are taken apart as (0, 2) and (1, 3), then two columns each are put together. */
__attribute__((naked)) void lnt_dsp_split(__attribute__((unused)) const lnt_split *split) {
    __asm volatile(".syntax unified\n"
                   "push {r4-r11, lr}\n"
                   "sub sp, sp, #28\n"
                   "ldmia r0, {r0-r5}\n" /* from, channel, pixel, to, rows, groups */
                   "str r1, [sp]\n"
                   "strd r4, r5, [sp, #4]\n"
                   "mov r1, r2\n"
                   "strd r0, r3, [sp, #12]\n"
                   "1:\n"
                   "ldr r4, [sp]\n"
                   "ldrd r0, r2, [sp, #12]\n"
                   "add r3, r2, #" ROW "\n"
                   "ldr lr, [sp, #8]\n"
                   "ldr r5, [r0], #4\n"
                   "strd r0, r3, [sp, #12]\n"
                   "add r0, r5, r4\n"
                   "2:\n"
                   "ldr r10, [r0]\n"
                   "ldr r7, [r0, r1]\n"
                   "add r0, r0, r1, lsl #1\n"
                   "sxtb16 r8, r10\n"
                   "sxtb16 r12, r7\n"
                   "sxtb16 r10, r10, ror #8\n"
                   "sxtb16 r7, r7, ror #8\n"
                   "pkhbt r4, r8, r12, lsl #16\n"
                   "pkhtb r8, r12, r8, asr #16\n"
                   "pkhbt r6, r10, r7, lsl #16\n"
                   "pkhtb r10, r7, r10, asr #16\n"
                   "ldr r11, [r0]\n"
                   "ldr r7, [r0, r1]\n"
                   "add r0, r0, r1, lsl #1\n"
                   "sxtb16 r9, r11\n"
                   "sxtb16 r12, r7\n"
                   "sxtb16 r11, r11, ror #8\n"
                   "sxtb16 r3, r7, ror #8\n"
                   "pkhbt r5, r9, r12, lsl #16\n"
                   "pkhtb r9, r12, r9, asr #16\n"
                   "pkhbt r7, r11, r3, lsl #16\n"
                   "pkhtb r11, r3, r11, asr #16\n"
                   "strd r6, r7, [r2, #" PLANE "]\n"
                   "strd r8, r9, [r2, #2 * " PLANE "]\n"
                   "strd r10, r11, [r2, #3 * " PLANE "]\n"
                   "strd r4, r5, [r2], #8\n"
                   "subs lr, lr, #1\n"
                   "bne 2b\n"
                   "ldr r4, [sp, #4]\n"
                   "subs r4, r4, #1\n"
                   "str r4, [sp, #4]\n"
                   "bne 1b\n"
                   "add sp, sp, #28\n"
                   "pop {r4-r11, pc}\n");
}

/* clang-format off */

/* Four output columns of one row. r0-r3: their sums, r8: the first input row, r11: where the first goes, r12: bytes of
 * a pixel, lr: groups left. Weights of a kernel row: (w0, w1) and (w1, w2). */
#if LNT_DSP_DUAL_ISSUE

/* Something beside each multiplication: mostly a load, two cycles ahead of its use at least. What the first row of the
 * next group needs is loaded here too, even behind the last group. */
#define ROW_1(a, start, beside0, beside1, beside2, beside3, beside4, beside5, beside6, beside7)                        \
    "smlatb r0, " a ", r6, " start("r0") beside0                                                                       \
    "smlad r1, r5, r6, " start("r1") beside1                                                                           \
    "smlatb r2, r5, r6, " start("r2") beside2                                                                          \
    "smlad r3, r9, r6, " start("r3") beside3                                                                           \
    "smlad r0, r5, r7, r0\n" beside4                                                                                   \
    "smlabt r1, r9, r7, r1\n" beside5                                                                                  \
    "smlad r2, r9, r7, r2\n" beside6                                                                                   \
    "smlabt r3, r10, r7, r3\n" beside7

/* Words of columns a to e: the next row's come in the place of this row's. */
#define ROW_2(a, b, c, d, e, start, beside0, beside1, beside2, beside3, beside4, beside5, beside6, beside7)            \
    "smlatb r0, " a ", r6, " start("r0") beside0                                                                       \
    "smlatb r1, " b ", r6, " start("r1") beside1                                                                       \
    "smlatb r2, " c ", r6, " start("r2") beside2                                                                       \
    "smlatb r3, " d ", r6, " start("r3") beside3                                                                       \
    "smlad r0, " b ", r7, r0\n" beside4                                                                                \
    "smlad r1, " c ", r7, r1\n" beside5                                                                                \
    "smlad r2, " d ", r7, r2\n" beside6                                                                                \
    "smlad r3, " e ", r7, r3\n" beside7

#define FROM_BIAS(sum) "r10\n"
#define FROM_SUM(sum) sum "\n"
#define LOAD(to, from) "ldr " to ", [" from "]\n"
#define PIXELS(row, byte) "r8, #" row " * " ROW " + " byte

#define TAPS_1                                                                                                         \
    ROW_1("r7", FROM_BIAS, LOAD("r7", "sp, #64"), , , LOAD("r10", PIXELS("0", "12")), LOAD("r6", "sp, #68"),           \
          LOAD("r4", PIXELS("1", "0")), LOAD("r5", PIXELS("1", "4")), LOAD("r9", PIXELS("1", "8")))                    \
    ROW_1("r4", FROM_SUM, LOAD("r7", "sp, #72"), LOAD("r10", PIXELS("1", "12")), , , LOAD("r6", "sp, #76"),            \
          LOAD("r4", PIXELS("2", "0")), LOAD("r5", PIXELS("2", "4")), LOAD("r9", PIXELS("2", "8")))                    \
    ROW_1("r4", FROM_SUM, LOAD("r7", "sp, #80"), LOAD("r10", PIXELS("2", "12")), LOAD("r4", "sp, #92"),                \
          "subs lr, lr, #1\n", LOAD("r6", "sp, #88"), LOAD("r5", PIXELS("0", "12")), ,                                 \
          LOAD("r9", PIXELS("0", "16")))                                                                               \
    FINISH("8", LOAD("r10", "sp, #84"))

#define TAPS_2                                                                                                         \
    ROW_2("r7", "r5", "r9", "r4", "r10", FROM_BIAS, LOAD("r4", PIXELS("0", "12")), LOAD("r7", "sp, #64"), ,            \
          LOAD("r6", "sp, #68"), LOAD("r10", PIXELS("0", "16")), LOAD("r5", PIXELS("1", "0")),                         \
          LOAD("r9", PIXELS("1", "4")), LOAD("r4", PIXELS("1", "8")))                                                  \
    ROW_2("r5", "r9", "r4", "r10", "r5", FROM_SUM, LOAD("r10", PIXELS("1", "12")), LOAD("r7", "sp, #72"),              \
          LOAD("r5", PIXELS("1", "16")), , LOAD("r6", "sp, #76"), LOAD("r9", PIXELS("2", "0")),                        \
          LOAD("r4", PIXELS("2", "4")), LOAD("r10", PIXELS("2", "8")))                                                 \
    ROW_2("r9", "r4", "r10", "r5", "r9", FROM_SUM, LOAD("r5", PIXELS("2", "12")), LOAD("r7", "sp, #80"),               \
          LOAD("r9", PIXELS("2", "16")), "subs lr, lr, #1\n", LOAD("r6", "sp, #88"), LOAD("r4", "sp, #92"),            \
          LOAD("r10", "sp, #84"), LOAD("r5", PIXELS("0", "20")))                                                       \
    FINISH("16", LOAD("r9", PIXELS("0", "24")))

/* step: bytes from a group to the next */
#define FINISH(step, beside)                                                                                           \
    "smmlar r0, r0, r6, r4\n" beside                                                                                   \
    "smmlar r1, r1, r6, r4\n" LOAD("r7", PIXELS("0", step))                                                            \
    "smmlar r2, r2, r6, r4\n"                                                                                          \
    "ssat r0, #8, r0\n"                                                                                                \
    "smmlar r3, r3, r6, r4\n"                                                                                          \
    "ldr r6, [sp, #60]\n"                                                                                              \
    "strb r0, [r11]\n"                                                                                                 \
    "ssat r1, #8, r1\n"                                                                                                \
    "strb r1, [r11, r12]\n"                                                                                            \
    "ssat r2, #8, r2\n"                                                                                                \
    "add r11, r11, r12, lsl #1\n"                                                                                      \
    "ssat r3, #8, r3\n"                                                                                                \
    "strb r2, [r11]\n"                                                                                                 \
    "add r8, r8, #" step "\n"                                                                                          \
    "strb r3, [r11, r12]\n"                                                                                            \
    "add r11, r11, r12, lsl #1\n"

#define GROUP(taps) taps

/* The first group's first row. */
#define BEGIN_ROW                                                                                                      \
    "ldr r5, [r8, #4]\n"                                                                                               \
    "ldr r6, [sp, #60]\n"                                                                                              \
    "ldr r7, [r8]\n"                                                                                                   \
    "ldr r9, [r8, #8]\n"                                                                                               \
    "ldr r10, [sp, #84]\n"

#else

#define TAPS_1(row, weights, start0, start1, start2)                                                                   \
    "ldrd r6, r7, [sp, #" weights "]\n"                                                                                \
    "ldrd r4, r5, [" row "], #8\n"                                                                                     \
    "smlatb r0, r4, r6, " start0 "\n"                                                                                  \
    "smlad r0, r5, r7, r0\n"                                                                                           \
    "smlad r1, r5, r6, " start1 "\n"                                                                                   \
    "smlatb r2, r5, r6, " start2 "\n"                                                                                  \
    "ldrd r4, r5, [" row "]\n"                                                                                         \
    "smlabt r1, r4, r7, r1\n"                                                                                          \
    "smlad r2, r4, r7, r2\n"                                                                                           \
    "smlad r3, r4, r6, r3\n"                                                                                           \
    "smlabt r3, r5, r7, r3\n"

#define TAPS_2(row, weights, start0, start1, start2)                                                                   \
    "ldrd r6, r7, [sp, #" weights "]\n"                                                                                \
    "ldrd r4, r5, [" row "], #8\n"                                                                                     \
    "smlatb r0, r4, r6, " start0 "\n"                                                                                  \
    "smlad r0, r5, r7, r0\n"                                                                                           \
    "smlatb r1, r5, r6, " start1 "\n"                                                                                  \
    "ldrd r4, r5, [" row "], #8\n"                                                                                     \
    "smlad r1, r4, r7, r1\n"                                                                                           \
    "smlatb r2, r4, r6, " start2 "\n"                                                                                  \
    "smlad r2, r5, r7, r2\n"                                                                                           \
    "smlatb r3, r5, r6, r3\n"                                                                                          \
    "ldr r4, [" row "]\n"                                                                                              \
    "smlad r3, r4, r7, r3\n"

#define GROUP(taps)                                                                                                    \
    "ldr r3, [sp, #84]\n"                                                                                              \
    taps("r8", "60", "r3", "r3", "r3")                                                                                 \
    taps("r9", "68", "r0", "r1", "r2")                                                                                 \
    taps("r10", "76", "r0", "r1", "r2")                                                                                \
    "ldrd r4, r5, [sp, #88]\n"                                                                                         \
    "smmlar r0, r0, r4, r5\n"                                                                                          \
    "smmlar r1, r1, r4, r5\n"                                                                                          \
    "smmlar r2, r2, r4, r5\n"                                                                                          \
    "ssat r0, #8, r0\n"                                                                                                \
    "smmlar r3, r3, r4, r5\n"                                                                                          \
    "ssat r1, #8, r1\n"                                                                                                \
    "ssat r2, #8, r2\n"                                                                                                \
    "strb r0, [r11]\n"                                                                                                 \
    "ssat r3, #8, r3\n"                                                                                                \
    "strb r1, [r11, r12]\n"                                                                                            \
    "add r11, r11, r12, lsl #1\n"                                                                                      \
    "strb r2, [r11]\n"                                                                                                 \
    "strb r3, [r11, r12]\n"                                                                                            \
    "add r11, r11, r12, lsl #1\n"                                                                                      \
    "subs lr, lr, #1\n"

#define BEGIN_ROW                                                                                                      \
    "add r9, r8, #" ROW "\n"                                                                                           \
    "add r10, r9, #" ROW "\n"

#endif

/* Both halves of a word, shifted by r11. */
#define SHIFT(word)                                                                                                    \
    "asr r0, " word ", #16\n"                                                                                          \
    "lsl " word ", " word ", r11\n"                                                                                    \
    "lsl r0, r0, r11\n"                                                                                                \
    "pkhbt " word ", " word ", r0, lsl #16\n"

/* The frame: 0-59 the arguments in their order, but 12 code for a row's groups and 56 for one group; 60-83 weights,
 * 84 bias, 88 multiplier doubled, 92 zero point, 96 row, 100 place in the table of outputs, 104 that table's end, 108 a
 * group that is not whole, 112 where that goes, or 0. */
__attribute__((naked)) void lnt_dsp_filter(__attribute__((unused)) const lnt_filter *filter) {
    __asm volatile(
        ".syntax unified\n"
        "push {r4-r11, lr}\n"
        "sub sp, sp, #116\n"
        "mov r12, sp\n"
        "ldmia r0!, {r1-r8}\n"
        "stmia r12!, {r1-r8}\n"
        "add r11, r3, r4, lsl #2\n"
        "ldmia r0!, {r1-r4, r6-r8}\n"
        "stmia r12!, {r1-r4, r6-r8}\n"
        "mov r0, #0\n"
        "strd r11, r0, [sp, #104]\n"
        "str r0, [sp, #112]\n"
        "adr r0, .Lgroup_1\n"
        "cmp r8, #0\n"
        "beq 1f\n"
        "adr r0, .Lgroup_2\n"
        "1:\n"
        "orr r0, r0, #1\n" /* as addresses of Thumb code are */
        "str r0, [sp, #56]\n"
        "cbnz r5, 1f\n"
        "adr r0, .Lrest\n"
        "orr r0, r0, #1\n"
        "1:\n"
        "str r0, [sp, #12]\n"

        ".Lchannel:\n"
        "ldr r0, [sp, #36]\n"
        "ldmia r0!, {r1-r3}\n"
        "str r0, [sp, #36]\n"
        "sxtb16 r4, r1\n"
        "sxtb16 r5, r1, ror #8\n"
        "sxtb16 r6, r2\n"
        "sxtb16 r7, r2, ror #8\n"
        "sxtb16 r8, r3\n"
        "sxtb16 r9, r3, ror #8\n"
        "ldrd r0, r1, [sp, #40]\n"
        "ldr r2, [r0], #4\n"
        "ldr r3, [r1], #4\n"
        "strd r0, r1, [sp, #40]\n"
        "lsl r3, r3, #1\n"
        "ldrd r10, r11, [sp, #48]\n"
        "cmp r11, #0\n"
        "beq 1f\n"
        "lsl r2, r2, r11\n"
        SHIFT("r4") SHIFT("r5") SHIFT("r6") SHIFT("r7") SHIFT("r8") SHIFT("r9")
        "1:\n"
        "add r0, sp, #60\n"
        "stmia r0!, {r4-r9}\n"
        "stmia r0!, {r2, r3, r10}\n"
        "ldr r1, [sp]\n"
        "ldr r2, [sp, #8]\n"
        "stmia r0, {r1, r2}\n"

        ".Lrow:\n"
        "ldrd r8, r11, [sp, #96]\n"
        "ldr r1, [sp, #4]\n"
        "ldr r2, [r11], #4\n"
        "add r0, r8, r1\n"
        "strd r0, r11, [sp, #96]\n"
        "ldrd r12, r3, [sp, #24]\n"
        "ldr lr, [sp, #16]\n"
        "add r11, r2, r3\n"
        BEGIN_ROW
        "ldr pc, [sp, #12]\n"
        ".Lgroup_2:\n"
        GROUP(TAPS_2)
        "bne .Lgroup_2\n"
        "b .Lrow_end\n"
        ".Lgroup_1:\n"
        GROUP(TAPS_1)
        "bne .Lgroup_1\n"

        ".Lrow_end:\n"
        "ldr r1, [sp, #20]\n"
        "cbnz r1, .Lrest\n"
        ".Lnext_row:\n"
        "ldrd r0, r1, [sp, #100]\n"
        "cmp r0, r1\n"
        "bne .Lrow\n"
        "ldr r0, [sp]\n"
        "add r0, r0, #" PLANE "\n"
        "str r0, [sp]\n"
        "ldrd r0, r1, [sp, #28]\n"
        "add r0, r0, #1\n"
        "subs r1, r1, #1\n"
        "strd r0, r1, [sp, #28]\n"
        "bne .Lchannel\n"
        "add sp, sp, #116\n"
        "pop {r4-r11, pc}\n"

        /* A group of less than four columns, with 1 for the bytes of a pixel, and then what is wanted of it. */
        ".Lrest:\n"
        "ldr r4, [sp, #112]\n"
        "cbnz r4, 1f\n"
        "str r11, [sp, #112]\n"
        "add r11, sp, #108\n"
        "mov r12, #1\n"
        "mov lr, #1\n"
        "ldr pc, [sp, #56]\n"
        "1:\n"
        "ldrd r1, r2, [sp, #20]\n" /* rest, pixel */
        "add r3, sp, #108\n"
        "2:\n"
        "ldrb r5, [r3], #1\n"
        "strb r5, [r4]\n"
        "add r4, r4, r2\n"
        "subs r1, r1, #1\n"
        "bne 2b\n"
        "str r1, [sp, #112]\n"
        "b .Lnext_row\n");
}
/* clang-format on */

#endif
