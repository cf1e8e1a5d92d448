/* 3x3 depthwise convolution for in-order cores: two output rows of eight channels at once, in assembly, because on
 * these the order of instructions decides and compilers do not keep one. */
#ifndef LNT_NEON_DEPTHWISE_PAIR_H
#define LNT_NEON_DEPTHWISE_PAIR_H

#include "depthwise.h"

enum { LNT_DEPTHWISE_HALF = 8, LNT_DEPTHWISE_TAIL = 32 /* bytes of a row of the tail */ };

/* Part of two output rows. There are 3 + stride input rows; only the top and the bottom one may be missing. The loops
 * know the places of these members. */
typedef struct lnt_depthwise_pair {
    const int8_t *first[5]; /* the leftmost column of the first window */
    const int8_t *row[5];   /* the next one, and what follows */
    uint64_t pitch;         /* between columns */
    uint64_t top_pitch;     /* 0 where the row is missing */
    uint64_t bottom_pitch;  /* likewise */
    const int8_t *tail;     /* what is read once row[] has been left */
    uint64_t tail_row;      /* between its rows; its columns lie tail_row / 4 apart */
    int8_t *out[2];
    uint64_t out_pitch;
    uint64_t n;            /* outputs of a row until the columns come from the tail: may be 0 */
    uint64_t rest;         /* outputs after that: not 0 */
    const int8_t *weights; /* as LNT_DEPTHWISE_COLUMNS of a block, from the half's first channel on */
    const int32_t *bias;
    const int32_t *multiplier;
} lnt_depthwise_pair;

/* triple: a column whose three products sum to 16 bits; LNT_DEPTHWISE_NONE: all that is known is that two do. */
enum { LNT_DEPTHWISE_NONE = 3 };

void lnt_depthwise_pair_stride1(const lnt_depthwise_pair *p, uint32_t triple);
void lnt_depthwise_pair_stride2(const lnt_depthwise_pair *p, uint32_t triple);

#endif
