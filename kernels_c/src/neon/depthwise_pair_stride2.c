/* The loop of depthwise_pair.h for stride 2: a step loads two columns of five rows. */
#include "neon.h"

#ifdef LNT_NEON64

#include "depthwise_pair.h"
#include "depthwise_pair_asm.h"

/* A column: rows 0 and 1 in the halves of p, rows 2 and 3 in those of q, row 4 in s. Its weights: w0 and w1 in u, w2 in
 * t. Row A has input rows 0 to 2, row B 2 to 4. */
#define TAP_A0(op, group, p, q, s, u, t) LOW(op, group, p, u)
#define TAP_A1(op, group, p, q, s, u, t) HIGH(op, group, p, u)
#define TAP_A2(op, group, p, q, s, u, t) LOW(op, group, q, t)
#define TAP_B0(op, group, p, q, s, u, t) LOW(op, group, q, u)
#define TAP_B1(op, group, p, q, s, u, t) HIGH(op, group, q, u)
#define TAP_B2(op, group, p, q, s, u, t) LOW(op, group, s, t)

#define WEIGHTS(u, t, w0, w1, w2)                                                                                      \
    "ldr d" u ", [x14, #" w0 "]\n"                                                                                     \
    "ldr d" t ", [x14, #" w1 "]\n"                                                                                     \
    "mov v" u ".d[1], v" t ".d[0]\n"                                                                                   \
    "ldr d" t ", [x14, #" w2 "]\n"

/* x1 to x5: rows 0 to 4, x6: pitch of row 0, x7: of row 4, x8: of those between. */
#define LOAD_ONE(p, q, s)                                                                                              \
    "ldr d" p ", [x1]\n"                                                                                               \
    "ldr d" q ", [x3]\n"                                                                                               \
    "ldr d" s ", [x5]\n"                                                                                               \
    "ld1 {v" p ".d}[1], [x2]\n"                                                                                        \
    "ld1 {v" q ".d}[1], [x4]\n"

#define LOAD(p, q, s, p2, q2, s2, count, store)                                                                        \
    "ldr d" p ", [x1]\n" count "ldr d" q ", [x3]\n"                                                                    \
    "ldr d" p2 ", [x1, x6]\n"                                                                                          \
    "add x1, x1, x6, lsl #1\n"                                                                                         \
    "ldr d" q2 ", [x3, x8]\n"                                                                                          \
    "add x3, x3, x8, lsl #1\n"                                                                                         \
    "ld1 {v" p ".d}[1], [x2]\n"                                                                                        \
    "add x2, x2, x8\n"                                                                                                 \
    "ld1 {v" q ".d}[1], [x4]\n"                                                                                        \
    "add x4, x4, x8\n" store "ld1 {v" p2 ".d}[1], [x2]\n"                                                              \
    "add x2, x2, x8\n"                                                                                                 \
    "ld1 {v" q2 ".d}[1], [x4]\n"                                                                                       \
    "add x4, x4, x8\n"                                                                                                 \
    "ldr d" s ", [x5]\n"                                                                                               \
    "ldr d" s2 ", [x5, x7]\n"                                                                                          \
    "add x5, x5, x7, lsl #1\n"

#define MEMORY(p, q, s, p2, q2, s2) LOAD(p, q, s, p2, q2, s2, COUNT, STORE)

#define TO_TAIL                                                                                                        \
    "ldp x1, x8, [x0, #104]\n"                                                                                         \
    "add x2, x1, x8\n"                                                                                                 \
    "add x3, x2, x8\n"                                                                                                 \
    "add x4, x3, x8\n"                                                                                                 \
    "add x5, x4, x8\n"                                                                                                 \
    "lsr x8, x8, #2\n"                                                                                                 \
    "mov x6, x8\n"                                                                                                     \
    "mov x7, x8\n"                                                                                                     \
    "mov x13, x14\n"                                                                                                   \
    "mov x14, #0\n"

#define FIRST(p, q, s) (p, q, s, "9", "10")
#define SECOND(p, q, s) (p, q, s, "11", "12")
#define THIRD(p, q, s) (p, q, s, "13", "14")

#define RUN(step, S0, S1, S2)                                                                                          \
    __asm__ volatile(                                                                                                  \
        "mov x0, %0\n"                                                                                                 \
        "ldr x14, [x0, #160]\n" WEIGHTS("9", "10", "0", "16", "32") WEIGHTS("11", "12", "48", "64", "80")              \
            WEIGHTS("13", "14", "96", "112",                                                                           \
                    "128") "ldp x1, x2, [x0]\n"                                                                        \
                           "ldp x3, x4, [x0, #16]\n"                                                                   \
                           "ldr x5, [x0, #32]\n" LOAD_ONE("0", "1", "2") "ldp x1, x2, [x0, #40]\n"                     \
                                                                         "ldp x3, x4, [x0, #56]\n"                     \
                                                                         "ldp x5, x8, [x0, #72]\n"                     \
                                                                         "ldp x6, x7, [x0, #88]\n" LOAD(               \
                                                                             "3", "4", "5", "6", "7", "8", "", "")     \
                                                                             CONSTANTS WALK(step, S0, S1, S2, TO_TAIL) \
        :                                                                                                              \
        : "r"(p)                                                                                                       \
        : "x0", CLOBBERS)
#define CALL_RUN(...) RUN(__VA_ARGS__)

/* A step with its columns in the order of the groups, and the registers of the next ones: those of the first two. */
#define ORDER0(a0, a1, a2, b0, b1, b2, c0, c1, c2)                                                                     \
    (FIRST(a0, a1, a2), SECOND(b0, b1, b2), THIRD(c0, c1, c2), MEMORY(a0, a1, a2, b0, b1, b2))
#define ORDER1(a0, a1, a2, b0, b1, b2, c0, c1, c2)                                                                     \
    (SECOND(b0, b1, b2), THIRD(c0, c1, c2), FIRST(a0, a1, a2), MEMORY(a0, a1, a2, b0, b1, b2))
#define ORDER2(a0, a1, a2, b0, b1, b2, c0, c1, c2)                                                                     \
    (THIRD(c0, c1, c2), FIRST(a0, a1, a2), SECOND(b0, b1, b2), MEMORY(a0, a1, a2, b0, b1, b2))
#define ALL_OF(order)                                                                                                  \
    order("0", "1", "2", "3", "4", "5", "6", "7", "8"), order("6", "7", "8", "0", "1", "2", "3", "4", "5"),            \
        order("3", "4", "5", "6", "7", "8", "0", "1", "2")

void lnt_depthwise_pair_stride2(const lnt_depthwise_pair *p, uint32_t triple) {
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
