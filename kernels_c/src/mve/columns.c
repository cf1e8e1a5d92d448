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

/* The frame: 0-43 the arguments in their order, then 44 bias, 48 multiplier, 52 zero point, 56 shift.
 * q7: offsets of four output columns, q6: of four columns in scratch. */
#define ENTER                                                                                                          \
    ".syntax unified\n"                                                                                                \
    "push {r4-r11, lr}\n"                                                                                              \
    "vpush {d8-d15}\n"                                                                                                 \
    "sub sp, sp, #60\n"                                                                                                \
    "mov r12, sp\n"                                                                                                    \
    "ldmia r0!, {r1-r8}\n"                                                                                             \
    "stmia r12!, {r1-r8}\n"                                                                                            \
    "ldmia r0!, {r1-r3}\n"                                                                                             \
    "stmia r12!, {r1-r3}\n"                                                                                            \
    "strd r1, r2, [sp, #52]\n"                                                                                         \
    "movs r0, #0\n"                                                                                                    \
    "vidup.u32 q7, r0, #1\n"                                                                                           \
    "vmul.i32 q7, q7, r5\n"                                                                                            \
    "movs r0, #0\n"

/* The next channel's constants; weights of the three columns in q2, then nothing. */
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
    "strd r6, r8, [sp, #44]\n"                                                                                         \
    "ldrd r1, r3, [sp]\n"                                                                                              \
    "ldrd r5, r7, [sp, #8]\n"

#define COLLECT                                                                                                        \
    "vmov q0[2], q0[0], r0, r4\n"                                                                                      \
    "vmov q0[3], q0[1], r2, r6\n"                                                                                      \
    "vmov q1[2], q1[0], r8, r12\n"                                                                                     \
    "vmov q1[3], q1[1], r10, lr\n"

/* Bytes of q0's outputs end in halves 0, 2, ... of q0, those of q1 in halves 1, 3, ... */
#define SCALE                                                                                                          \
    "add r11, sp, #44\n"                                                                                               \
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

#define CHANNEL_DONE                                                                                                   \
    "ldrd r0, r1, [sp]\n"                                                                                              \
    "ldr r2, [sp, #8]\n"                                                                                               \
    "adds r0, r0, #4\n"                                                                                                \
    "adds r1, r1, #1\n"                                                                                                \
    "adds r2, r2, #1\n"                                                                                                \
    "strd r0, r1, [sp]\n"                                                                                              \
    "str r2, [sp, #8]\n"                                                                                               \
    "ldr r0, [sp, #40]\n"                                                                                              \
    "subs r0, r0, #1\n"                                                                                                \
    "str r0, [sp, #40]\n"

#define LEAVE                                                                                                          \
    "add sp, sp, #60\n"                                                                                                \
    "vpop {d8-d15}\n"                                                                                                  \
    "pop {r4-r11, pc}\n"

/* Weights: q2 for the first row and the first of two columns, q3 for the second column, q4 and q5 for the second row.
 */
__attribute__((naked)) void lnt_mve_filter_1(__attribute__((unused)) const lnt_filter *filter) {
    __asm volatile(ENTER "vidup.u32 q6, r0, #4\n"
                         "vshl.i32 q6, q6, #4\n"
                         ".Lmve_channel_1:\n" NEXT_CHANNEL "ldr r9, [sp, #16]\n"
                         "lsls r9, r9, #2\n"
                         "movs r0, #0\n"
                         "vmov q3, q2\n"
                         "vshlc q3, r0, #32\n"
                         "vshl.i32 q4, q2, #8\n"
                         "vshl.i32 q5, q3, #8\n"
                         "1:\n"
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
                         "bgt 1b\n" CHANNEL_DONE "bne .Lmve_channel_1\n" LEAVE);
}

/* q2: weights. q3-q6: offsets of the windows of four outputs. */
__attribute__((naked)) void lnt_mve_filter_2(__attribute__((unused)) const lnt_filter *filter) {
    __asm volatile(ENTER "vidup.u32 q3, r0, #4\n"
                         "vshl.i32 q3, q3, #4\n"
                         "movs r0, #128\n"
                         "vadd.i32 q4, q3, r0\n"
                         "vadd.i32 q5, q4, r0\n"
                         "vadd.i32 q6, q5, r0\n"
                         ".Lmve_channel_2:\n" NEXT_CHANNEL "ldr r9, [sp, #16]\n"
                         "lsls r9, r9, #2\n"
                         "1:\n"
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
                         "3:\n" CHANNEL_DONE "bne .Lmve_channel_2\n" LEAVE);
}

#endif
