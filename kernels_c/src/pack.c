/* Kernel families by name, and constants packed for them. */
#include <string.h>

#include "families.h"

const lnt_family *lnt_family_of_plan(uint32_t id) {
    for (const lnt_family *const *f = lnt_families; *f; f++) {
        if ((*f)->id == id && lnt_runs_here(*f)) {
            return *f;
        }
    }
    return NULL;
}

/* Whether nets can switch to it: kernels of families with plans of their own find no scratch in other plans. */
static bool packs_here(const lnt_family *family) {
    return lnt_runs_here(family) && (family->id == LNT_FAMILY_REF || family->id == LNT_FAMILY_UNFILED);
}

const char *lnt_family_name(uint32_t index) {
    for (const lnt_family *const *f = lnt_families; *f; f++) {
        if (packs_here(*f) && index-- == 0) {
            return (*f)->name;
        }
    }
    return NULL;
}

static const lnt_family *find_family(const char *name) {
    for (const lnt_family *const *f = lnt_families; *f; f++) {
        if (name ? strcmp((*f)->name, name) == 0 : packs_here(*f)) {
            return *f;
        }
    }
    return NULL;
}

static uint64_t aligned(uint64_t bytes) { return (bytes + LNT_PACK_ALIGN - 1) / LNT_PACK_ALIGN * LNT_PACK_ALIGN; }

/* An open net whose constants are as the law has them. */
static int check_net(const lnt_net *net) {
    return net == NULL ? LNT_ERR_ARGUMENT : net->state == 0 || net->file_is_packed ? LNT_ERR_ORDER : LNT_OK;
}

/* The operator's kernel in a family; its parameters say nothing of what is packed yet. */
static const lnt_kernel *kernel_of(const lnt_net *net, const lnt_family *family, uint32_t op, lnt_params *p) {
    *p = lnt_op_params(net, &net->ops[op]);
    p->packed = NULL;
    return lnt_choose(family->kernels, p);
}

int64_t lnt_packed_bytes(const lnt_net *net, const char *name) {
    int err = check_net(net);
    if (err != LNT_OK) {
        return err;
    }
    const lnt_family *family = find_family(name);
    if (family == NULL || !packs_here(family)) {
        return LNT_ERR_FAMILY;
    }
    uint64_t bytes = aligned(4 * (uint64_t)net->op_count);
    for (uint32_t i = 0; i < net->op_count; i++) {
        lnt_params p;
        const lnt_kernel *kernel = kernel_of(net, family, i, &p);
        bytes += aligned(lnt_packed_of(kernel, &p));
    }
    return bytes > UINT32_MAX ? LNT_ERR_MEMORY : (int64_t)bytes;
}

int lnt_pack(lnt_net *net, const char *name, void *memory, size_t bytes) {
    int64_t needed = lnt_packed_bytes(net, name);
    if (needed < 0) {
        return (int)needed;
    }
    if (memory == NULL) {
        return LNT_ERR_ARGUMENT;
    }
    if ((uintptr_t)memory % LNT_PACK_ALIGN != 0) {
        return LNT_ERR_ALIGN;
    }
    if (bytes < (uint64_t)needed) {
        return LNT_ERR_MEMORY;
    }
    const lnt_family *family = find_family(name);
    uint32_t *offsets = memory;
    uint32_t at = (uint32_t)aligned(4 * (uint64_t)net->op_count);
    for (uint32_t i = 0; i < net->op_count; i++) {
        lnt_params p;
        const lnt_kernel *kernel = kernel_of(net, family, i, &p);
        uint32_t own = (uint32_t)lnt_packed_of(kernel, &p);
        offsets[i] = at;
        if (own != 0) {
            kernel->packing->pack(&p, (uint8_t *)memory + at);
        }
        at += (uint32_t)aligned(own);
    }
    net->packed = memory;
    net->kernels = family->kernels;
    return LNT_OK;
}

/* For an operator of an open net and any family; NULL with *err set where there is none. */
static const lnt_kernel *find_kernel(const lnt_net *net, const char *name, uint32_t op, lnt_params *p, int *err) {
    *err = check_net(net);
    if (*err != LNT_OK) {
        return NULL;
    }
    const lnt_family *family = find_family(name);
    if (family == NULL || op >= net->op_count) {
        *err = family == NULL ? LNT_ERR_FAMILY : LNT_ERR_ARGUMENT;
        return NULL;
    }
    return kernel_of(net, family, op, p);
}

int64_t lnt_constant_bytes(const lnt_net *net, const char *family, uint32_t op) {
    lnt_params p;
    int err;
    const lnt_kernel *kernel = find_kernel(net, family, op, &p, &err);
    return kernel ? (int64_t)lnt_packed_of(kernel, &p) : err;
}

int lnt_pack_constants(const lnt_net *net, const char *family, uint32_t op, void *memory, size_t bytes) {
    lnt_params p;
    int err;
    const lnt_kernel *kernel = find_kernel(net, family, op, &p, &err);
    if (kernel == NULL) {
        return err;
    }
    uint64_t needed = lnt_packed_of(kernel, &p);
    if (needed == 0) {
        return LNT_OK;
    }
    if (memory == NULL) {
        return LNT_ERR_ARGUMENT;
    }
    if ((uintptr_t)memory % LNT_ALIGN != 0) {
        return LNT_ERR_ALIGN;
    }
    if (bytes < needed) {
        return LNT_ERR_MEMORY;
    }
    kernel->packing->pack(&p, memory);
    return LNT_OK;
}

int64_t lnt_scratch_bytes(const lnt_net *net, const char *family, uint32_t op, uint32_t n, uint32_t xn) {
    lnt_params p;
    int err;
    const lnt_kernel *kernel = find_kernel(net, family, op, &p, &err);
    return kernel ? (int64_t)lnt_scratch_of(kernel, &p, n, xn) : err;
}

const char *lnt_kernel_name(const lnt_net *net, const char *family, uint32_t op) {
    lnt_params p;
    int err;
    const lnt_kernel *kernel = find_kernel(net, family, op, &p, &err);
    return kernel ? kernel->name : NULL;
}
