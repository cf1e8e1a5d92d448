/* Weights, biases, multipliers: what docs/numerics.md allows, its limits included. */
#include "memory.h"
#include "sample.h"

void fill_int8(rng *r, int8_t *to, size_t count, uint32_t mode, int32_t lowest) {
    rng_bytes(r, (uint8_t *)to, count);
    int32_t quarter = rng_chance(r, 50) ? -64 : 64;
    for (size_t i = 0; i < count; i++) {
        int32_t value = to[i];
        value = mode == EXTREMES   ? (value & 1 ? 127 : lowest)
                : mode == LOWEST   ? lowest
                : mode == HIGHEST  ? 127
                : mode == SMALL    ? value % 4
                : mode == QUARTERS ? quarter + (value & 31 ? 0 : quarter / 64)
                : mode == OUTLIERS ? (value & 15 ? value / 4 : value)
                                   : value;
        to[i] = (int8_t)(value < lowest ? lowest : value);
    }
}

static uint32_t draw_mode(rng *r) { return rng_chance(r, 60) ? UNIFORM : rng_below(r, VALUE_MODES); }

static uint32_t offset_of(const uint8_t *bytes) { return (uint32_t)(bytes - memory_base()); }

/* Up to `most`, the bound that lnt_check() holds them to. */
static int32_t draw_bias(rng *r, uint32_t style, int32_t most) {
    uint32_t way = rng_below(r, 6);
    if (style == EDGE_STYLE) {
        return rng_within(r, -99999, 99999) / (1 + (int32_t)rng_below(r, 99999));
    }
    if (style == PLAIN_STYLE || way > 3) {
        return rng_within(r, -most / 16384, most / 16384);
    }
    return way == 0 ? most : way == 1 ? -most : way == 2 ? 0 : rng_within(r, -most, most);
}

static uint32_t root(uint32_t value) {
    uint32_t result = 1;
    while (result * result < value) {
        result++;
    }
    return result;
}

/* Mostly one that brings sums of random products to the size of an int8 (or, with a residual, 64 times that); powers
 * of two among them, for ties. */
static int32_t draw_multiplier(rng *r, const sample *s) {
    const int32_t most = (1 << 30) - 1;
    uint32_t way = s->style == PLAIN_STYLE ? 4 + rng_below(r, 12) : rng_below(r, 16);
    if (s->style == EDGE_STYLE) { /* the largest sum to 16 bits, or a little more or less */
        uint64_t m =
            ((uint64_t)1 << 31) * (uint32_t)rng_within(r, 32640, 32800) / (128 * 127 * (uint64_t)sample_taps(s));
        return m > (uint64_t)most ? most : (int32_t)m;
    }
    if (way < 4) {
        return way == 0 ? 0 : way == 1 ? 1 : way == 2 ? most : (int32_t)rng_below(r, 1u << 30);
    }
    uint64_t wanted = s->in2.height != 0 ? 64 * 128 : 128;
    uint64_t usual = (uint64_t)root(sample_taps(s)) * (1000 + rng_below(r, 12000));
    uint64_t m = ((uint64_t)1 << (31 - s->op.shift)) * wanted / usual;
    if (way < 7) {
        while (m & (m - 1)) {
            m &= m - 1;
        }
    }
    return m > (uint64_t)most ? most : (int32_t)m;
}

static bool place_channels(rng *r, sample *s) {
    uint32_t channels = s->out.channels;
    uint8_t *bias = memory_place(r, "bias", 4 * (size_t)channels, 4);
    uint8_t *multiplier = memory_place(r, "multipliers", 4 * (size_t)channels, 4);
    if (bias == NULL || multiplier == NULL) {
        return false;
    }
    int32_t most = (int32_t)(((uint32_t)INT32_MAX >> s->op.shift) - 16384 * sample_taps(s));
    for (uint32_t i = 0; i < channels; i++) {
        int32_t pair[2] = {draw_bias(r, s->style, most), draw_multiplier(r, s)};
        memcpy(bias + 4 * (size_t)i, &pair[0], 4);
        memcpy(multiplier + 4 * (size_t)i, &pair[1], 4);
    }
    s->op.bias = offset_of(bias);
    s->op.multiplier = offset_of(multiplier);
    return true;
}

static bool place_weights(rng *r, sample *s) {
    uint32_t filters = s->op.kind == LNT_OP_KIND_DEPTHWISE ? s->in.channels : s->out.channels;
    size_t bytes = (size_t)sample_taps(s) * filters;
    int8_t *weights = (int8_t *)memory_place(r, "weights", bytes, 1);
    if (weights == NULL) {
        return false;
    }
    static const uint32_t edge_modes[4] = {LOWEST, HIGHEST, QUARTERS, QUARTERS};
    s->foul = rng_chance(r, 3);
    uint32_t mode = s->style == EDGE_STYLE ? edge_modes[rng_below(r, 4)] : draw_mode(r);
    fill_int8(r, weights, bytes, mode, s->foul ? -128 : -127);
    s->op.weights = offset_of((uint8_t *)weights);
    if (s->op.kind == LNT_OP_KIND_CONV) {
        int8_t *pads = (int8_t *)memory_place(r, "pad values", s->in.channels, 1);
        if (pads == NULL) {
            return false;
        }
        fill_int8(r, pads, s->in.channels, draw_mode(r), -128);
        s->op.pad_values = offset_of((uint8_t *)pads);
    }
    return place_channels(r, s);
}

/* Starts at 2^27 and never rises. */
static bool place_table(rng *r, sample *s) {
    uint8_t *table = memory_place(r, "table", 4 * LNT_SOFTMAX_TABLE, 4);
    if (table == NULL) {
        return false;
    }
    bool usual = rng_chance(r, 80);
    uint64_t value = (uint64_t)1 << 59;
    for (uint32_t i = 0; i < LNT_SOFTMAX_TABLE; i++) {
        uint32_t word = (uint32_t)(value >> 32);
        memcpy(table + 4 * (size_t)i, &word, 4);
        /* 2^(-1/64) */
        uint64_t drop = rng_next(r) >> (5 + rng_below(r, 16));
        value = usual ? (value >> 32) * 4248701965u : drop < value ? value - drop : value;
    }
    s->op.weights = offset_of(table);
    return true;
}

bool sample_place_constants(rng *r, sample *s) {
    s->params = (lnt_params){
        .op = &s->op,
        .in = s->op.kind == LNT_OP_KIND_INPUT ? &s->out : &s->in,
        .in2 = s->in2.height != 0 ? &s->in2 : NULL,
        .out = &s->out,
        .data = memory_base(),
    };
    switch (s->op.kind) {
    case LNT_OP_KIND_CONV:
    case LNT_OP_KIND_DEPTHWISE:
    case LNT_OP_KIND_POINTWISE:
    case LNT_OP_KIND_FULLY_CONNECTED:
        return place_weights(r, s);
    case LNT_OP_KIND_SOFTMAX:
        return place_table(r, s);
    default:
        return true;
    }
}
