#include "columns.h"

#include "mve.h"

#if LNT_MVE_HERE

_Static_assert(LNT_COLUMN_BYTES == 64, "the assembly has this");

__attribute__((naked)) void lnt_mve_transpose(__attribute__((unused)) const lnt_transposition *transposition) {
    __asm volatile(".syntax unified\n"
                   "push {r4-r11, lr}\n"
                   "ldr r1, [r0, #40]\n"
                   "vctp.8 r1\n"
                   "mov r12, r0\n"
                   "ldm r12, {r0-r9}\n"
                   "dls lr, r9\n"
                   "1:\n"
                   "vpstttt\n"
                   "vldrbt.u8 q0, [r0]\n"
                   "vldrbt.u8 q1, [r1]\n"
                   "vldrbt.u8 q2, [r2]\n"
                   "vldrbt.u8 q3, [r3]\n"
                   "add r0, r0, r4\n"
                   "add r1, r1, r5\n"
                   "vst40.8 {q0, q1, q2, q3}, [r8]\n"
                   "add r2, r2, r6\n"
                   "vst41.8 {q0, q1, q2, q3}, [r8]\n"
                   "add r3, r3, r7\n"
                   "vst42.8 {q0, q1, q2, q3}, [r8]\n"
                   "vst43.8 {q0, q1, q2, q3}, [r8]!\n"
                   "le lr, 1b\n"
                   "pop {r4-r11, pc}\n");
}

/* The frame: 0-47 the arguments in their order, then 48 bias, 52 multiplier, 56 zero point, 60 shift, 64 place in the
 * table of rows, 68 rows left. q7: offsets of four output columns. */
#define ENTER                                                                                                          \
    ".syntax unified\n"                                                                                                \
    "push {r4-r11, lr}\n"                                                                                              \
    "vpush {d8-d15}\n"                                                                                                 \
    "sub sp, sp, #76\n"                                                                                                \
    "mov r12, sp\n"                                                                                                    \
    "ldmia r0!, {r1-r8}\n"                                                                                             \
    "stmia r12!, {r1-r8}\n"                                                                                            \
    "ldmia r0!, {r1-r4}\n"                                                                                             \
    "stmia r12!, {r1-r4}\n"                                                                                            \
    "strd r1, r2, [sp, #56]\n"                                                                                         \
    "movs r0, #0\n"                                                                                                    \
    "vidup.u32 q7, r0, #1\n"                                                                                           \
    "vmul.i32 q7, q7, r5\n"                                                                                            \
    "movs r0, #0\n"

/* The next channel's constants; weights of the three columns in q2, then nothing. r1: columns. */
#define NEXT_CHANNEL                                                                                                   \
    "ldrd r0, r2, [sp, #20]\n" /* weights, bias */                                                                     \
    "ldr r4, [sp, #28]\n"      /* multiplier */                                                                        \
    "movs r6, #3\n"                                                                                                    \
    "vctp.32 r6\n"                                                                                                     \
    "vpst\n"                                                                                                           \
    "vldrwt.u32 q2, [r0]\n"                                                                                            \
    "adds r0, r0, #12\n"                                                                                               \
    "ldr r6, [r2], #4\n"                                                                                               \
    "ldr r8, [r4], #4\n"                                                                                               \
    "strd r0, r2, [sp, #20]\n"                                                                                         \
    "str r4, [sp, #28]\n"                                                                                              \
    "strd r6, r8, [sp, #48]\n"                                                                                         \
    "ldrd r1, r0, [sp]\n"                                                                                              \
    "ldr r2, [sp, #8]\n"                                                                                               \
    "strd r0, r2, [sp, #64]\n"

/* r3, r5: outputs of two rows, r7: width, r9: bytes of four pixels. */
#define NEXT_ROW                                                                                                       \
    "ldr r0, [sp, #64]\n"                                                                                              \
    "ldrd r7, r9, [sp, #12]\n"                                                                                         \
    "ldrd r3, r5, [r0], #8\n"                                                                                          \
    "ldr r2, [sp, #44]\n"                                                                                              \
    "str r0, [sp, #64]\n"                                                                                              \
    "add r3, r3, r2\n"                                                                                                 \
    "add r5, r5, r2\n"                                                                                                 \
    "lsls r9, r9, #2\n"

#define COLLECT                                                                                                        \
    "vmov q0[2], q0[0], r0, r4\n"                                                                                      \
    "vmov q0[3], q0[1], r2, r6\n"                                                                                      \
    "vmov q1[2], q1[0], r8, r12\n"                                                                                     \
    "vmov q1[3], q1[1], r10, lr\n"

/* Bytes of q0's outputs are in the words of q0 then, those of q1 in q1. */
#define SCALE                                                                                                          \
    "add r11, sp, #48\n"                                                                                               \
    "ldm r11, {r0, r2, r4, r6}\n"                                                                                      \
    "vadd.i32 q0, q0, r0\n"                                                                                            \
    "vadd.i32 q1, q1, r0\n"                                                                                            \
    "cbz r6, 2f\n"                                                                                                     \
    "vshl.s32 q0, r6\n"                                                                                                \
    "vshl.s32 q1, r6\n"                                                                                                \
    "2:\n"                                                                                                             \
    "vqrdmulh.s32 q0, q0, r2\n"                                                                                        \
    "vqrdmulh.s32 q1, q1, r2\n"                                                                                        \
    "vqmovnb.s32 q0, q0\n"                                                                                             \
    "vqmovnt.s32 q0, q1\n"                                                                                             \
    "vqadd.s16 q0, q0, r4\n"                                                                                           \
    "vqmovnb.s16 q0, q0\n"                                                                                             \
    "vshr.u32 q1, q0, #16\n"

/* Behind the columns that groups of outputs step over, there are those that the last window looks at besides. */
#define ROW_DONE                                                                                                       \
    "ldr r0, [sp, #68]\n"                                                                                              \
    "adds r1, r1, #128\n"                                                                                              \
    "subs r0, r0, #1\n"                                                                                                \
    "str r0, [sp, #68]\n"

#define CHANNEL_DONE                                                                                                   \
    "ldr r0, [sp]\n"                                                                                                   \
    "ldrd r2, r1, [sp, #40]\n"                                                                                         \
    "adds r0, r0, #4\n"                                                                                                \
    "adds r1, r1, #1\n"                                                                                                \
    "str r0, [sp]\n"                                                                                                   \
    "subs r2, r2, #1\n"                                                                                                \
    "strd r2, r1, [sp, #40]\n"

#define LEAVE                                                                                                          \
    "add sp, sp, #76\n"                                                                                                \
    "vpop {d8-d15}\n"                                                                                                  \
    "pop {r4-r11, pc}\n"

/* Weights: q2 for the first row and the first of two columns, q3 for the second column, q4 and q5 for the second row.
 * q6: offsets of four columns in scratch. */
__attribute__((naked)) void lnt_mve_filter_1(__attribute__((unused)) const lnt_filter *filter) {
    __asm volatile(ENTER "vidup.u32 q6, r0, #4\n"
                         "vshl.i32 q6, q6, #4\n"
                         ".Lmve_channel_1:\n" NEXT_CHANNEL "movs r0, #0\n"
                         "vmov q3, q2\n"
                         "vshlc q3, r0, #32\n"
                         "vshl.i32 q4, q2, #8\n"
                         "vshl.i32 q5, q3, #8\n"
                         ".Lmve_row_1:\n" NEXT_ROW "1:\n"
                         "vldrw.u32 q0, [r1, q6]\n"
                         "add r11, r1, #128\n"
                         "vmladav.s8 r0, q0, q2\n"
                         "vldrw.u32 q1, [r11, q6]\n"
                         "vmladav.s8 r2, q0, q3\n"
                         "vmladav.s8 r8, q0, q4\n"
                         "vmladav.s8 r10, q0, q5\n"
                         "vmladav.s8 r4, q1, q2\n"
                         "vmladav.s8 r6, q1, q3\n"
                         "vmladav.s8 r12, q1, q4\n"
                         "vmladav.s8 lr, q1, q5\n" COLLECT SCALE "vctp.32 r7\n"
                         "vpstt\n"
                         "vstrbt.32 q1, [r5, q7]\n"
                         "vstrbt.32 q0, [r3, q7]\n"
                         "add r1, r1, #256\n"
                         "add r5, r5, r9\n"
                         "add r3, r3, r9\n"
                         "subs r7, r7, #4\n"
                         "bgt 1b\n" ROW_DONE "bne .Lmve_row_1\n" CHANNEL_DONE "bne .Lmve_channel_1\n" LEAVE);
}

/* q2: weights. q3-q6: offsets of the windows of four outputs. */
__attribute__((naked)) void lnt_mve_filter_2(__attribute__((unused)) const lnt_filter *filter) {
    __asm volatile(ENTER "vidup.u32 q3, r0, #4\n"
                         "vshl.i32 q3, q3, #4\n"
                         "movs r0, #128\n"
                         "vadd.i32 q4, q3, r0\n"
                         "vadd.i32 q5, q4, r0\n"
                         "vadd.i32 q6, q5, r0\n"
                         ".Lmve_channel_2:\n" NEXT_CHANNEL ".Lmve_row_2:\n" NEXT_ROW "1:\n"
                         "vldrw.u32 q0, [r1, q3]\n"
                         "vldrw.u32 q1, [r1, q4]\n"
                         "vmladav.s8 r0, q0, q2\n"
                         "vldrw.u32 q0, [r1, q5]\n"
                         "vmladav.s8 r2, q1, q2\n"
                         "vldrw.u32 q1, [r1, q6]\n"
                         "vmladav.s8 r4, q0, q2\n"
                         "add r1, r1, #512\n"
                         "vldrw.u32 q0, [r1, q3]\n"
                         "vmladav.s8 r6, q1, q2\n"
                         "vldrw.u32 q1, [r1, q4]\n"
                         "vmladav.s8 r8, q0, q2\n"
                         "vldrw.u32 q0, [r1, q5]\n"
                         "vmladav.s8 r10, q1, q2\n"
                         "vldrw.u32 q1, [r1, q6]\n"
                         "vmladav.s8 r12, q0, q2\n"
                         "add r1, r1, #512\n"
                         "vmladav.s8 lr, q1, q2\n" COLLECT SCALE "vctp.32 r7\n"
                         "vpst\n"
                         "vstrbt.32 q0, [r3, q7]\n"
                         "add r3, r3, r9\n"
                         "subs r7, r7, #4\n"
                         "ble 3f\n"
                         "vctp.32 r7\n"
                         "vpst\n"
                         "vstrbt.32 q1, [r3, q7]\n"
                         "add r3, r3, r9\n"
                         "subs r7, r7, #4\n"
                         "bgt 1b\n"
                         "3:\n" ROW_DONE "bne .Lmve_row_2\n" CHANNEL_DONE "bne .Lmve_channel_2\n" LEAVE);
}

#endif
