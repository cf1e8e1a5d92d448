/* The loop of depthwise_pair.h for stride 1: a step loads one column of four rows. */
#include "neon.h"

#ifdef LNT_NEON64

#include "depthwise_pair.h"
#include "depthwise_pair_asm.h"

/* A column: rows 1 and 0 in the halves of p, rows 2 and 3 in those of q. Its weights: w1 and w0 in u, w0 in v, w2 twice
 * in t. Row A has input rows 0 to 2, row B 1 to 3. */
#define TAP_A0(op, group, p, q, u, v, t) HIGH(op, group, p, u)
#define TAP_A1(op, group, p, q, u, v, t) LOW(op, group, p, u)
#define TAP_A2(op, group, p, q, u, v, t) LOW(op, group, q, t)
#define TAP_B0(op, group, p, q, u, v, t) LOW(op, group, p, v)
#define TAP_B1(op, group, p, q, u, v, t) LOW(op, group, q, u)
#define TAP_B2(op, group, p, q, u, v, t) HIGH(op, group, q, t)

#define WEIGHTS(u, v, t, w1, w0, w2)                                                                                   \
    "ldr d" u ", [x14, #" w1 "]\n"                                                                                     \
    "ldr d" v ", [x14, #" w0 "]\n"                                                                                     \
    "ldr d" t ", [x14, #" w2 "]\n"                                                                                     \
    "mov v" u ".d[1], v" v ".d[0]\n"                                                                                   \
    "mov v" t ".d[1], v" t ".d[0]\n"

/* x1, x2: rows 1 and 2, x3 how far in them, x4 their pitch; x5, x6: row 0 and its pitch; x7, x8: row 3. */
#define LOAD(p, q, count, store)                                                                                       \
    "ldr d" p ", [x1, x3]\n" count "ldr d" q ", [x2, x3]\n"                                                            \
    "add x3, x3, x4\n" store "ld1 {v" p ".d}[1], [x5]\n"                                                               \
    "add x5, x5, x6\n"                                                                                                 \
    "ld1 {v" q ".d}[1], [x7]\n"                                                                                        \
    "add x7, x7, x8\n"

#define MEMORY(p, q) LOAD(p, q, COUNT, STORE)

#define TO_TAIL                                                                                                        \
    "ldr x1, [x0, #104]\n"                                                                                             \
    "mov x2, x1\n"                                                                                                     \
    "mov x5, x1\n"                                                                                                     \
    "mov x7, x1\n"                                                                                                     \
    "mov x3, #0\n"                                                                                                     \
    "mov x4, #0\n"                                                                                                     \
    "mov x6, #0\n"                                                                                                     \
    "mov x8, #0\n"                                                                                                     \
    "mov x13, x14\n"                                                                                                   \
    "mov x14, #0\n"

/* The column that has been in registers 0 and 1, 2 and 3, or 4 and 5, as the first, second or third of the window. */
#define FIRST(p, q) (p, q, "6", "7", "8")
#define SECOND(p, q) (p, q, "9", "10", "11")
#define THIRD(p, q) (p, q, "12", "13", "14")

#define RUN(step, S0, S1, S2)                                                                                          \
    __asm__ volatile(                                                                                                  \
        "mov x0, %0\n"                                                                                                 \
        "ldr x14, [x0, #160]\n" WEIGHTS("6", "7", "8", "16", "0", "32") WEIGHTS("9", "10", "11", "64", "48", "80")     \
            WEIGHTS("12", "13", "14", "112", "96",                                                                     \
                    "128") "ldp x5, x1, [x0]\n"                                                                        \
                           "ldp x2, x7, [x0, #16]\n"                                                                   \
                           "mov x3, #0\n" LOAD("0", "1", "", "") "ldp x5, x1, [x0, #40]\n"                             \
                                                                 "ldp x2, x7, [x0, #56]\n"                             \
                                                                 "ldp x4, x6, [x0, #80]\n"                             \
                                                                 "ldr x8, [x0, #96]\n"                                 \
                                                                 "mov x3, #0\n" LOAD("2", "3", "", "")                 \
                                                                     LOAD("4", "5", "", "")                            \
                                                                         CONSTANTS WALK(step, S0, S1, S2, TO_TAIL)     \
        :                                                                                                              \
        : "r"(p)                                                                                                       \
        : "x0", CLOBBERS)

#define CALL_RUN(...) RUN(__VA_ARGS__)

/* A step with its columns in the order of the groups, and the registers of the next column: those of the first. */
#define ORDER0(a0, a1, b0, b1, c0, c1) (FIRST(a0, a1), SECOND(b0, b1), THIRD(c0, c1), MEMORY(a0, a1))
#define ORDER1(a0, a1, b0, b1, c0, c1) (SECOND(b0, b1), THIRD(c0, c1), FIRST(a0, a1), MEMORY(a0, a1))
#define ORDER2(a0, a1, b0, b1, c0, c1) (THIRD(c0, c1), FIRST(a0, a1), SECOND(b0, b1), MEMORY(a0, a1))
#define ALL_OF(order)                                                                                                  \
    order("0", "1", "2", "3", "4", "5"), order("2", "3", "4", "5", "0", "1"), order("4", "5", "0", "1", "2", "3")

void lnt_depthwise_pair_stride1(const lnt_depthwise_pair *p, uint32_t triple) {
    switch (triple) {
    case 0:
        CALL_RUN(STEP_TRIPLE, ALL_OF(ORDER0));
        break;
    case 1:
        CALL_RUN(STEP_TRIPLE, ALL_OF(ORDER1));
        break;
    case 2:
        CALL_RUN(STEP_TRIPLE, ALL_OF(ORDER2));
        break;
    default:
        CALL_RUN(STEP_TWO, ALL_OF(ORDER0));
    }
}

#endif
