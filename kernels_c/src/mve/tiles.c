#include "tiles.h"

#include "mve.h"

#if LNT_MVE_HERE

_Static_assert(sizeof(lnt_tile) == LNT_TILE_BYTES, "the assembly and the scratch have this");

/* Sixteen taps. r0, r2, r4, r6: sums of the first channel, four pixels; r8, r10, r12, lr: of the second. r1, r3, r5,
 * r7: pixels, r9: weights. Loads and products take turns, for they are done by different units. */
#define BLOCK(product)                                                                                                 \
    "vldrb.u8 q0, [r9], #16\n"                                                                                         \
    "vldrb.u8 q2, [r1], #16\n" product " r0, q0, q2\n"                                                                 \
    "vldrb.u8 q1, [r9], #16\n" product " r8, q1, q2\n"                                                                 \
    "vldrb.u8 q3, [r3], #16\n" product " r2, q0, q3\n"                                                                 \
    "vldrb.u8 q2, [r5], #16\n" product " r10, q1, q3\n"                                                                \
    "vldrb.u8 q3, [r7], #16\n" product " r4, q0, q2\n" product " r12, q1, q2\n" product " r6, q0, q3\n" product        \
    " lr, q1, q3\n"

/* What is left of the taps, as the predicate says; behind them there may be no memory. */
#define REST(product)                                                                                                  \
    "vldrb.u8 q0, [r9], #16\n"                                                                                         \
    "vldrb.u8 q1, [r9], #16\n"                                                                                         \
    "vpstt\n"                                                                                                          \
    "vldrbt.u8 q2, [r1]\n"                                                                                             \
    "vldrbt.u8 q3, [r3]\n" product " r0, q0, q2\n" product " r8, q1, q2\n" product " r2, q0, q3\n" product             \
    " r10, q1, q3\n"                                                                                                   \
    "vpstt\n"                                                                                                          \
    "vldrbt.u8 q2, [r5]\n"                                                                                             \
    "vldrbt.u8 q3, [r7]\n" product " r4, q0, q2\n" product " r12, q1, q2\n" product " r6, q0, q3\n" product            \
    " lr, q1, q3\n"

/* Sums to vectors: pixels 0 and 1, pixels 2 and 3, either channel; and their bias. */
#define COLLECT                                                                                                        \
    "vmov q0[2], q0[0], r0, r2\n"                                                                                      \
    "vmov q0[3], q0[1], r8, r10\n"                                                                                     \
    "vmov q1[2], q1[0], r4, r6\n"                                                                                      \
    "vmov q1[3], q1[1], r12, lr\n"                                                                                     \
    "vadd.i32 q0, q0, q4\n"                                                                                            \
    "vadd.i32 q1, q1, q4\n"

#define SCALE                                                                                                          \
    "vqrdmulh.s32 q0, q0, q5\n"                                                                                        \
    "vqrdmulh.s32 q1, q1, q5\n"                                                                                        \
    "vqmovnb.s32 q0, q0\n"                                                                                             \
    "vqmovnt.s32 q0, q1\n"

/* Halves are now: first channel of pixels 0, 2, second of 0, 2, first of 1, 3, second of 1, 3.
 * q4: bias, q5: multipliers, q6: offsets of the outputs, q7: zero point.
 * The frame: 0-55 the arguments in their order, 56 the tile, 60 where its taps are multiplied, 64 what follows full
 * blocks, 68 what follows all, 72 blocks behind the first. */
__attribute__((naked)) void lnt_mve_tiles(__attribute__((unused)) const lnt_tiles *tiles) {
    __asm volatile(
        ".syntax unified\n"
        "push {r4-r11, lr}\n"
        "vpush {d8-d15}\n"
        "sub sp, sp, #76\n"
        "mov r12, sp\n"
        "ldmia r0!, {r1-r8}\n"
        "stmia r12!, {r1-r8}\n"
        "ldmia r0!, {r1-r6}\n"
        "stmia r12!, {r1-r6}\n"
        "vldrh.u16 q6, [r3]\n"
        "vadd.i16 q6, q6, r6\n"
        "vdup.16 q7, r1\n"
        "adr r7, .Lmve_shortcut\n"
        "cbnz r5, 1f\n"
        "adr r7, .Lmve_plain\n"
        "cmp r2, #0\n"
        "it ne\n"
        "adrne r7, .Lmve_shifted\n"
        "1:\n"
        "orr r7, r7, #1\n"
        "str r7, [sp, #68]\n"
        "ldrd r0, r1, [sp, #12]\n"
        "cbz r1, 2f\n"
        "vctp.8 r1\n"
        "adr r7, .Lmve_rest\n"
        "orr r7, r7, #1\n"
        "2:\n"
        "str r7, [sp, #64]\n"
        "adr r2, .Lmve_blocks\n"
        "cbnz r0, 3f\n"
        "adr r2, .Lmve_only_rest\n"
        "3:\n"
        "orr r2, r2, #1\n"
        "sub r0, r0, #1\n"
        "str r2, [sp, #60]\n"
        "str r0, [sp, #72]\n"

        ".Lmve_pair:\n"
        "ldrd r0, r1, [sp, #20]\n"
        "ldrd r2, r3, [r0], #8\n"
        "ldrd r4, r5, [r1], #8\n"
        "strd r0, r1, [sp, #20]\n"
        "vmov q4[2], q4[0], r2, r2\n"
        "vmov q4[3], q4[1], r3, r3\n"
        "vmov q5[2], q5[0], r4, r4\n"
        "vmov q5[3], q5[1], r5, r5\n"
        "ldr r11, [sp]\n"

        ".Lmve_tile:\n"
        "str r11, [sp, #56]\n"
        "ldm r11, {r1, r3, r5, r7}\n"
        "ldr r9, [sp, #8]\n"
        "ldr pc, [sp, #60]\n"
        ".Lmve_only_rest:\n" REST(
            "vmladav.s8") "ldr pc, [sp, #68]\n"
                          ".balign 4\n"
                          ".Lmve_blocks:\n" BLOCK(
                              "vmladav.s8") "ldr r11, [sp, #72]\n"
                                            "subs r11, r11, #1\n"
                                            "bmi 5f\n"
                                            "4:\n" BLOCK(
                                                "vmladava.s8") "subs r11, r11, #1\n"
                                                               "bpl 4b\n"
                                                               "5:\n"
                                                               "ldr pc, [sp, #64]\n"
                                                               ".balign 4\n"
                                                               ".Lmve_rest:\n" REST(
                                                                   "vmladava.s8") "ldr pc, [sp, #68]\n"

                                                                                  ".balign 4\n"
                                                                                  ".Lmve_shortcut:\n" COLLECT
                                                                                  "ldrd r0, r1, [sp, #32]\n" /* offset,
                                                                                                                shift */
                                                                                  "ldr r2, [sp, #44]\n" /* factor */
                                                                                  "vshl.s32 q0, r1\n"
                                                                                  "vshl.s32 q1, r1\n" SCALE
                                                                                  "ldr r11, [sp, #56]\n"
                                                                                  "ldrd r1, r3, [r11, #16]\n"
                                                                                  "vldrb.s16 q1, [r3, q6]\n"
                                                                                  "vshllb.s16 q2, q0, #8\n"
                                                                                  "vmovlb.s16 q3, q1\n"
                                                                                  "vmla.s32 q2, q3, r2\n"
                                                                                  "vadd.i32 q2, q2, r0\n"
                                                                                  "vshllt.s16 q0, q0, #8\n"
                                                                                  "vmovlt.s16 q1, q1\n"
                                                                                  "vmla.s32 q0, q1, r2\n"
                                                                                  "vadd.i32 q0, q0, r0\n"
                                                                                  "vshr.s32 q2, q2, #14\n"
                                                                                  "vshr.s32 q0, q0, #14\n"
                                                                                  "vqmovnb.s32 q2, q2\n"
                                                                                  "vqmovnt.s32 q2, q0\n"
                                                                                  "vqmovnb.s16 q0, q2\n"
                                                                                  "b 6f\n"

                                                                                  ".balign 4\n"
                                                                                  ".Lmve_shifted:\n" COLLECT
                                                                                  "ldr r1, [sp, #36]\n"
                                                                                  "vshl.s32 q0, r1\n"
                                                                                  "vshl.s32 q1, r1\n"
                                                                                  "b 7f\n"
                                                                                  ".balign 4\n"
                                                                                  ".Lmve_plain:\n" COLLECT "7:\n" SCALE
                                                                                  "ldr r11, [sp, #56]\n"
                                                                                  "ldr r1, [r11, #16]\n"
                                                                                  "vqadd.s16 q0, q0, q7\n"
                                                                                  "vqmovnb.s16 q0, q0\n"
                                                                                  "6:\n"
                                                                                  "vstrb.16 q0, [r1, q6]\n"
                                                                                  "ldr r3, [sp, #4]\n"
                                                                                  "adds r11, r11, #24\n"
                                                                                  "cmp r11, r3\n"
                                                                                  "bne .Lmve_tile\n"

                                                                                  "str r9, [sp, #8]\n" /* behind this
                                                                                                          pair's weights
                                                                                                        */
                                                                                  "movs r1, #2\n"
                                                                                  "vadd.i16 q6, q6, r1\n"
                                                                                  "ldr r0, [sp, #28]\n"
                                                                                  "subs r0, r0, #1\n"
                                                                                  "str r0, [sp, #28]\n"
                                                                                  "bne .Lmve_pair\n"
                                                                                  "add sp, sp, #76\n"
                                                                                  "vpop {d8-d15}\n"
                                                                                  "pop {r4-r11, pc}\n");
}

#endif
