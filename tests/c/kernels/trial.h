/* What a case computes, from what, and what comes out. */
#ifndef LNT_TEST_TRIAL_H
#define LNT_TEST_TRIAL_H

#include "check.h"
#include "layout.h"

typedef struct trial {
    const subject *subject;
    sample sample;
    lnt_params params; /* as the kernel gets them */
    lnt_op op;
    lnt_range range;
    area in_area;
    area out_area;
    lnt_rows in; /* plain */
    lnt_rows in2;
    lnt_rows out; /* what is right */
} trial;

/* Pools count rows and columns of their input. */
static inline bool counts_input(const sample *s) { return s->op.kind == LNT_OP_KIND_AVG_POOL; }

/* Whether kernels of this kind are given any columns; others: whole rows. */
static inline bool takes_columns(const sample *s) {
    return sample_has_window(s) || s->op.kind == LNT_OP_KIND_POINTWISE || counts_input(s);
}

/* A random operator that the kernel takes, a range of it, and what is right. False where it takes none of some that
 * were drawn. */
bool trial_draw(rng *r, trial *t, const limits *l);

/* Set t->in_area and t->out_area to what t->range looks at and writes. */
void trial_find_areas(trial *t);

enum { PACKED, NO_ROOM, WRONG_PACKING };

/* Sets params. The packed constants have to fill their place and be the same each time. */
int trial_pack(rng *r, trial *t, char *message, size_t bytes);

/* The sums of a pool; NULL for other kinds, or where there is no room. */
uint8_t *trial_place_state(rng *r, const sample *s);

#endif
