/* What the parts of the library know of each other. Not installed. */
#ifndef LNT_INTERNAL_H
#define LNT_INTERNAL_H

#include <stdbool.h>

#include "format_gen.h"
#include "linnet.h"

/* For functions that would make the code larger in their callers, where size is what the compiler is asked for. */
#ifdef __OPTIMIZE_SIZE__
#define LNT_OUTLINE __attribute__((noinline))
#else
#define LNT_OUTLINE
#endif

/* In lnt_op: the operator has no such tensor. */
#define LNT_NONE 0xFFFFu

/* Words in the table of a softmax. */
#define LNT_SOFTMAX_TABLE 65u

/* The checker keeps this many bytes per tensor in the arena while a file is opened, so a plan's arena holds at least
 * this many times its tensors. */
#define LNT_CHECK_BYTES 8u

/* Rows of a kernel, so that their addresses fit a small table. */
#define LNT_MAX_KERNEL_H 16u

/* Rows of one tensor. Row y starts at base + (y % ring) * row_bytes, or where `window` says at y - first.
 * What starts there is column x0, 0 unless only a strip of columns is held. */
typedef struct lnt_rows {
    uint8_t *base;
    uint32_t row_bytes;
    uint32_t ring;
    uint32_t x0;
    uint8_t *const *window;
    int32_t first;
} lnt_rows;

inline uint8_t *lnt_row(const lnt_rows *rows, uint32_t y) {
    return rows->window ? rows->window[(int32_t)y - rows->first]
                        : rows->base + (size_t)(y % rows->ring) * rows->row_bytes;
}

/* Column x of row y of an int8 tensor. */
static inline int8_t *lnt_pixel(const lnt_rows *rows, uint32_t y, uint32_t x, uint32_t channels) {
    return (int8_t *)lnt_row(rows, y) + (size_t)(x - rows->x0) * channels;
}

/* Everything about one operator that a kernel needs; the same for all its steps. */
typedef struct lnt_params {
    const lnt_op *op;
    const lnt_tensor *in;  /* of the kind input: its output */
    const lnt_tensor *in2; /* residual or second addend, or NULL */
    const lnt_tensor *out;
    const uint8_t *data;   /* op->weights and its like are offsets from here */
    const uint8_t *packed; /* what the kernel's packing has made of the constants, or NULL */
} lnt_params;

/* The operator's rows under the plan. base and state are NULL where the operator has no such tensor. */
typedef struct lnt_operands {
    lnt_rows in;
    lnt_rows in2;
    lnt_rows out;
    uint8_t *state;
    uint8_t *scratch;
} lnt_operands;

/* Rows [y, y + n), columns [x, x + xn) and channels [c, c + cn) of the output to compute. avg_pool and input count rows
 * and columns of their input. */
typedef struct lnt_range {
    uint32_t y;
    uint32_t n;
    uint32_t x;
    uint32_t xn;
    uint32_t c;
    uint32_t cn;
} lnt_range;

/* How a step of a kernel may be cut for threads. A kernel that uses scratch is never cut: there is one scratch per
 * step. */
enum { LNT_SPLIT_NONE = 0, LNT_SPLIT_ROWS = 1, LNT_SPLIT_CHANNELS = 2 };

/* For lnt_packing.pack. Firmware runs files that are packed already: it is compiled with LNT_FIRMWARE, and no function
 * that packs is linked. */
#ifdef LNT_FIRMWARE
#define LNT_PACK(function) (0 ? (function) : NULL)
#else
#define LNT_PACK(function) (function)
#endif

/* How one kernel wants an operator's constants, and what scratch it needs. Portable C, apart from the kernel: the
 * workstation packs for boards whose kernels it cannot run. Any member may be NULL. */
typedef struct lnt_packing {
    /* Whether the kernel computes this operator, by its shapes and parameters alone; NULL: every one of its kind. */
    bool (*takes)(const lnt_params *params);
    /* The packed constants, which start on a multiple of LNT_PACK_ALIGN (in packed files: LNT_ALIGN); NULL: as the file
     * has them. pack is initialized with LNT_PACK(function). */
    uint64_t (*bytes)(const lnt_params *params);
    void (*pack)(const lnt_params *params, uint8_t *to);
    /* Memory from the plan for steps of n rows and xn columns; NULL: none. Only for families that plans are made for,
     * which are those of microcontrollers: other kernels use the stack. */
    uint64_t (*scratch_bytes)(const lnt_params *params, uint32_t n, uint32_t xn);
} lnt_packing;

/* One kernel: each source file exports one of these.
 *
 * run computes exactly the range, and nothing to the left, right, above or below it. Rows of `in` and `out` may start
 * at any column (x0), and rows of `in` may lie anywhere (window), so a kernel finds them by lnt_row() or lnt_pixel()
 * only. Columns of `in` are there as far as the range looks at them, and no further. Kernels of conv, depthwise,
 * pointwise and avg_pool are given any columns, the others whole rows; all are given any channels, from a multiple of
 * channel_group on. */
typedef struct lnt_kernel {
    const char *name;
    void (*run)(const lnt_params *params, const lnt_operands *operands, lnt_range range);
    const lnt_packing *packing; /* NULL: takes all of its kind, constants as the file has them, no scratch */
    uint8_t kind;
    uint8_t split;
    uint8_t channel_group; /* threads are given multiples of so many channels */
} lnt_kernel;

inline bool lnt_takes(const lnt_kernel *kernel, const lnt_params *p) {
    return kernel->kind == p->op->kind &&
           (kernel->packing == NULL || kernel->packing->takes == NULL || kernel->packing->takes(p));
}

static inline uint64_t lnt_scratch_of(const lnt_kernel *kernel, const lnt_params *p, uint32_t n, uint32_t xn) {
    return kernel->packing && kernel->packing->scratch_bytes ? kernel->packing->scratch_bytes(p, n, xn) : 0;
}

static inline uint64_t lnt_packed_of(const lnt_kernel *kernel, const lnt_params *p) {
    return kernel->packing && kernel->packing->bytes ? kernel->packing->bytes(p) : 0;
}

/* Check a whole file and fill net's fields from it. */
int lnt_check(lnt_net *net, const void *model, size_t model_bytes, void *arena, size_t arena_bytes);

/* Second half of lnt_check(): follow the program over an arena of plan_bytes, without computing anything. */
int lnt_check_steps(lnt_net *net, uint32_t plan_bytes);

inline uint32_t lnt_element_bytes(const lnt_tensor *tensor) { return tensor->dtype == LNT_DTYPE_INT32 ? 4 : 1; }

/* Bytes of a row that hold values. lnt_check() has made sure that they fit 32 bits. */
inline uint32_t lnt_used_bytes(const lnt_tensor *tensor) {
    return (uint32_t)tensor->width * tensor->channels * lnt_element_bytes(tensor);
}

/* All rows are held, one behind the other without gaps. */
inline bool lnt_is_whole(const lnt_net *net, uint32_t tensor) {
    const lnt_tensor *t = &net->tensors[tensor];
    const lnt_placement *p = &net->placements[tensor];
    return p->rows == t->height && (t->height == 1 || p->row_bytes == lnt_used_bytes(t));
}

/* How many rows an operator's steps count up to. */
static inline uint32_t lnt_step_rows(const lnt_net *net, const lnt_op *op) {
    return net->tensors[op->kind == LNT_OP_KIND_AVG_POOL ? op->input : op->output].height;
}

inline lnt_rows lnt_tensor_rows(const lnt_net *net, uint32_t tensor) {
    const lnt_placement *p = &net->placements[tensor];
    return (lnt_rows){.base = net->arena + p->offset, .row_bytes = p->row_bytes, .ring = p->rows};
}

/* The rows that an operator reads and writes. Those of a strip tensor are not there yet. */
inline lnt_operands lnt_op_operands(const lnt_net *net, const lnt_op *op, uint8_t *scratch) {
    lnt_operands operands = {.out = lnt_tensor_rows(net, op->output)};
    operands.scratch = scratch;
    if (op->kind != LNT_OP_KIND_INPUT) {
        operands.in = lnt_tensor_rows(net, op->input);
    }
    if (op->input2 != LNT_NONE) {
        operands.in2 = lnt_tensor_rows(net, op->input2);
    }
    if (op->state != LNT_NONE) {
        operands.state = net->arena + net->placements[op->state].offset;
    }
    return operands;
}

/* Tell the hook, if there is one, what has been computed. */
void lnt_trace(const lnt_net *net, const lnt_op *op, const lnt_rows *rows, lnt_range range);

/* The operator's constants as packed by lnt_pack(), whose table of offsets comes first, or for the file's plans. */
inline const uint8_t *lnt_packed(const lnt_net *net, const lnt_op *op) {
    if (net->packed) {
        return net->packed + ((const uint32_t *)(const void *)net->packed)[op - net->ops];
    }
    return net->file_is_packed ? net->data + op->weights : NULL;
}

inline lnt_params lnt_op_params(const lnt_net *net, const lnt_op *op) {
    return (lnt_params){
        .op = op,
        .in = &net->tensors[op->kind == LNT_OP_KIND_INPUT ? op->output : op->input],
        .in2 = op->input2 == LNT_NONE ? NULL : &net->tensors[op->input2],
        .out = &net->tensors[op->output],
        .data = net->data,
        .packed = lnt_packed(net, op),
    };
}

/* The first kernel of a list that computes the operator, NULL where there is none; of a checked net there is one. */
inline const lnt_kernel *lnt_choose(const lnt_kernel *const *kernels, const lnt_params *p) {
    while (*kernels && !lnt_takes(*kernels, p)) {
        kernels++;
    }
    return *kernels;
}

#endif
