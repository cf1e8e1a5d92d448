/* gemm_pairs.c once more, with the loops of gemm_pairs_asm.h where tiles are full. */
#include "neon.h"

#ifdef LNT_NEON64

#define LNT_GEMM_INORDER
#define lnt_gemm_pairs lnt_gemm_pairs_inorder
#include "gemm_pairs.c" /* NOLINT(bugprone-suspicious-include) */

#endif
