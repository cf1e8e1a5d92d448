/* Which instructions the Arm processor has, from what Linux hands every process. */
#ifndef LNT_NEON_CPU_H
#define LNT_NEON_CPU_H

#include <stdbool.h>

bool lnt_cpu_has_neon(void);
bool lnt_cpu_has_dotprod(void);

/* With NEON, and known to issue instructions in order (Cortex-A34, A35, A53, A55). False where the kernel does not
 * tell. Where there are cores of several kinds, that of the moment answers. */
bool lnt_cpu_is_inorder(void);

#endif
