#include "tiles.h"

#include "dsp.h"

#if LNT_DSP_HERE

/* r0-r3: sums of the first channel, four pixels; r4-r7: of the second. r12: weights, lr: pixels. The first two taps
 * start from the bias; then follow turns of eight times two taps, of which the first turn is entered somewhere inside.
 */
#if LNT_DSP_DUAL_ISSUE

/* A load beside each multiplication, two cycles ahead of its use; the next weights and pixel are loaded even behind the
 * last ones. Addresses move once in a turn, so before the first turn they go back by what is left out. */
#define FIRST_TAPS                                                                                                     \
    "ldr r10, [lr]\n"                                                                                                  \
    "ldr r8, [r12]\n"                                                                                                  \
    "ldr r9, [r12, #4]\n"                                                                                              \
    "ldr r11, [lr, #4]\n"                                                                                              \
    "smlad r0, r8, r10, r3\n"                                                                                          \
    "smlad r4, r9, r10, r7\n"                                                                                          \
    "ldr r10, [lr, #8]\n"                                                                                              \
    "smlad r1, r8, r11, r3\n"                                                                                          \
    "smlad r5, r9, r11, r7\n"                                                                                          \
    "ldr r11, [lr, #12]\n"                                                                                             \
    "smlad r2, r8, r10, r3\n"                                                                                          \
    "smlad r6, r9, r10, r7\n"                                                                                          \
    "ldr r10, [lr, #16]\n"                                                                                             \
    "smlad r3, r8, r11, r3\n"                                                                                          \
    "ldr r8, [r12, #8]\n"                                                                                              \
    "smlad r7, r9, r11, r7\n"                                                                                          \
    "ldr r9, [r12, #12]\n"                                                                                             \
    "ldr r11, [sp, #80]\n"                                                                                             \
    "sub r12, r12, r11\n"                                                                                              \
    "sub lr, lr, r11, lsl #1\n"

#define TAPS(k)                                                                                                        \
    "smlad r0, r8, r10, r0\n"                                                                                          \
    "ldr.w r11, [lr, #16 * " #k " + 4]\n"                                                                              \
    "smlad r4, r9, r10, r4\n"                                                                                          \
    "ldr.w r10, [lr, #16 * " #k " + 8]\n"                                                                              \
    "smlad r1, r8, r11, r1\n"                                                                                          \
    "smlad r5, r9, r11, r5\n"                                                                                          \
    "ldr.w r11, [lr, #16 * " #k " + 12]\n"                                                                             \
    "smlad r2, r8, r10, r2\n"                                                                                          \
    "smlad r6, r9, r10, r6\n"                                                                                          \
    "ldr.w r10, [lr, #16 * " #k " + 16]\n"                                                                             \
    "smlad r3, r8, r11, r3\n"                                                                                          \
    "ldr.w r8, [r12, #8 * " #k " + 8]\n"                                                                               \
    "smlad r7, r9, r11, r7\n"                                                                                          \
    "ldr.w r9, [r12, #8 * " #k " + 12]\n"

#define TURN_END                                                                                                       \
    "add r12, r12, #64\n"                                                                                              \
    "add lr, lr, #128\n"
#define TAPS_CODE "56"

#else

#define FIRST_TAPS                                                                                                     \
    "ldrd r8, r9, [r12], #8\n"                                                                                         \
    "ldrd r10, r11, [lr], #8\n"                                                                                        \
    "smlad r0, r8, r10, r3\n"                                                                                          \
    "smlad r1, r8, r11, r3\n"                                                                                          \
    "smlad r4, r9, r10, r7\n"                                                                                          \
    "smlad r5, r9, r11, r7\n"                                                                                          \
    "ldrd r10, r11, [lr], #8\n"                                                                                        \
    "smlad r2, r8, r10, r3\n"                                                                                          \
    "smlad r3, r8, r11, r3\n"                                                                                          \
    "smlad r6, r9, r10, r7\n"                                                                                          \
    "smlad r7, r9, r11, r7\n"

#define TAPS(k)                                                                                                        \
    "ldrd r8, r9, [r12], #8\n"                                                                                         \
    "ldrd r10, r11, [lr], #8\n"                                                                                        \
    "smlad r0, r8, r10, r0\n"                                                                                          \
    "smlad r1, r8, r11, r1\n"                                                                                          \
    "smlad r4, r9, r10, r4\n"                                                                                          \
    "smlad r5, r9, r11, r5\n"                                                                                          \
    "ldrd r10, r11, [lr], #8\n"                                                                                        \
    "smlad r2, r8, r10, r2\n"                                                                                          \
    "smlad r3, r8, r11, r3\n"                                                                                          \
    "smlad r6, r9, r10, r6\n"                                                                                          \
    "smlad r7, r9, r11, r7\n"

#define TURN_END
#define TAPS_CODE "44"

#endif

/* clang-format off */

#define SATURATE(bits)                                                                                                 \
    "ssat r0, #" bits ", r0\nssat r1, #" bits ", r1\nssat r2, #" bits ", r2\nssat r3, #" bits ", r3\n"                 \
    "ssat r4, #" bits ", r4\nssat r5, #" bits ", r5\nssat r6, #" bits ", r6\nssat r7, #" bits ", r7\n"

#define SHIFT_EACH                                                                                                     \
    "lsl r0, r0, r8\nlsl r1, r1, r8\nlsl r2, r2, r8\nlsl r3, r3, r8\n"                                                 \
    "lsl r4, r4, r8\nlsl r5, r5, r8\nlsl r6, r6, r8\nlsl r7, r7, r8\n"

/* Branch and shortcut of one pixel. lr: pointers to the shortcut's pixels, r10: channel. */
#define ADD_SHORTCUT(first, second)                                                                                    \
    "ldr r8, [lr], #4\n"                                                                                               \
    "add r8, r8, r10\n"                                                                                                \
    "ldrsb r9, [r8]\n"                                                                                                 \
    "ldrsb r8, [r8, #1]\n"                                                                                             \
    "pkhbt " first ", " first ", r9, lsl #16\n"                                                                        \
    "pkhbt " second ", " second ", r8, lsl #16\n"                                                                      \
    "smlad " first ", " first ", r11, r12\n"                                                                           \
    "smlad " second ", " second ", r11, r12\n"                                                                         \
    "ssat " first ", #8, " first ", asr #14\n"                                                                         \
    "ssat " second ", #8, " second ", asr #14\n"

/* Both channels of a pixel are stored together. lr: pointers to the outputs, behind them the next tile. */
#define STORE                                                                                                          \
    "bfi r0, r4, #8, #8\n"                                                                                             \
    "bfi r1, r5, #8, #8\n"                                                                                             \
    "bfi r2, r6, #8, #8\n"                                                                                             \
    "bfi r3, r7, #8, #8\n"                                                                                             \
    "ldmia lr!, {r8-r11}\n"                                                                                            \
    "ldrd r4, r5, [sp, #40]\n"                                                                                         \
    "strh r0, [r8, r4]\n"                                                                                              \
    "strh r1, [r9, r4]\n"                                                                                              \
    "strh r2, [r10, r4]\n"                                                                                             \
    "strh r3, [r11, r4]\n"                                                                                             \
    "cmp lr, r5\n"

#if LNT_DSP_DUAL_ISSUE

#define FINISH                                                                                                         \
    "ldr r8, [sp, #64]\n"                                                                                              \
    "ldr r9, [sp, #20]\n"                                                                                              \
    "ldr r10, [sp, #68]\n"                                                                                             \
    "smmlar r0, r0, r8, r9\n"                                                                                          \
    "ldr r11, [lr]\n"                                                                                                  \
    "smmlar r4, r4, r10, r9\n"                                                                                         \
    "ldr r12, [sp, #40]\n"                                                                                             \
    "smmlar r1, r1, r8, r9\n"                                                                                          \
    "ssat r0, #8, r0\n"                                                                                                \
    "smmlar r5, r5, r10, r9\n"                                                                                         \
    "ssat r4, #8, r4\n"                                                                                                \
    "smmlar r2, r2, r8, r9\n"                                                                                          \
    "ssat r1, #8, r1\n"                                                                                                \
    "smmlar r3, r3, r8, r9\n"                                                                                          \
    "bfi r0, r4, #8, #8\n"                                                                                             \
    "smmlar r6, r6, r10, r9\n"                                                                                         \
    "strh r0, [r11, r12]\n"                                                                                            \
    "smmlar r7, r7, r10, r9\n"                                                                                         \
    "ldr r0, [sp, #44]\n"                                                                                              \
    "ssat r5, #8, r5\n"                                                                                                \
    "ldr r8, [lr, #4]\n"                                                                                               \
    "ssat r2, #8, r2\n"                                                                                                \
    "ldr r9, [lr, #8]\n"                                                                                               \
    "ssat r6, #8, r6\n"                                                                                                \
    "ldr r10, [lr, #12]\n"                                                                                             \
    "ssat r3, #8, r3\n"                                                                                                \
    "bfi r1, r5, #8, #8\n"                                                                                             \
    "ssat r7, #8, r7\n"                                                                                                \
    "strh r1, [r8, r12]\n"                                                                                             \
    "bfi r2, r6, #8, #8\n"                                                                                             \
    "add lr, lr, #16\n"                                                                                                \
    "strh r2, [r9, r12]\n"                                                                                             \
    "bfi r3, r7, #8, #8\n"                                                                                             \
    "strh r3, [r10, r12]\n"                                                                                            \
    "cmp lr, r0\n"

#else

#define FINISH                                                                                                         \
    "ldrd r8, r9, [sp, #64]\n"                                                                                         \
    "ldr r12, [sp, #20]\n"                                                                                             \
    "smmlar r0, r0, r8, r12\n"                                                                                         \
    "smmlar r1, r1, r8, r12\n"                                                                                         \
    "smmlar r2, r2, r8, r12\n"                                                                                         \
    "smmlar r3, r3, r8, r12\n"                                                                                         \
    "smmlar r4, r4, r9, r12\n"                                                                                         \
    "smmlar r5, r5, r9, r12\n"                                                                                         \
    "smmlar r6, r6, r9, r12\n"                                                                                         \
    "smmlar r7, r7, r9, r12\n"                                                                                         \
    SATURATE("8")                                                                                                      \
    STORE

#endif

/* The frame: 0-51 the arguments in their order, then 52 where the loop is entered, 56 what follows it, 60 end of the
 * weights, 64 and 68 multipliers doubled, 72 and 76 bias, 80 what the first turn leaves out. */
__attribute__((naked)) void lnt_dsp_tiles(__attribute__((unused)) const lnt_tiles *tiles) {
    __asm volatile(
        ".syntax unified\n"
        "push {r4-r11, lr}\n"
        "sub sp, sp, #84\n"
        "mov r12, sp\n"
        "ldmia r0!, {r1-r8}\n"
        "stmia r12!, {r1-r8}\n"
        "ldmia r0, {r1-r5}\n"
        "stmia r12, {r1-r5}\n"
        /* Taps that remain after the first two, by eight pairs: how many the first turn has. */
        "lsl r1, r1, #1\n"
        "sub r1, r1, #1\n"
        "and r1, r1, #7\n"
        "rsb r2, r1, #7\n"
        "lsl r2, r2, #3\n"
        "str r2, [sp, #80]\n" /* bytes of weights that the first turn leaves out, less those of the first taps */
        "mov r2, #" TAPS_CODE "\n"
        "mul r1, r1, r2\n"
        "adr r0, .Lturn_end\n"
        "sub r0, r0, r1\n"
        "orr r0, r0, #1\n" /* as addresses of Thumb code are */
        "str r0, [sp, #52]\n"
        "adr r0, .Lshortcut\n"
        "cmp r5, #0\n"
        "bne 1f\n"
        "adr r0, .Lplain\n"
        "cmp r8, #0\n"
        "beq 1f\n"
        "adr r0, .Lshifted\n"
        "1:\n"
        "orr r0, r0, #1\n"
        "str r0, [sp, #56]\n"

        ".Lchannels:\n"
        "ldrd r0, r1, [sp]\n"
        "ldr r2, [sp, #32]\n"
        "lsrs r2, r2, #1\n"
        "bcc 2f\n"
        "ldrd r3, r4, [r0], #8\n"
        "sxtb16 r5, r3\n"
        "sxtb16 r6, r4\n"
        "sxtb16 r7, r3, ror #8\n"
        "sxtb16 r8, r4, ror #8\n"
        "stmia r1!, {r5-r8}\n"
        "cbz r2, 3f\n"
        "2:\n"
        "ldmia r0!, {r3, r4, r9, r10}\n"
        "sxtb16 r5, r3\n"
        "sxtb16 r6, r4\n"
        "sxtb16 r7, r3, ror #8\n"
        "sxtb16 r8, r4, ror #8\n"
        "stmia r1!, {r5-r8}\n"
        "sxtb16 r5, r9\n"
        "sxtb16 r6, r10\n"
        "sxtb16 r7, r9, ror #8\n"
        "sxtb16 r8, r10, ror #8\n"
        "stmia r1!, {r5-r8}\n"
        "subs r2, r2, #1\n"
        "bne 2b\n"
        "3:\n"
        "str r0, [sp]\n"
        "str r1, [sp, #60]\n"
        "ldrd r0, r1, [sp, #12]\n"
        "ldrd r4, r5, [r0], #8\n"
        "ldrd r2, r3, [r1], #8\n"
        "strd r0, r1, [sp, #12]\n"
        "lsl r2, r2, #1\n"
        "lsl r3, r3, #1\n"
        "add r0, sp, #64\n"
        "stmia r0, {r2-r5}\n"
        "ldr lr, [sp, #8]\n"

        ".Ltile:\n"
        "ldr r12, [sp, #4]\n"
        "ldrd r3, r7, [sp, #72]\n"
        FIRST_TAPS
        "ldr pc, [sp, #52]\n"
        ".Lturn:\n"
        TAPS(0) TAPS(1) TAPS(2) TAPS(3) TAPS(4) TAPS(5) TAPS(6) TAPS(7)
        ".Lturn_end:\n"
        TURN_END
        "ldr r11, [sp, #60]\n"
        "cmp r12, r11\n"
        "bne .Lturn\n"
        "ldr pc, [sp, #56]\n"

        ".Lshortcut:\n"
        "ldr r8, [sp, #28]\n"
        SHIFT_EACH
        "ldrd r8, r9, [sp, #64]\n"
        "smmulr r0, r0, r8\n"
        "smmulr r1, r1, r8\n"
        "smmulr r2, r2, r8\n"
        "smmulr r3, r3, r8\n"
        "smmulr r4, r4, r9\n"
        "smmulr r5, r5, r9\n"
        "smmulr r6, r6, r9\n"
        "smmulr r7, r7, r9\n"
        SATURATE("16")
        "ldrd r12, r11, [sp, #20]\n" /* offset, factors */
        "ldr r10, [sp, #40]\n"
        ADD_SHORTCUT("r0", "r4")
        ADD_SHORTCUT("r1", "r5")
        ADD_SHORTCUT("r2", "r6")
        ADD_SHORTCUT("r3", "r7")
        STORE
        "bne .Ltile\n"
        "b .Lnext_channels\n"

        ".Lshifted:\n"
        "ldr r8, [sp, #28]\n"
        SHIFT_EACH
        ".Lplain:\n"
        FINISH
        "bne .Ltile\n"

        ".Lnext_channels:\n"
        "ldrd r1, r0, [sp, #36]\n" /* end, channel */
        "add r0, r0, #2\n"
        "str r0, [sp, #40]\n"
        "cmp r0, r1\n"
        "bne .Lchannels\n"
        "add sp, sp, #84\n"
        "pop {r4-r11, pc}\n");
}

/* r0-r3: the pixels' bytes, r12: where they go. */
#define POINTERS                                                                                                       \
    "ldmia r9, {r4-r7}\n"                                                                                              \
    "stmia r12!, {r4-r7}\n"                                                                                            \
    "add r4, r4, r8\n"                                                                                                 \
    "add r5, r5, r8\n"                                                                                                 \
    "add r6, r6, r8\n"                                                                                                 \
    "add r7, r7, r8\n"                                                                                                 \
    "stmia r9!, {r4-r7}\n"

__attribute__((naked)) void lnt_dsp_widen(__attribute__((unused)) lnt_widening *widening) {
    __asm volatile(
        ".syntax unified\n"
        "push {r0, r4-r11, lr}\n"
        "ldr r12, [r0, #48]\n"
        "ldmia r0, {r0-r3}\n"
        "1:\n"
        "ldr r4, [sp]\n"
        "ldr lr, [r4, #52]\n"
        "cmp lr, #0\n"
        "beq 3f\n"
        "2:\n"
        "ldr r4, [r0], #4\n"
        "ldr r5, [r1], #4\n"
        "ldr r6, [r2], #4\n"
        "ldr r7, [r3], #4\n"
        "sxtb16 r8, r4\n"
        "sxtb16 r9, r5\n"
        "sxtb16 r10, r6\n"
        "sxtb16 r11, r7\n"
        "stmia r12!, {r8-r11}\n"
        "sxtb16 r8, r4, ror #8\n"
        "sxtb16 r9, r5, ror #8\n"
        "sxtb16 r10, r6, ror #8\n"
        "sxtb16 r11, r7, ror #8\n"
        "stmia r12!, {r8-r11}\n"
        "subs lr, lr, #1\n"
        "bne 2b\n"
        "3:\n"
        "ldr r11, [sp]\n"
        "ldrd r4, r5, [r11, #56]\n" /* skip, gap */
        "add r0, r0, r4\n"
        "add r1, r1, r4\n"
        "add r2, r2, r4\n"
        "add r3, r3, r4\n"
        "add r12, r12, r5\n"
        "ldrd r8, r10, [r11, #64]\n" /* step, with_shortcut */
        "add r9, r11, #32\n"
        "cmp r10, #0\n"
        "beq 4f\n"
        "add r9, r11, #16\n"
        POINTERS
        "4:\n"
        POINTERS
        "ldr r4, [r11, #72]\n"
        "subs r4, r4, #1\n"
        "str r4, [r11, #72]\n"
        "bne 1b\n"
        "pop {r0, r4-r11, pc}\n");
}

/* clang-format on */

#endif
