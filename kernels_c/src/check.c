/* The checker: believes nothing that a file says. After it, the program loop and the kernels look at nothing twice. */
#include <string.h>

#include "families.h"
#include "format.h"
#include "strips.h"

/* A plan as found in the file, still unchecked. */
typedef struct plan {
    const lnt_family *family;
    uint32_t arena_bytes;
    lnt_vector placements;
    lnt_vector steps;
} plan;

/* What lnt_open() needs of the arena: the plan's bytes, or the checker's own notes. */
static uint32_t needed_arena(const plan *found, uint32_t tensors) {
    uint32_t notes =
        tensors * LNT_CHECK_BYTES; /* each has more bytes than that in the file, which has less than 2^31 */
    return notes > found->arena_bytes ? notes : found->arena_bytes;
}

/* Plan `i` of the file; false where no family that runs here can use it. */
static bool read_plan(lnt_file *file, const lnt_vector *plans, uint32_t i, plan *found) {
    lnt_table table = lnt_file_table(file, plans->at + 4 * i);
    if (table.at == 0) {
        return false;
    }
    found->family = lnt_family_of_plan(lnt_file_u8(file, &table, LNT_PLAN_FAMILY));
    found->arena_bytes = lnt_file_u32(file, &table, LNT_PLAN_ARENA_BYTES);
    found->placements = lnt_file_vector_field(file, &table, LNT_PLAN_PLACEMENTS, sizeof(lnt_placement), 4);
    found->steps = lnt_file_vector_field(file, &table, LNT_PLAN_STEPS, sizeof(lnt_step), 4);
    return found->family != NULL;
}

/* The first plan that fits the arena, else LNT_ERR_ARENA or LNT_ERR_NO_PLAN. Looks at all plans, for damage. */
static int find_plan(lnt_file *file, const lnt_table *root, uint32_t tensors, size_t arena_bytes, plan *found) {
    lnt_vector plans = lnt_file_vector_field(file, root, LNT_MODEL_PLANS, 4, 4);
    int err = LNT_ERR_NO_PLAN;
    for (uint32_t i = 0; i < plans.count; i++) {
        plan next;
        if (!read_plan(file, &plans, i, &next) || err == LNT_OK) {
            continue;
        }
        *found = next;
        err = needed_arena(found, tensors) <= arena_bytes ? LNT_OK : LNT_ERR_ARENA;
    }
    return err;
}

/* Arena of the first plan, or of the smallest. */
static int64_t arena_of_plans(const void *model, size_t model_bytes, bool smallest) {
    lnt_file file;
    lnt_table root;
    int err = lnt_file_open(&file, &root, model, model_bytes);
    if (err != LNT_OK) {
        return err;
    }
    lnt_vector tensors = lnt_file_vector_field(&file, &root, LNT_MODEL_TENSORS, sizeof(lnt_tensor), 4);
    lnt_vector plans = lnt_file_vector_field(&file, &root, LNT_MODEL_PLANS, 4, 4);
    int64_t bytes = LNT_ERR_NO_PLAN;
    for (uint32_t i = 0; i < plans.count; i++) {
        plan found;
        if (read_plan(&file, &plans, i, &found)) {
            int64_t needed = (int64_t)needed_arena(&found, tensors.count);
            bytes = bytes < 0 || (smallest && needed < bytes) ? needed : bytes;
        }
    }
    return file.damaged ? LNT_ERR_FORMAT : bytes;
}

int64_t lnt_arena_bytes(const void *model, size_t model_bytes) { return arena_of_plans(model, model_bytes, false); }

int64_t lnt_least_arena_bytes(const void *model, size_t model_bytes) {
    return arena_of_plans(model, model_bytes, true);
}

static void check_strings(lnt_file *file, const lnt_table *root, uint32_t field) {
    lnt_vector strings = lnt_file_vector_field(file, root, field, 4, 4);
    for (uint32_t i = 0; i < strings.count; i++) {
        lnt_file_check_string(file, strings.at + 4 * i);
    }
}

/* The parts of a file that only its readers outside this library use. */
static void check_notes(lnt_file *file, const lnt_table *root) {
    check_strings(file, root, LNT_MODEL_LABELS);
    check_strings(file, root, LNT_MODEL_OP_NAMES);
    check_strings(file, root, LNT_MODEL_TENSOR_NAMES);
    lnt_file_check_string(file, lnt_file_field(file, root, LNT_MODEL_PRODUCER, 4, 4));
    uint32_t reference_at = lnt_file_field(file, root, LNT_MODEL_PREPROCESSING, 4, 4);
    if (reference_at == 0) {
        return;
    }
    lnt_table preprocessing = lnt_file_table(file, reference_at);
    lnt_file_vector_field(file, &preprocessing, LNT_PREPROCESSING_MEAN, sizeof(float), 4);
    lnt_file_vector_field(file, &preprocessing, LNT_PREPROCESSING_STD, sizeof(float), 4);
}

static bool tensor_is_good(const lnt_tensor *t) {
    if (t->height == 0 || t->width == 0 || t->channels == 0 || t->reserved != 0) {
        return false;
    }
    if (t->dtype == LNT_DTYPE_INT32) {
        return t->zero_point == 0;
    }
    return t->dtype == LNT_DTYPE_INT8 && t->zero_point >= INT8_MIN && t->zero_point <= INT8_MAX;
}

static bool same_shape(const lnt_tensor *a, const lnt_tensor *b) {
    return a->height == b->height && a->width == b->width && a->channels == b->channels;
}

static bool is_vector(const lnt_tensor *t) { return t->height == 1 && t->width == 1; }

/* [offset, offset + bytes) lies in the file's data. */
static bool in_data(uint32_t data_bytes, uint32_t offset, uint64_t bytes, uint32_t align) {
    return offset % align == 0 && offset <= data_bytes && bytes <= data_bytes - offset;
}

static uint32_t magnitude(int32_t value) { return value < 0 ? 0 - (uint32_t)value : (uint32_t)value; }

/* |start| + 2^bits * terms <= (2^31 - 1) >> shift: no sum leaves int32, in any order (docs/numerics.md). */
LNT_OUTLINE static bool sum_fits(int32_t start, uint32_t terms, uint32_t bits, uint32_t shift) {
    uint32_t most = (uint32_t)INT32_MAX >> shift;
    return terms <= most >> bits && magnitude(start) <= most - (terms << bits);
}

static bool multiplier_is_good(int32_t m) { return m >= 0 && m < 1 << 30; }

/* Bias and multiplier of every output channel. */
static bool channels_are_good(const lnt_params *p, uint32_t data_bytes, uint32_t taps) {
    const lnt_op *op = p->op;
    uint32_t channels = p->out->channels;
    if (op->shift > 30 || !in_data(data_bytes, op->bias, 4 * (uint64_t)channels, 4) ||
        !in_data(data_bytes, op->multiplier, 4 * (uint64_t)channels, 4)) {
        return false;
    }
    for (uint32_t i = 0; i < channels; i++) {
        int32_t bias = (int32_t)lnt_load_u32(p->data + op->bias + 4 * i);
        int32_t multiplier = (int32_t)lnt_load_u32(p->data + op->multiplier + 4 * i);
        if (!sum_fits(bias, taps, 14, op->shift) || !multiplier_is_good(multiplier)) {
            return false;
        }
    }
    return true;
}

/* Along one axis: every window holds at least one element of the input, at both ends. */
static bool windows_are_good(uint32_t in, uint32_t out, uint32_t kernel, uint32_t stride, uint32_t pad) {
    return kernel != 0 && stride != 0 && pad < kernel && (out - 1) * stride < in + pad;
}

static bool geometry_is_good(const lnt_op *op, const lnt_tensor *in, const lnt_tensor *out) {
    return op->kernel_h <= LNT_MAX_KERNEL_H &&
           windows_are_good(in->height, out->height, op->kernel_h, op->stride_h, op->pad_top) &&
           windows_are_good(in->width, out->width, op->kernel_w, op->stride_w, op->pad_left);
}

static bool is_1x1(const lnt_op *op) {
    return op->kernel_h == 1 && op->kernel_w == 1 && op->stride_h == 1 && op->stride_w == 1 && op->pad_top == 0 &&
           op->pad_left == 0;
}

static bool factor_is_good(int32_t factor) { return factor >= 0 && factor < 1 << 15; }

static bool offset_is_good(int32_t offset) { return offset >= -(1 << 30) && offset <= 1 << 30; }

/* The weights lie in the data, `taps` for each channel, or packed for the kernel that is to run where the file is. */
static bool weights_are_good(const lnt_net *net, const lnt_params *p, uint32_t data_bytes, uint32_t taps) {
    uint64_t bytes = net->file_is_packed ? lnt_packed_of(lnt_choose(net->kernels, p), p) : 0;
    uint32_t align = LNT_ALIGN;
    if (bytes == 0) {
        bytes = (uint64_t)taps * p->out->channels;
        align = 1;
    }
    return in_data(data_bytes, p->op->weights, bytes, align);
}

static bool conv_is_good(const lnt_net *net, const lnt_params *p, uint32_t data_bytes) {
    const lnt_op *op = p->op;
    uint32_t taps = (uint32_t)op->kernel_h * op->kernel_w * p->in->channels;
    return geometry_is_good(op, p->in, p->out) && weights_are_good(net, p, data_bytes, taps) &&
           in_data(data_bytes, op->pad_values, p->in->channels, 1) && channels_are_good(p, data_bytes, taps);
}

static bool depthwise_is_good(const lnt_net *net, const lnt_params *p, uint32_t data_bytes) {
    const lnt_op *op = p->op;
    uint32_t taps = (uint32_t)op->kernel_h * op->kernel_w;
    return p->in->channels == p->out->channels && geometry_is_good(op, p->in, p->out) &&
           weights_are_good(net, p, data_bytes, taps) && channels_are_good(p, data_bytes, taps);
}

static bool dense_is_good(const lnt_net *net, const lnt_params *p, uint32_t data_bytes) {
    uint32_t taps = p->in->channels;
    return p->in->height == p->out->height && p->in->width == p->out->width && is_1x1(p->op) &&
           weights_are_good(net, p, data_bytes, taps) && channels_are_good(p, data_bytes, taps);
}

static bool pointwise_is_good(const lnt_net *net, const lnt_params *p, uint32_t data_bytes) {
    bool residual_is_good = p->in2 == NULL || (same_shape(p->in2, p->out) && factor_is_good(p->op->factor) &&
                                               offset_is_good(p->op->offset));
    return residual_is_good && dense_is_good(net, p, data_bytes);
}

static bool add_is_good(const lnt_params *p) {
    const lnt_op *op = p->op;
    return p->in2 != NULL && same_shape(p->in, p->out) && same_shape(p->in2, p->out) && factor_is_good(op->factor) &&
           factor_is_good(op->factor2) && offset_is_good(op->offset);
}

static bool avg_pool_is_good(const lnt_params *p, const lnt_tensor *state) {
    const lnt_op *op = p->op;
    uint32_t pixels = (uint32_t)p->in->height * p->in->width;
    return state != NULL && is_vector(p->out) && p->in->channels == p->out->channels && same_shape(state, p->out) &&
           op->shift <= 30 && sum_fits(op->offset, pixels, 7, op->shift) && multiplier_is_good(op->factor);
}

/* The table starts at 2^27 and never rises: no sum is zero. */
static bool softmax_is_good(const lnt_params *p, uint32_t data_bytes) {
    const lnt_op *op = p->op;
    if (!same_shape(p->in, p->out) || !is_vector(p->in) || op->factor < 0 || op->shift > 63 ||
        !in_data(data_bytes, op->weights, 4 * LNT_SOFTMAX_TABLE, 4)) {
        return false;
    }
    const uint8_t *table = p->data + op->weights;
    uint32_t last = lnt_load_u32(table);
    if (last != 1u << 27) {
        return false;
    }
    for (uint32_t i = 1; i < LNT_SOFTMAX_TABLE; i++) {
        uint32_t next = lnt_load_u32(table + 4 * i);
        if (next > last) {
            return false;
        }
        last = next;
    }
    return true;
}

/* Types of the tensors: int8, but for logits, probabilities and the sums of a pool. */
static bool types_are_good(const lnt_params *p, const lnt_tensor *state) {
    uint32_t kind = p->op->kind;
    uint32_t in = kind == LNT_OP_KIND_SOFTMAX ? LNT_DTYPE_INT32 : LNT_DTYPE_INT8;
    uint32_t out =
        kind == LNT_OP_KIND_SOFTMAX || kind == LNT_OP_KIND_FULLY_CONNECTED ? LNT_DTYPE_INT32 : LNT_DTYPE_INT8;
    return p->out->dtype == out && p->in->dtype == in && (p->in2 == NULL || p->in2->dtype == in) &&
           (state == NULL || state->dtype == LNT_DTYPE_INT32);
}

/* Shapes and parameters; the tensor indices are good. */
static bool op_is_good(const lnt_net *net, const lnt_op *op, uint32_t data_bytes) {
    lnt_params p = lnt_op_params(net, op);
    const lnt_tensor *state = op->state == LNT_NONE ? NULL : &net->tensors[op->state];
    bool takes_in2 = op->kind == LNT_OP_KIND_POINTWISE || op->kind == LNT_OP_KIND_ADD;
    if (lnt_choose(net->kernels, &p) == NULL) {
        return false;
    }
    if (op->reserved != 0 || op->clamp_min > op->clamp_max || (p.in2 != NULL && !takes_in2) ||
        (state != NULL) != (op->kind == LNT_OP_KIND_AVG_POOL) || !types_are_good(&p, state)) {
        return false;
    }
    switch (op->kind) {
    case LNT_OP_KIND_INPUT:
        return true;
    case LNT_OP_KIND_CONV:
        return conv_is_good(net, &p, data_bytes);
    case LNT_OP_KIND_DEPTHWISE:
        return depthwise_is_good(net, &p, data_bytes);
    case LNT_OP_KIND_POINTWISE:
        return pointwise_is_good(net, &p, data_bytes);
    case LNT_OP_KIND_ADD:
        return add_is_good(&p);
    case LNT_OP_KIND_AVG_POOL:
        return avg_pool_is_good(&p, state);
    case LNT_OP_KIND_FULLY_CONNECTED:
        return is_vector(p.out) && dense_is_good(net, &p, data_bytes);
    case LNT_OP_KIND_SOFTMAX:
        return softmax_is_good(&p, data_bytes);
    default:
        return false;
    }
}

/* The operator reads what earlier ones have written and writes what none has; written: one flag per tensor. */
LNT_OUTLINE static bool links_are_good(const lnt_net *net, uint32_t index, uint8_t *written) {
    const lnt_op *op = &net->ops[index];
    if ((index == 0) != (op->kind == LNT_OP_KIND_INPUT)) {
        return false;
    }
    if (index == 0 && op->output != 0) {
        return false;
    }
    if (index != 0 && (op->input >= net->tensor_count || !written[op->input])) {
        return false;
    }
    if (op->input2 != LNT_NONE && (op->input2 >= net->tensor_count || !written[op->input2])) {
        return false;
    }
    if (op->output >= net->tensor_count || written[op->output]) {
        return false;
    }
    written[op->output] = 1;
    if (op->state == LNT_NONE) {
        return true;
    }
    if (op->state >= net->tensor_count || written[op->state]) {
        return false;
    }
    written[op->state] = 1;
    return true;
}

static bool ops_are_good(const lnt_net *net, uint32_t data_bytes) {
    uint8_t *written = net->arena;
    memset(written, 0, net->tensor_count);
    for (uint32_t i = 0; i < net->op_count; i++) {
        if (!links_are_good(net, i, written) || !op_is_good(net, &net->ops[i], data_bytes)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < net->tensor_count; i++) {
        if (!written[i]) {
            return false;
        }
    }
    return true;
}

/* A strip tensor has one reader, as its first input, and neither begins nor ends the network. */
static const lnt_op *only_reader(const lnt_net *net, uint32_t tensor) {
    const lnt_op *reader = NULL;
    for (uint32_t i = 1; i < net->op_count; i++) {
        const lnt_op *op = &net->ops[i];
        if (op->input2 == tensor || op->state == tensor || (op->input == tensor && reader != NULL)) {
            return NULL;
        }
        if (op->input == tensor) {
            reader = op;
        }
    }
    return tensor == 0 ? NULL : reader;
}

static bool computes_strips(const lnt_op *op) {
    bool convolution = op->kind == LNT_OP_KIND_CONV || op->kind == LNT_OP_KIND_DEPTHWISE;
    return convolution || (op->kind == LNT_OP_KIND_POINTWISE && op->input2 == LNT_NONE);
}

static bool takes_strips(const lnt_op *op) {
    return op->kind == LNT_OP_KIND_DEPTHWISE || op->kind == LNT_OP_KIND_POINTWISE || op->kind == LNT_OP_KIND_AVG_POOL;
}

/* A window over strips is computed from rows that are there; 1x1 operators may follow it, or one another. */
static bool chain_is_good(const lnt_net *net, const lnt_op *writer, const lnt_op *reader) {
    uint32_t strips = 1;
    while (strips <= LNT_MAX_STRIPS && lnt_is_strip(net, writer->input)) {
        if (reader->kind == LNT_OP_KIND_DEPTHWISE) {
            return false;
        }
        reader = writer;
        writer = lnt_writer(net, writer->input);
        strips++;
    }
    return strips <= LNT_MAX_STRIPS;
}

static bool strip_is_good(const lnt_net *net, uint32_t tensor, uint32_t arena_bytes) {
    const lnt_op *reader = only_reader(net, tensor);
    if (reader == NULL || !takes_strips(reader)) {
        return false;
    }
    const lnt_op *writer = lnt_writer(net, tensor);
    lnt_strip s = lnt_find_strip(net, reader);
    uint64_t row = (uint64_t)s.tensor->width * s.tensor->channels;
    uint32_t most_kept = s.kernel_h > s.stride_h ? s.kernel_h - s.stride_h : 0;
    return computes_strips(writer) && chain_is_good(net, writer, reader) && row <= INT32_MAX && s.kept <= most_kept &&
           s.placement->reserved == 0 && s.placement->row_bytes % s.tensor->channels == 0 &&
           lnt_strip_columns(&s) != 0 && s.placement->offset <= arena_bytes &&
           lnt_strip_bytes(&s) <= arena_bytes - s.placement->offset;
}

static bool ring_is_good(const lnt_tensor *t, const lnt_placement *p, uint32_t arena_bytes) {
    uint32_t align = lnt_element_bytes(t);
    uint64_t used = (uint64_t)t->width * t->channels * align;
    return p->rows != 0 && p->rows <= t->height && p->row_bytes >= used && p->layout == LNT_LAYOUT_NHWC &&
           p->reserved == 0 && p->offset % align == 0 && p->row_bytes % align == 0 && p->offset <= arena_bytes &&
           (uint64_t)p->rows * p->row_bytes <= arena_bytes - p->offset;
}

static bool placements_are_good(const lnt_net *net, uint32_t arena_bytes) {
    for (uint32_t i = 0; i < net->tensor_count; i++) {
        bool good = lnt_is_strip(net, i) ? strip_is_good(net, i, arena_bytes)
                                         : ring_is_good(&net->tensors[i], &net->placements[i], arena_bytes);
        if (!good) {
            return false;
        }
    }
    return lnt_is_whole(net, net->output);
}

static int use_plan(lnt_net *net, lnt_file *file, const plan *found) {
    if (found->placements.count != net->tensor_count || found->steps.count == 0) {
        return LNT_ERR_FORMAT;
    }
    net->kernels = found->family->kernels;
    net->file_is_packed = found->family->id != LNT_FAMILY_REF;
    net->placements = (const void *)(file->bytes + found->placements.at);
    net->steps = (const void *)(file->bytes + found->steps.at);
    net->step_count = found->steps.count;
    return LNT_OK;
}

int lnt_check(lnt_net *net, const void *model, size_t model_bytes, void *arena, size_t arena_bytes) {
    lnt_file file;
    lnt_table root;
    int err = lnt_file_open(&file, &root, model, model_bytes);
    if (err != LNT_OK) {
        return err;
    }
    if ((uintptr_t)arena % LNT_ALIGN != 0) {
        return LNT_ERR_ALIGN;
    }
    uint32_t header_at = lnt_file_field(&file, &root, LNT_MODEL_HEADER, sizeof(lnt_header), 4);
    const lnt_header *header = (const void *)(file.bytes + header_at);
    if (lnt_file_crc(&file, header_at + offsetof(lnt_header, crc)) != header->crc) {
        return LNT_ERR_CRC;
    }

    plan found = {0};
    lnt_vector tensors = lnt_file_vector_field(&file, &root, LNT_MODEL_TENSORS, sizeof(lnt_tensor), 4);
    lnt_vector ops = lnt_file_vector_field(&file, &root, LNT_MODEL_OPS, sizeof(lnt_op), 4);
    lnt_vector data = lnt_file_vector_field(&file, &root, LNT_MODEL_DATA, 1, LNT_ALIGN);
    lnt_vector labels = lnt_file_vector_field(&file, &root, LNT_MODEL_LABELS, 4, 4);
    uint32_t input_kind = lnt_file_u8(&file, &root, LNT_MODEL_INPUT_KIND);
    int plan_err = find_plan(&file, &root, tensors.count, arena_bytes, &found);
    check_notes(&file, &root);
    if (file.damaged || tensors.count == 0 || tensors.count >= LNT_NONE || ops.count == 0 || ops.count >= LNT_NONE ||
        input_kind > LNT_INPUT_KIND_TENSOR) {
        return LNT_ERR_FORMAT;
    }
    if (plan_err != LNT_OK) {
        return plan_err;
    }

    net->model = file.bytes;
    net->data = file.bytes + data.at;
    net->tensors = (const void *)(file.bytes + tensors.at);
    net->ops = (const void *)(file.bytes + ops.at);
    net->tensor_count = (uint16_t)tensors.count;
    net->op_count = (uint16_t)ops.count;
    net->labels = labels.at;
    net->label_count = labels.count;
    net->pixels = input_kind == LNT_INPUT_KIND_PIXELS;
    net->arena = arena;
    err = use_plan(net, &file, &found);
    if (err != LNT_OK) {
        return err;
    }
    for (uint32_t i = 0; i < tensors.count; i++) {
        if (!tensor_is_good(&net->tensors[i])) {
            return LNT_ERR_TENSOR;
        }
    }
    if (!ops_are_good(net, data.count)) {
        return LNT_ERR_OPERATOR;
    }
    net->output = net->ops[net->op_count - 1].output;
    if (!placements_are_good(net, found.arena_bytes)) {
        return LNT_ERR_PLACEMENT;
    }
    return lnt_check_steps(net, found.arena_bytes);
}
