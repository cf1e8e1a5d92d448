/* Kernel families: lists of kernels for one kind of processor. */
#ifndef LNT_FAMILIES_H
#define LNT_FAMILIES_H

#include "internal.h"

/* In lnt_family.id: no file is packed for this family; its constants are packed at run time. */
#define LNT_FAMILY_UNFILED 0xFFu

typedef struct lnt_family {
    const char *name;
    bool (*runs_here)(void);          /* NULL: always */
    const lnt_kernel *const *kernels; /* best first, then LNT_REF_KERNELS, then NULL */
    uint8_t id;                       /* of the plans that are made for it */
} lnt_family;

/* The families of this library, best first, then NULL. Firmware links a list of its own in the place of families.c. */
extern const lnt_family *const lnt_families[];

/* The first family that runs here and that plans with this id are made for, or NULL. */
const lnt_family *lnt_family_of_plan(uint32_t id);

static inline bool lnt_runs_here(const lnt_family *family) { return family->runs_here == NULL || family->runs_here(); }

#endif
