/* The kernel families that a net can switch to here, a line each. */
#include <stdio.h>

#include "linnet.h"

int main(void) {
    const char *name;
    for (uint32_t i = 0; (name = lnt_family_name(i)) != NULL; i++) {
        puts(name);
    }
    return 0;
}
