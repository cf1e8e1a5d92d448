/* What this processor and its operating system can do. */
#ifndef LNT_X86_CPU_H
#define LNT_X86_CPU_H

#include <stdbool.h>

bool lnt_has_avx512vnni(void); /* F, BW, VL and VNNI, and AVX2 */
bool lnt_has_avxvnni(void);
bool lnt_has_avx2(void);

#endif
