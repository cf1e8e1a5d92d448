/* Linnet: runs an int8 network from a .lnt file, in memory that the caller owns.
 *
 * No heap, no stdio, no globals. lnt_open() checks the whole file once; after it has returned LNT_OK nothing that
 * follows can fault, whatever the file holds.
 *
 *     static _Alignas(16) uint8_t arena[LNT_ARENA_BYTES];
 *     lnt_net net;
 *     int err = lnt_open(&net, model, model_bytes, arena, sizeof arena);
 *     if (err == LNT_OK) {
 *         memcpy(lnt_input(&net), picture, lnt_input_bytes(&net));
 *         err = lnt_run(&net);
 *         const int32_t *logits = lnt_output(&net);
 *     }
 */
#ifndef LINNET_H
#define LINNET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define LNT_API __declspec(dllexport)
#elif defined(__GNUC__)
#define LNT_API __attribute__((visibility("default")))
#else
#define LNT_API
#endif

/* Moves whenever a function or a struct of this header changes. */
#define LNT_ABI 3

/* Model and arena must start on a multiple of this many bytes. */
#define LNT_ALIGN 16

/* Memory for lnt_pack() must start on a multiple of this many bytes. */
#define LNT_PACK_ALIGN 64

enum {
    LNT_OK = 0,
    LNT_ERR_ARGUMENT = -1,    /* a null pointer where none is allowed */
    LNT_ERR_ALIGN = -2,       /* model or arena not on a multiple of LNT_ALIGN */
    LNT_ERR_TRUNCATED = -3,   /* fewer bytes than the file says it has, or too few for a header */
    LNT_ERR_NOT_A_MODEL = -4, /* no LNT1 identifier */
    LNT_ERR_VERSION = -5,     /* a format version that this library does not read */
    LNT_ERR_CRC = -6,         /* the bytes are not those that the converter wrote */
    LNT_ERR_FORMAT = -7,      /* an offset, vector or string leaves the file */
    LNT_ERR_TENSOR = -8,      /* a tensor's shape, type or zero point is out of range */
    LNT_ERR_OPERATOR = -9,    /* an operator's kind, geometry, parameters or shapes do not agree */
    LNT_ERR_NO_PLAN = -10,    /* no plan for a kernel family that runs here */
    LNT_ERR_PLACEMENT = -11,  /* a tensor leaves the arena or overlaps where it must not */
    LNT_ERR_STEP = -12,       /* a step computes from rows that are not there, or misses some */
    LNT_ERR_ARENA = -13,      /* the arena is smaller than lnt_least_arena_bytes() */
    LNT_ERR_ORDER = -14,      /* begin, push, finish, run called out of order */
    LNT_ERR_ROWS = -15,       /* more or fewer rows pushed than the picture has */
    LNT_ERR_FAMILY = -16,     /* no kernel family of this name, or it does not run on this processor */
    LNT_ERR_MEMORY = -17,     /* fewer bytes than lnt_packed_bytes() */
    LNT_ERR_THREADS = -18     /* the system starts no more threads */
};

/* Optional hooks of one net. Both may be NULL. linnet_threads.h has a parallel_for.
 *
 * parallel_for: run task(arg, i) for every i in [0, count), in any order, on any thread, and return when all are done.
 * It is given parallel_context. workers: how many threads there are for it (1 or less: steps stay whole). least_work:
 * steps of less work, counted in multiply-accumulates and 64 for each output, stay whole (0: all are cut). With
 * LNT_FIRMWARE the library never calls it.
 * trace: called when operator op has computed columns [x, x + xn) of its rows [y, y + n), once for each value, in
 * pieces that the plan decides; column x of row y + i lies at data + i * row_bytes. layout 0 is NHWC. A call with n = 0
 * says that the operator has worked without completing anything. It is given context, in the net's own thread. */
typedef struct lnt_hooks {
    void (*parallel_for)(void *context, void (*task)(void *arg, uint32_t i), void *arg, uint32_t count);
    void *parallel_context;
    uint32_t workers;
    uint32_t least_work;
    void (*trace)(void *context, uint32_t op, uint32_t y, uint32_t n, uint32_t x, uint32_t xn, const void *data,
                  uint32_t row_bytes, uint32_t layout);
    void *context;
} lnt_hooks;

struct lnt_tensor;
struct lnt_op;
struct lnt_placement;
struct lnt_step;
struct lnt_kernel;

/* An open network. The fields are the library's; the memory is yours and must stay where it is. */
typedef struct lnt_net {
    const uint8_t *model;
    const uint8_t *data;
    const struct lnt_tensor *tensors;
    const struct lnt_op *ops;
    const struct lnt_placement *placements;
    const struct lnt_step *steps;
    uint8_t *arena;
    const struct lnt_kernel *const *kernels; /* those that may run, best first */
    const uint8_t *packed;
    lnt_hooks hooks;
    uint32_t labels;
    uint32_t label_count;
    uint32_t step_count;
    uint32_t next_step;
    uint16_t tensor_count;
    uint16_t op_count;
    uint16_t output;
    uint16_t rows_pushed;
    uint8_t pixels;
    uint8_t whole_input;
    uint8_t file_is_packed;
    uint8_t state;
} lnt_net;

/* A file holds one plan or several, from the fastest to the one with the smallest arena. Bytes of arena for the first,
 * and for the smallest, or a negative error. Both read only the file's header and plans. */
LNT_API int64_t lnt_arena_bytes(const void *model, size_t model_bytes);
LNT_API int64_t lnt_least_arena_bytes(const void *model, size_t model_bytes);

/* Check the whole file and make net ready, with the first plan that fits the arena. model and arena must outlive net.
 * Writes to the arena. The net runs with the portable kernels, or with those that the file is packed for. */
LNT_API int lnt_open(lnt_net *net, const void *model, size_t model_bytes, void *arena, size_t arena_bytes);

/* The kernel families that lnt_pack() takes on this processor, best first, the portable one ("ref") last, then NULL.
 * Those of microcontrollers are not among them: files come packed for them. */
LNT_API const char *lnt_family_name(uint32_t index);

/* Run with a family's kernels from now on (NULL: the best). Their constants are packed into `memory`, which must
 * outlive the net or the next lnt_pack(); lnt_packed_bytes() says how much there must be, or a negative error. The
 * results are the same bytes. A file that is packed already runs with its own kernels only. */
LNT_API int64_t lnt_packed_bytes(const lnt_net *net, const char *family);
LNT_API int lnt_pack(lnt_net *net, const char *family, void *memory, size_t bytes);

/* Install hooks (copied), or none with NULL. */
LNT_API void lnt_set_hooks(lnt_net *net, const lnt_hooks *hooks);

/* Where the whole input goes before lnt_run(): height x width x channels, uint8 pixels (or int8 for a network whose
 * input is no picture). Undefined after a run. NULL when the plan takes pushed rows only. */
LNT_API void *lnt_input(const lnt_net *net);
LNT_API size_t lnt_input_bytes(const lnt_net *net);

/* Run on the input that lies in lnt_input(). */
LNT_API int lnt_run(lnt_net *net);

/* The same with rows given as they arrive; the picture is never whole. Each row is width x channels bytes, rows follow
 * one another. lnt_finish() returns LNT_ERR_ROWS while rows are missing. */
LNT_API int lnt_begin(lnt_net *net);
LNT_API int lnt_push_rows(lnt_net *net, const void *rows, uint32_t n);
LNT_API int lnt_finish(lnt_net *net);

/* The answer, valid until the next run, NULL before the first: real = scale * (value - zero_point); see
 * lnt_tensor_info(). */
LNT_API const void *lnt_output(const lnt_net *net);

/* Shape, type and quantization of the input (which = 0) or the output (which = 1):
 * info = {height, width, channels, element bytes, zero_point}. */
LNT_API int lnt_tensor_info(const lnt_net *net, int which, int32_t info[5], float *scale);

/* For tools that make files for boards, with any family of this library, whether it runs here or not: the packed
 * constants of one operator (0 bytes: as the file has them), the scratch that a step of n rows and xn columns takes,
 * and the kernel's name. */
LNT_API int64_t lnt_constant_bytes(const lnt_net *net, const char *family, uint32_t op);
LNT_API int lnt_pack_constants(const lnt_net *net, const char *family, uint32_t op, void *memory, size_t bytes);
LNT_API int64_t lnt_scratch_bytes(const lnt_net *net, const char *family, uint32_t op, uint32_t n, uint32_t xn);
LNT_API const char *lnt_kernel_name(const lnt_net *net, const char *family, uint32_t op);

/* Label of a class, or NULL. */
LNT_API const char *lnt_label(const lnt_net *net, uint32_t index);

/* One line for an error code, and its name. */
LNT_API const char *lnt_error_text(int code);

/* For callers that cannot see this header. */
LNT_API int lnt_abi(void);
LNT_API size_t lnt_net_bytes(void);

#ifdef __cplusplus
}
#endif

#endif
