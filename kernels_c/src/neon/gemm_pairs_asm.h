/* The sums of gemm_pairs.c, four pixels and sixteen channels, in an order for in-order cores (Cortex-A53), which
 * compilers do not keep: loads come together, all that hangs on one another lies at least six instructions apart, and
 * additions or other pixels' products come between a load and its use. */
#ifndef LNT_NEON_GEMM_PAIRS_ASM_H
#define LNT_NEON_GEMM_PAIRS_ASM_H

/* 0 to 3: inputs of four pixels, 4 and 5: weights, 6 to 13: products. */
#define LOW(op)                                                                                                        \
    op " v6.8h, v4.8b, v0.8b\n" op " v7.8h, v5.8b, v0.8b\n" op " v8.8h, v4.8b, v1.8b\n" op " v9.8h, v5.8b, v1.8b\n" op \
       " v10.8h, v4.8b, v2.8b\n" op " v11.8h, v5.8b, v2.8b\n" op " v12.8h, v4.8b, v3.8b\n" op                          \
       " v13.8h, v5.8b, v3.8b\n"
#define HIGH                                                                                                           \
    "smlal2 v6.8h, v4.16b, v0.16b\n"                                                                                   \
    "smlal2 v7.8h, v5.16b, v0.16b\n"                                                                                   \
    "smlal2 v8.8h, v4.16b, v1.16b\n"                                                                                   \
    "smlal2 v9.8h, v5.16b, v1.16b\n"                                                                                   \
    "smlal2 v10.8h, v4.16b, v2.16b\n"                                                                                  \
    "smlal2 v11.8h, v5.16b, v2.16b\n"                                                                                  \
    "smlal2 v12.8h, v4.16b, v3.16b\n"                                                                                  \
    "smlal2 v13.8h, v5.16b, v3.16b\n"
#define ADD(a, b, c, d, e, f, g, h)                                                                                    \
    "sadalp %" a ".4s, v6.8h\n"                                                                                        \
    "sadalp %" b ".4s, v7.8h\n"                                                                                        \
    "sadalp %" c ".4s, v8.8h\n"                                                                                        \
    "sadalp %" d ".4s, v9.8h\n"                                                                                        \
    "sadalp %" e ".4s, v10.8h\n"                                                                                       \
    "sadalp %" f ".4s, v11.8h\n"                                                                                       \
    "sadalp %" g ".4s, v12.8h\n"                                                                                       \
    "sadalp %" h ".4s, v13.8h\n"
#define ADD_LOWER ADD("0", "1", "4", "5", "8", "9", "12", "13")
#define ADD_UPPER ADD("2", "3", "6", "7", "10", "11", "14", "15")

#define WEIGHTS(at) "ldp q4, q5, [%[w], #" at "]\n"
#define PIXELS(x) "ldp q0, q1, [%[" x "]]\nldp q2, q3, [%[" x "], #32]\n"

/* Begins and ends a pair of steps of eight channels: two products to a sum, or four. */
#define TWO_BEGIN LOW("smull") HIGH
#define TWO_BETWEEN(add) add
#define TWO_END LOW("smull") HIGH
#define FOUR_BEGIN LOW("smull") HIGH
#define FOUR_BETWEEN(add)
#define FOUR_END LOW("smlal") HIGH

/* Steps two by two until the order's next number is negative. */
#define NEXT "ldp %w[a], %w[b], [%[order]], #8\n"
#define PLACES                                                                                                         \
    "add %[x], %[spread], %[a], lsl #2\n"                                                                              \
    "add %[y], %[spread], %[b], lsl #2\n"
#define RUN(loop, end, lower, upper)                                                                                   \
    NEXT PLACES "tbnz %w[a], #31, " end "f\n" loop ":\n" WEIGHTS("0") PIXELS("x") lower##_BEGIN WEIGHTS("32")          \
        PIXELS("y") NEXT                                                                                               \
        lower##_BETWEEN(ADD_LOWER) lower##_END WEIGHTS("64") ADD_LOWER upper##_BEGIN WEIGHTS("96") PIXELS("x") PLACES  \
        "add %[w], %[w], #128\n" upper##_BETWEEN(ADD_UPPER) upper##_END ADD_UPPER "tbz %w[a], #31, " loop "b\n" end    \
                                                                                  ":\n"

#define BIAS(a, b, c, d) "ldp %q" a ", %q" b ", [%[bias]]\nldp %q" c ", %q" d ", [%[bias], #32]\n"

/* From biases to the sums of all runs; *order and *w go on behind them. */
LNT_INLINE void lnt_gemm_pairs_sums(int32x4_t acc[4][4], const int32_t *bias, const int8_t *spread,
                                    const int32_t **order_at, const int8_t **w_at) {
    const int32_t *order = *order_at;
    const int8_t *w = *w_at;
    uint64_t a, b;
    const int8_t *x, *y;
    __asm__ volatile(
        BIAS("0", "1", "2", "3") BIAS("4", "5", "6", "7") BIAS("8", "9", "10", "11") BIAS("12", "13", "14", "15")
            RUN("1", "2", FOUR, FOUR) RUN("3", "4", FOUR, TWO) RUN("5", "6", TWO, FOUR) RUN("7", "8", TWO, TWO)
        : "=&w"(acc[0][0]), "=&w"(acc[0][1]), "=&w"(acc[0][2]), "=&w"(acc[0][3]), "=&w"(acc[1][0]), "=&w"(acc[1][1]),
          "=&w"(acc[1][2]), "=&w"(acc[1][3]), "=&w"(acc[2][0]), "=&w"(acc[2][1]), "=&w"(acc[2][2]), "=&w"(acc[2][3]),
          "=&w"(acc[3][0]), "=&w"(acc[3][1]), "=&w"(acc[3][2]),
          "=&w"(acc[3][3]), [order] "+&r"(order), [w] "+&r"(w), [a] "=&r"(a), [b] "=&r"(b), [x] "=&r"(x), [y] "=&r"(y)
        : [bias] "r"(bias), [spread] "r"(spread)
        : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "cc", "memory");
    *order_at = order;
    *w_at = w;
}

#endif
