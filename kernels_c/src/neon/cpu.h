/* Which instructions the Arm processor has, from what Linux hands every process. */
#ifndef LNT_NEON_CPU_H
#define LNT_NEON_CPU_H

#include <stdbool.h>

bool lnt_cpu_has_neon(void);
bool lnt_cpu_has_dotprod(void);

#endif
