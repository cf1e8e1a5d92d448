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

/* r0-r3: sums of four columns. Weights of a kernel row: (w0, w1) and (w1, w2). start: what the sums start from. */
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
    "ldr r3, [sp, #84]\n" taps("r8", "60", "r3", "r3", "r3") taps("r9", "68", "r0", "r1", "r2")                        \
        taps("r10", "76", "r0", "r1", "r2") "ldrd r4, r5, [sp, #88]\n"                                                 \
                                            "smmlar r0, r0, r4, r5\n"                                                  \
                                            "smmlar r1, r1, r4, r5\n"                                                  \
                                            "smmlar r2, r2, r4, r5\n"                                                  \
                                            "ssat r0, #8, r0\n"                                                        \
                                            "smmlar r3, r3, r4, r5\n"                                                  \
                                            "ssat r1, #8, r1\n"                                                        \
                                            "ssat r2, #8, r2\n"                                                        \
                                            "strb r0, [r11]\n"                                                         \
                                            "ssat r3, #8, r3\n"                                                        \
                                            "strb r1, [r11, r12]\n"                                                    \
                                            "add r11, r11, r12, lsl #1\n"                                              \
                                            "strb r2, [r11]\n"                                                         \
                                            "strb r3, [r11, r12]\n"                                                    \
                                            "add r11, r11, r12, lsl #1\n"                                              \
                                            "subs lr, lr, #1\n"

/* Both halves of a word, shifted by r11. */
#define SHIFT(word)                                                                                                    \
    "asr r0, " word ", #16\n"                                                                                          \
    "lsl " word ", " word ", r11\n"                                                                                    \
    "lsl r0, r0, r11\n"                                                                                                \
    "pkhbt " word ", " word ", r0, lsl #16\n"

/* The frame: 0-59 the arguments in their order, 60-83 weights, 84 bias, 88 multiplier doubled, 92 zero point, 96 row,
 * 100 place in the table of outputs, 104 rows left, 108 a group that is not whole, 112 where that goes, or 0. */
__attribute__((naked)) void lnt_dsp_filter(__attribute__((unused)) const lnt_filter *filter) {
    __asm volatile(".syntax unified\n"
                   "push {r4-r11, lr}\n"
                   "sub sp, sp, #116\n"
                   "mov r12, sp\n"
                   "ldmia r0!, {r1-r8}\n"
                   "stmia r12!, {r1-r8}\n"
                   "ldmia r0!, {r1-r7}\n"
                   "stmia r12!, {r1-r7}\n"
                   "mov r0, #0\n"
                   "str r0, [sp, #112]\n"

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
                   "lsl r2, r2, r11\n" SHIFT("r4") SHIFT("r5") SHIFT("r6") SHIFT("r7") SHIFT("r8")
                       SHIFT("r9") "1:\n"
                                   "add r0, sp, #60\n"
                                   "stmia r0!, {r4-r9}\n"
                                   "stmia r0!, {r2, r3, r10}\n"
                                   "ldr r1, [sp]\n"
                                   "ldrd r2, r3, [sp, #8]\n"
                                   "stmia r0, {r1-r3}\n"

                                   ".Lrow:\n"
                                   "ldrd r8, r11, [sp, #96]\n"
                                   "ldr r1, [sp, #4]\n"
                                   "ldr r2, [r11], #4\n"
                                   "add r0, r8, r1\n"
                                   "strd r0, r11, [sp, #96]\n"
                                   "add r9, r8, #" ROW "\n"
                                   "add r10, r9, #" ROW "\n"
                                   "ldrd r12, r3, [sp, #24]\n"
                                   "add r11, r2, r3\n"
                                   "ldr lr, [sp, #16]\n"
                                   "ldr r0, [sp, #56]\n"
                                   "cmp lr, #0\n"
                                   "beq .Lrest\n"
                                   ".Lgroups:\n"
                                   "cmp r0, #0\n"
                                   "bne .Lgroup_2\n"
                                   ".Lgroup_1:\n" GROUP(TAPS_1) "bne .Lgroup_1\n"
                                                                "b .Lrow_end\n"
                                                                ".Lgroup_2:\n" GROUP(
                                                                    TAPS_2) "bne .Lgroup_2\n"

                                                                            ".Lrow_end:\n"
                                                                            "ldr r4, [sp, #112]\n"
                                                                            "cbnz r4, .Lcopy\n"
                                                                            ".Lrest:\n"
                                                                            "ldr r1, [sp, #20]\n"
                                                                            "cbz r1, .Lnext_row\n"
                                                                            "str r11, [sp, #112]\n"
                                                                            "add r11, sp, #108\n"
                                                                            "mov r12, #1\n"
                                                                            "mov lr, #1\n"
                                                                            "ldr r0, [sp, #56]\n"
                                                                            "b .Lgroups\n"
                                                                            ".Lcopy:\n"
                                                                            "ldrd r1, r2, [sp, #20]\n" /* rest, pixel */
                                                                            "add r3, sp, #108\n"
                                                                            "1:\n"
                                                                            "ldrb r5, [r3], #1\n"
                                                                            "strb r5, [r4]\n"
                                                                            "add r4, r4, r2\n"
                                                                            "subs r1, r1, #1\n"
                                                                            "bne 1b\n"
                                                                            "str r1, [sp, #112]\n"

                                                                            ".Lnext_row:\n"
                                                                            "ldr r0, [sp, #104]\n"
                                                                            "subs r0, r0, #1\n"
                                                                            "str r0, [sp, #104]\n"
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
                                                                            "pop {r4-r11, pc}\n");
}

#endif
