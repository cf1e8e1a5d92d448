/* One kernel, compared with the portable one of its kind. */
#ifndef LNT_TEST_CHECK_H
#define LNT_TEST_CHECK_H

#include "families.h"
#include "sample.h"

/* What is being tried, in one line, for messages and for crashes. */
extern char check_text[1024];

/* Print it before each run. */
extern bool check_verbose;

typedef struct subject {
    const lnt_family *family;
    const lnt_kernel *kernel;
    const lnt_kernel *ref;
} subject;

/* A file that is packed for the family holds the packed constants in place of the weights. */
static inline bool is_filed(const subject *s) {
    return s->family->id != LNT_FAMILY_REF && s->family->id != LNT_FAMILY_UNFILED;
}

/* Case `index` of a seed. False where the kernel is wrong, with a message. *taken: false where there was no operator
 * among those drawn that it takes. */
bool check_case(const subject *s, const limits *l, uint64_t seed, uint32_t index, bool *taken, char *message,
                size_t bytes);

#endif
