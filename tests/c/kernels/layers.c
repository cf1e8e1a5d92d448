#include "layers.h"

#include <stdio.h>

const char *const layer_networks[2] = {"1.0@224", "0.35@128"};

/* Sandler et al., MobileNetV2 (2018), table 2: expansion, channels, blocks, stride of the first. */
static const struct {
    uint8_t expansion;
    uint16_t channels;
    uint8_t blocks;
    uint8_t stride;
} stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
              {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

/* To a multiple of 8, not below nine tenths. */
static uint32_t scaled(uint32_t channels, uint32_t percent) {
    uint32_t nearest = (channels * percent + 400) / 800 * 8;
    nearest = nearest < 8 ? 8 : nearest;
    return nearest * 1000 < channels * percent * 9 ? nearest + 8 : nearest;
}

typedef struct list {
    layer *layers;
    uint32_t count;
    uint32_t network;
    uint32_t size; /* height and width so far */
    uint32_t channels;
} list;

static bool same_layer(const layer *a, const layer *b) {
    return a->kind == b->kind && a->kernel == b->kernel && a->stride == b->stride && a->residual == b->residual &&
           a->in_size == b->in_size && a->out_size == b->out_size && a->in_channels == b->in_channels &&
           a->out_channels == b->out_channels;
}

static void add(list *l, const char *part, uint32_t block, uint8_t kind, uint32_t kernel, uint32_t stride,
                uint32_t channels, bool residual) {
    uint32_t size = kind == LNT_OP_KIND_AVG_POOL ? 1 : (l->size + stride - 1) / stride;
    layer next = {
        .kind = kind,
        .kernel = (uint8_t)kernel,
        .stride = (uint8_t)stride,
        .residual = residual,
        .in_size = (uint16_t)l->size,
        .out_size = (uint16_t)size,
        .in_channels = (uint16_t)l->channels,
        .out_channels = (uint16_t)channels,
    };
    l->size = size;
    l->channels = channels;
    for (uint32_t i = 0; i < l->count; i++) {
        if (same_layer(&l->layers[i], &next)) {
            l->layers[i].times[l->network]++;
            return;
        }
    }
    next.times[l->network] = 1;
    snprintf(next.name, sizeof next.name, "%s %s %lu", layer_networks[l->network], part, (unsigned long)block);
    l->layers[l->count++] = next;
}

static void add_network(list *l, uint32_t network, uint32_t size, uint32_t percent) {
    *l = (list){.layers = l->layers, .count = l->count, .network = network, .size = size, .channels = 3};
    uint32_t block = 0;
    add(l, "stem", block++, LNT_OP_KIND_CONV, 3, 2, scaled(32, percent), false);
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
        for (uint32_t k = 0; k < stages[i].blocks; k++, block++) {
            uint32_t from = l->channels, to = scaled(stages[i].channels, percent);
            uint32_t stride = k == 0 ? stages[i].stride : 1;
            if (stages[i].expansion != 1) {
                add(l, "expand", block, LNT_OP_KIND_POINTWISE, 1, 1, from * stages[i].expansion, false);
            }
            add(l, "depthwise", block, LNT_OP_KIND_DEPTHWISE, 3, stride, l->channels, false);
            add(l, "project", block, LNT_OP_KIND_POINTWISE, 1, 1, to, stride == 1 && from == to);
        }
    }
    add(l, "head", block++, LNT_OP_KIND_POINTWISE, 1, 1, 1280, false);
    add(l, "pool", block++, LNT_OP_KIND_AVG_POOL, 1, 1, 1280, false);
    add(l, "classes", block++, LNT_OP_KIND_FULLY_CONNECTED, 1, 1, 1000, false);
    add(l, "softmax", block, LNT_OP_KIND_SOFTMAX, 1, 1, 1000, false);
}

uint32_t find_layers(layer *layers) {
    list l = {.layers = layers};
    add_network(&l, 0, 224, 100);
    add_network(&l, 1, 128, 35);
    return l.count;
}

void layer_sample(const layer *l, sample *s) {
    bool logits = l->kind == LNT_OP_KIND_FULLY_CONNECTED || l->kind == LNT_OP_KIND_SOFTMAX;
    *s = (sample){.op = {
                      .kind = l->kind,
                      .kernel_h = l->kernel,
                      .kernel_w = l->kernel,
                      .stride_h = l->stride,
                      .stride_w = l->stride,
                      .pad_top = l->kernel / 2,
                      .pad_left = l->kernel / 2,
                      .clamp_min = -128,
                      .clamp_max = 127,
                      .input2 = LNT_NONE,
                      .state = LNT_NONE,
                  }};
    s->in = (lnt_tensor){.height = l->in_size, .width = l->in_size, .channels = l->in_channels, .zero_point = -128};
    s->out = (lnt_tensor){.height = l->out_size, .width = l->out_size, .channels = l->out_channels};
    s->in.scale = s->out.scale = 1;
    if (logits) {
        s->out.dtype = LNT_DTYPE_INT32;
    }
    if (l->kind == LNT_OP_KIND_SOFTMAX) {
        s->in.dtype = LNT_DTYPE_INT32;
        s->in.zero_point = 0;
        s->op.factor = 1 << 14;
        s->op.shift = 12;
    } else if (l->residual) {
        s->in2 = s->out;
        s->op.factor = 1 << 13;
        s->op.offset = 1 << 13;
    } else if (l->kind == LNT_OP_KIND_AVG_POOL) {
        s->op.offset = 128 * l->in_size * l->in_size;
        s->op.factor = (1 << 30) / (l->in_size * l->in_size);
        s->op.factor -= s->op.factor == 1 << 30;
    }
}
