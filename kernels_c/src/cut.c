#include "cut.h"

#ifndef LNT_FIRMWARE

typedef struct job {
    const lnt_kernel *kernel;
    const lnt_params *params;
    const lnt_operands *operands;
    lnt_range whole;
    uint32_t tasks;
    enum { BY_ROWS, BY_COLUMNS, BY_CHANNELS } axis;
} job;

static uint32_t cut(uint32_t total, uint32_t i, uint32_t tasks) { return (uint32_t)((uint64_t)total * i / tasks); }

static uint32_t channel_groups(const job *j) {
    return (j->whole.cn + j->kernel->channel_group - 1) / j->kernel->channel_group;
}

static void run_task(void *arg, uint32_t i) {
    const job *j = arg;
    lnt_range part = j->whole;
    if (j->axis == BY_ROWS) {
        part.y = j->whole.y + cut(j->whole.n, i, j->tasks);
        part.n = j->whole.y + cut(j->whole.n, i + 1, j->tasks) - part.y;
    } else if (j->axis == BY_COLUMNS) {
        part.x = j->whole.x + cut(j->whole.xn, i, j->tasks);
        part.xn = j->whole.x + cut(j->whole.xn, i + 1, j->tasks) - part.x;
    } else {
        uint32_t group = j->kernel->channel_group;
        uint32_t end = group * cut(channel_groups(j), i + 1, j->tasks);
        part.c = group * cut(channel_groups(j), i, j->tasks);
        part.cn = (end < j->whole.cn ? end : j->whole.cn) - part.c;
    }
    j->kernel->run(j->params, j->operands, part);
}

/* Scaling, clamping and storing an output takes as long as some dozens of multiply-accumulates. */
enum { WORK_OF_OUTPUT = 64 };

/* In multiply-accumulates. */
static uint64_t work_of(const lnt_params *p, const lnt_range *range) {
    uint32_t kind = p->op->kind;
    bool counts_inputs = kind == LNT_OP_KIND_INPUT || kind == LNT_OP_KIND_AVG_POOL;
    uint32_t each = counts_inputs ? 1 : WORK_OF_OUTPUT;
    if (kind == LNT_OP_KIND_CONV || kind == LNT_OP_KIND_DEPTHWISE) {
        each += (uint32_t)p->op->kernel_h * p->op->kernel_w * (kind == LNT_OP_KIND_CONV ? p->in->channels : 1);
    } else if (kind == LNT_OP_KIND_POINTWISE || kind == LNT_OP_KIND_FULLY_CONNECTED) {
        each += p->in->channels;
    }
    return (uint64_t)range->n * range->xn * range->cn * each;
}

/* Take this axis if it loads the busiest worker less than the best so far: parts that it gets of all parts. */
static void consider(job *j, uint32_t axis, uint32_t parts, uint32_t workers, uint64_t best[2]) {
    uint64_t most = (parts + workers - 1) / workers;
    if (parts != 0 && most * best[1] < best[0] * parts) {
        j->axis = axis;
        j->tasks = parts < workers ? parts : workers;
        best[0] = most;
        best[1] = parts;
    }
}

/* Of equals rows, then columns: the input of two tasks then overlaps by some rows at most. */
static void cut_job(job *j, uint32_t workers) {
    uint32_t kind = j->params->op->kind;
    bool rows = j->kernel->split & LNT_SPLIT_ROWS;
    bool columns = rows && (kind == LNT_OP_KIND_CONV || kind == LNT_OP_KIND_DEPTHWISE || kind == LNT_OP_KIND_POINTWISE);
    bool channels = j->kernel->split & LNT_SPLIT_CHANNELS;
    uint64_t best[2] = {1, 1};
    consider(j, BY_ROWS, rows ? j->whole.n : 0, workers, best);
    consider(j, BY_COLUMNS, columns ? j->whole.xn : 0, workers, best);
    consider(j, BY_CHANNELS, channels ? channel_groups(j) : 0, workers, best);
}

void lnt_run_cut(const lnt_hooks *hooks, const lnt_kernel *kernel, const lnt_params *params,
                 const lnt_operands *operands, lnt_range whole) {
    job j = {.kernel = kernel, .params = params, .operands = operands, .whole = whole};
    bool scratch = kernel->packing && kernel->packing->scratch_bytes;
    if (hooks->parallel_for && hooks->workers > 1 && !scratch && work_of(params, &whole) >= hooks->least_work) {
        cut_job(&j, hooks->workers);
    }
    if (j.tasks > 1) {
        hooks->parallel_for(hooks->parallel_context, run_task, &j, j.tasks);
    } else {
        kernel->run(params, operands, whole);
    }
}

#endif
