/* generated from kernels_c/schema/linnet.fbs by tools/format_codegen.py: do not edit */
#ifndef LNT_FORMAT_GEN_H
#define LNT_FORMAT_GEN_H

#include <stdint.h>

enum {
    LNT_VERSION_CURRENT = 1,
};

enum {
    LNT_OP_KIND_INPUT = 0,
    LNT_OP_KIND_CONV = 1,
    LNT_OP_KIND_DEPTHWISE = 2,
    LNT_OP_KIND_POINTWISE = 3,
    LNT_OP_KIND_ADD = 4,
    LNT_OP_KIND_AVG_POOL = 5,
    LNT_OP_KIND_FULLY_CONNECTED = 6,
    LNT_OP_KIND_SOFTMAX = 7,
};

enum {
    LNT_DTYPE_INT8 = 0,
    LNT_DTYPE_INT32 = 1,
};

enum {
    LNT_LAYOUT_NHWC = 0,
    LNT_LAYOUT_STRIP = 1,
};

enum {
    LNT_FAMILY_REF = 0,
    LNT_FAMILY_DSP = 1,
    LNT_FAMILY_MVE = 2,
};

enum {
    LNT_INPUT_KIND_PIXELS = 0,
    LNT_INPUT_KIND_TENSOR = 1,
};

typedef struct lnt_header {
    uint32_t version;
    uint32_t file_bytes;
    uint32_t crc;
} lnt_header;
_Static_assert(sizeof(lnt_header) == 12, "Header");

typedef struct lnt_tensor {
    uint16_t height;
    uint16_t width;
    uint16_t channels;
    uint8_t dtype;
    uint8_t reserved;
    int32_t zero_point;
    float scale;
} lnt_tensor;
_Static_assert(sizeof(lnt_tensor) == 16, "Tensor");

typedef struct lnt_op {
    uint8_t kind;
    uint8_t shift;
    uint8_t kernel_h;
    uint8_t kernel_w;
    uint8_t stride_h;
    uint8_t stride_w;
    uint8_t pad_top;
    uint8_t pad_left;
    int8_t clamp_min;
    int8_t clamp_max;
    uint16_t input;
    uint16_t input2;
    uint16_t output;
    uint16_t state;
    uint16_t reserved;
    uint32_t weights;
    uint32_t bias;
    uint32_t multiplier;
    uint32_t pad_values;
    int32_t factor;
    int32_t factor2;
    int32_t offset;
} lnt_op;
_Static_assert(sizeof(lnt_op) == 48, "Op");

typedef struct lnt_placement {
    uint32_t offset;
    uint32_t row_bytes;
    uint16_t rows;
    uint8_t layout;
    uint8_t reserved;
} lnt_placement;
_Static_assert(sizeof(lnt_placement) == 12, "Placement");

typedef struct lnt_step {
    uint16_t op;
    uint16_t y;
    uint16_t n;
    uint16_t reserved;
    uint32_t scratch;
} lnt_step;
_Static_assert(sizeof(lnt_step) == 12, "Step");

enum {
    LNT_PLAN_FAMILY = 0,
    LNT_PLAN_ARENA_BYTES = 1,
    LNT_PLAN_PLACEMENTS = 2,
    LNT_PLAN_STEPS = 3,
};

enum {
    LNT_PREPROCESSING_MEAN = 0,
    LNT_PREPROCESSING_STD = 1,
};

enum {
    LNT_MODEL_HEADER = 0,
    LNT_MODEL_INPUT_KIND = 1,
    LNT_MODEL_TENSORS = 2,
    LNT_MODEL_OPS = 3,
    LNT_MODEL_DATA = 4,
    LNT_MODEL_PLANS = 5,
    LNT_MODEL_LABELS = 6,
    LNT_MODEL_OP_NAMES = 7,
    LNT_MODEL_TENSOR_NAMES = 8,
    LNT_MODEL_PREPROCESSING = 9,
    LNT_MODEL_PRODUCER = 10,
};

#endif
