/* The families of a host's library. Adding one: its folder, its files in sources.mk, its line here. */
#include "families.h"

#include "dsp/dsp.h"
#include "mve/mve.h"
#include "neon/neon.h"
#include "ref/ref.h"
#include "x86/x86.h"

static bool dsp_runs_here(void) { return LNT_DSP_HERE; }
static const lnt_kernel *const dsp_kernels[] = {LNT_DSP_KERNELS, LNT_REF_KERNELS, NULL};
static const lnt_family dsp = {.name = "dsp", .runs_here = dsp_runs_here, .kernels = dsp_kernels, .id = LNT_FAMILY_DSP};

static bool mve_runs_here(void) { return LNT_MVE_HERE; }
static const lnt_kernel *const mve_kernels[] = {LNT_MVE_KERNELS, LNT_REF_KERNELS, NULL};
static const lnt_family mve = {.name = "mve", .runs_here = mve_runs_here, .kernels = mve_kernels, .id = LNT_FAMILY_MVE};

static const lnt_kernel *const ref_kernels[] = {LNT_REF_KERNELS, NULL};

static const lnt_family ref = {.name = "ref", .kernels = ref_kernels, .id = LNT_FAMILY_REF};

const lnt_family *const lnt_families[] = {
#ifdef LNT_X86
    &lnt_family_avx512vnni,
    &lnt_family_avxvnni,
    &lnt_family_avx2,
#endif
#ifdef LNT_NEON64
    &lnt_family_neon_dotprod,
    &lnt_family_neon_inorder,
#endif
#ifdef LNT_NEON
    &lnt_family_neon,
#endif
    &dsp,
    &mve,
    &ref,
    NULL};
