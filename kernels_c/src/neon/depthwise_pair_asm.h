/* What the loops of depthwise_pair.h share: the order of one step, which computes the sums of output row A and row B at
 * one place and makes bytes of those of the step before.
 *
 * The model is Cortex-A53: one vector instruction a cycle, results after six; a load beside it, but none that would be
 * done before the vector instruction ahead of it, so that loads and stores come together. Nothing here waits: what
 * depends on each other lies six instructions apart, or the loads lie between.
 *
 * Registers: 0 to 14 columns of the input and weights, 15 and 16 biases, 17 and 18 multipliers, 19 0x80s, 20 to 25
 * products of A and B in 16 bits, three groups in turn, 26 to 29 sums, 30 and 31 outputs on their way. */
#ifndef LNT_NEON_DEPTHWISE_PAIR_ASM_H
#define LNT_NEON_DEPTHWISE_PAIR_ASM_H

#define LOW(op, group, x, w) op " v" group ".8h, v" x ".8b, v" w ".8b\n"
#define HIGH(op, group, x, w) op "2 v" group ".8h, v" x ".16b, v" w ".16b\n"

/* A tap: of row A or B, row 0, 1 or 2 of the kernel; the column is a list of registers in parentheses. */
#define LIST(...) __VA_ARGS__
#define CALL_TAP(tap, ...) TAP_##tap(__VA_ARGS__)
#define TAP(tap, op, group, column) CALL_TAP(tap, op, group, LIST column)

/* What scales sums, narrows and stores them; sums of a step end up in 30 as bytes of A and B. */
#define SCALE(sum, multiplier) "sqrdmulh v" sum ".4s, v" sum ".4s, v" multiplier ".4s\n"
#define SCALE_ALL SCALE("26", "17") SCALE("27", "18") SCALE("28", "17") SCALE("29", "18")
#define TRUNCATE_A "uzp1 v30.8h, v26.8h, v27.8h\n"
#define TRUNCATE_B "uzp1 v31.8h, v28.8h, v29.8h\n"
#define NARROW_A "sqxtun v30.8b, v30.8h\n"
#define NARROW_B "sqxtun2 v30.16b, v31.8h\n"
#define SIGN "eor v30.16b, v30.16b, v19.16b\n"

/* The sums begin with, or get, a group of products. */
#define BEGIN(a, b)                                                                                                    \
    "saddw v26.4s, v15.4s, v" a ".4h\n"                                                                                \
    "saddw2 v27.4s, v16.4s, v" a ".8h\n"                                                                               \
    "saddw v28.4s, v15.4s, v" b ".4h\n"                                                                                \
    "saddw2 v29.4s, v16.4s, v" b ".8h\n"
#define ADD(a, b)                                                                                                      \
    "saddw v26.4s, v26.4s, v" a ".4h\n"                                                                                \
    "saddw2 v27.4s, v27.4s, v" a ".8h\n"                                                                               \
    "saddw v28.4s, v28.4s, v" b ".4h\n"                                                                                \
    "saddw2 v29.4s, v29.4s, v" b ".8h\n"

#define COUNT "subs x13, x13, #1\n"
#define STORE                                                                                                          \
    "str d30, [x9]\n"                                                                                                  \
    "add x9, x9, x11\n"                                                                                                \
    "st1 {v30.d}[1], [x10]\n"                                                                                          \
    "add x10, x10, x11\n"

/* Groups of products: T0 T1 T2, U0 U1, U2 V0, V1 V2. memory: loads of the next columns, stores of the step before. */
#define STEP_TRIPLE(T, U, V, memory)                                                                                   \
    TAP(A0, "smull", "20", T)                                                                                          \
    TAP(B0, "smull", "21", T)                                                                                          \
    SCALE_ALL                                                                                                          \
    TAP(A1, "smlal", "20", T)                                                                                          \
    TAP(B1, "smlal", "21", T)                                                                                          \
    TAP(A0, "smull", "22", U)                                                                                          \
    TRUNCATE_A                                                                                                         \
    TAP(B0, "smull", "23", U)                                                                                          \
    TRUNCATE_B                                                                                                         \
    TAP(A2, "smlal", "20", T)                                                                                          \
    TAP(B2, "smlal", "21", T)                                                                                          \
    TAP(A1, "smlal", "22", U)                                                                                          \
    NARROW_A                                                                                                           \
    TAP(B1, "smlal", "23", U)                                                                                          \
    TAP(A2, "smull", "24", U)                                                                                          \
    TAP(B2, "smull", "25", U)                                                                                          \
    BEGIN("20", "21")                                                                                                  \
    TAP(A1, "smull", "20", V)                                                                                          \
    TAP(B1, "smull", "21", V)                                                                                          \
    NARROW_B                                                                                                           \
    TAP(A0, "smlal", "24", V)                                                                                          \
    ADD("22", "23")                                                                                                    \
    TAP(B0, "smlal", "25", V)                                                                                          \
    TAP(A2, "smlal", "20", V)                                                                                          \
    TAP(B2, "smlal", "21", V)                                                                                          \
    SIGN ADD("24", "25") memory ADD("20", "21")

/* Groups of products: T0 T1, U0 U1, U2 V0, T2, V1 V2. */
#define STEP_TWO(T, U, V, memory)                                                                                      \
    TAP(A0, "smull", "20", T)                                                                                          \
    TAP(B0, "smull", "21", T)                                                                                          \
    SCALE_ALL                                                                                                          \
    TAP(A1, "smlal", "20", T)                                                                                          \
    TAP(B1, "smlal", "21", T)                                                                                          \
    TAP(A0, "smull", "22", U)                                                                                          \
    TRUNCATE_A                                                                                                         \
    TAP(B0, "smull", "23", U)                                                                                          \
    TRUNCATE_B                                                                                                         \
    TAP(A2, "smull", "24", U)                                                                                          \
    TAP(B2, "smull", "25", U)                                                                                          \
    TAP(A1, "smlal", "22", U)                                                                                          \
    NARROW_A                                                                                                           \
    TAP(B1, "smlal", "23", U)                                                                                          \
    BEGIN("20", "21")                                                                                                  \
    TAP(A0, "smlal", "24", V)                                                                                          \
    TAP(B0, "smlal", "25", V)                                                                                          \
    NARROW_B                                                                                                           \
    ADD("22", "23")                                                                                                    \
    TAP(A1, "smull", "20", V)                                                                                          \
    TAP(B1, "smull", "21", V)                                                                                          \
    TAP(A2, "smull", "22", T)                                                                                          \
    TAP(B2, "smull", "23", T)                                                                                          \
    ADD("24", "25")                                                                                                    \
    TAP(A2, "smlal", "20", V)                                                                                          \
    TAP(B2, "smlal", "21", V)                                                                                          \
    SIGN ADD("22", "23") memory ADD("20", "21")

/* x0: the lnt_depthwise_pair. The first step's stores write what the second one's overwrite: x11, by which x9 and x10
 * advance, is 0 for one step. */
#define CONSTANTS                                                                                                      \
    "ldp x14, x15, [x0, #168]\n"                                                                                       \
    "ldp q15, q16, [x14]\n"                                                                                            \
    "ldp q17, q18, [x15]\n"                                                                                            \
    "movi v19.16b, #128\n"                                                                                             \
    "ldp x9, x10, [x0, #120]\n"                                                                                        \
    "mov x11, #0\n"                                                                                                    \
    "ldp x12, x13, [x0, #136]\n"                                                                                       \
    "ldr x14, [x0, #152]\n"

/* Three steps, after which the columns lie in the same registers again. x13: steps to go, x14: those after the columns
 * come from the tail. */
#define CALL_STEP(step, ...) step(__VA_ARGS__)
#define WALK(step, step0, step1, step2, to_tail)                                                                       \
    "cbz x13, 5f\n"                                                                                                    \
    "1:\n" CALL_STEP(                                                                                                  \
        step, LIST step0                                                                                               \
        "mov x11, x12\n") "b.eq 6f\n"                                                                                  \
                          "2:\n" CALL_STEP(                                                                            \
                              step, LIST step1) "b.eq 7f\n"                                                            \
                                                "3:\n" CALL_STEP(                                                      \
                                                    step, LIST step2) "b.ne 1b\n"                                      \
                                                                      "5:\n"                                           \
                                                                      "cbz x14, 9f\n" to_tail "b 1b\n"                 \
                                                                      "6:\n"                                           \
                                                                      "cbz x14, 9f\n" to_tail "b 2b\n"                 \
                                                                      "7:\n"                                           \
                                                                      "cbz x14, 9f\n" to_tail "b 3b\n"                 \
                                                                      "9:\n" SCALE_ALL TRUNCATE_A TRUNCATE_B NARROW_A  \
                                                                          NARROW_B SIGN "str d30, [x9]\n"              \
                                                                      "st1 {v30.d}[1], [x10]\n"

#define CLOBBERS                                                                                                       \
    "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "v0", "v1", "v2",  \
        "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18",       \
        "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31", "cc", "memory"

#endif
