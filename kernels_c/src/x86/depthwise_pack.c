/* Packing for depthwise convolutions: depthwise.h has the layout. */
#include "depthwise.h"

#ifdef LNT_X86
#include <string.h>

#include "../ref/ref.h"

static uint64_t depthwise_bytes(const lnt_params *p, lnt_filters f) {
    uint64_t blocks = (p->out->channels + 4 * f.lanes - 1) / (4 * f.lanes);
    return LNT_SCALING_BYTES + blocks * lnt_filter_block_bytes(p->op, f);
}

/* One channel's filter, which starts at row `top` of the groups; `to` is its lane of the first vector. Returns the
 * filter's sum. */
static int32_t pack_filter(const lnt_params *p, lnt_filters f, uint32_t channel, uint32_t top, uint8_t *to) {
    const int8_t *w = lnt_int8_data(p, p->op->weights) + channel;
    uint32_t groups = lnt_row_groups(p->op, f.unit);
    int32_t sum = 0;
    for (uint32_t i = 0; i < p->op->kernel_h; i++) {
        for (uint32_t j = 0; j < p->op->kernel_w; j++, w += p->in->channels) {
            uint32_t row = top + i;
            uint8_t *unit = to + (size_t)(j * groups + row / f.unit) * 16 * f.lanes;
            sum += *w;
            if (f.unit == 4) {
                memcpy(unit + row % 4, w, 1);
            } else {
                int16_t word = (int16_t)*w; /* NOLINT(bugprone-signed-char-misuse,cert-str34-c): numbers */
                memcpy(unit + 2 * (row % 2), &word, 2);
            }
        }
    }
    return sum;
}

/* One channel's constants to place in_block of its block. */
static void pack_channel(const lnt_params *p, lnt_filters f, lnt_scaling scaling, uint32_t c, uint32_t in_block,
                         uint8_t *block) {
    /* Interleaving leaves each quarter (or half) of a vector with 4 neighbours; 16 are spread over 4 vectors. */
    uint32_t vector = in_block / 4 % 4;
    uint32_t lane = in_block / 16 * 4 + in_block % 4;
    uint8_t *w = block + (size_t)48 * f.lanes + (size_t)4 * (vector * f.lanes + lane);
    int32_t sum = pack_filter(p, f, c, 0, w);
    if (lnt_rows_pair(p->op, f.unit)) {
        pack_filter(p, f, c, p->op->stride_h, w + lnt_filter_bytes(p->op, f));
    }
    int32_t *panel = (int32_t *)(void *)block + (size_t)vector * 3 * f.lanes;
    lnt_lane_pack(p, scaling, c, 128 * sum, panel, f.lanes, lane);
}

static void depthwise_pack(const lnt_params *p, lnt_filters f, uint8_t *to) {
    memset(to, 0, depthwise_bytes(p, f));
    lnt_scaling scaling = lnt_scaling_pack(p, to);
    for (uint32_t c = 0; c < p->out->channels; c++) {
        uint32_t in_block = c % (4 * f.lanes);
        uint8_t *block = to + LNT_SCALING_BYTES + c / (4 * f.lanes) * lnt_filter_block_bytes(p->op, f);
        pack_channel(p, f, scaling, c, in_block, block);
        if (lnt_is_folded(p, f, c)) {
            pack_channel(p, f, scaling, c, in_block + 2 * f.lanes, block);
        }
    }
}

/* Each family's constants. */
static bool takes_avx512vnni(const lnt_params *p) {
    return lnt_window_units(p->op, lnt_depthwise_avx512vnni.filters.unit) <= LNT_MOST_UNITS;
}
static uint64_t bytes_avx512vnni(const lnt_params *p) { return depthwise_bytes(p, lnt_depthwise_avx512vnni.filters); }
static void pack_avx512vnni(const lnt_params *p, uint8_t *to) {
    depthwise_pack(p, lnt_depthwise_avx512vnni.filters, to);
}
const lnt_packing lnt_depthwise_avx512vnni_packing = {
    .takes = takes_avx512vnni, .bytes = bytes_avx512vnni, .pack = pack_avx512vnni};

static bool takes_avxvnni(const lnt_params *p) {
    return lnt_window_units(p->op, lnt_depthwise_avxvnni.filters.unit) <= LNT_MOST_UNITS;
}
static uint64_t bytes_avxvnni(const lnt_params *p) { return depthwise_bytes(p, lnt_depthwise_avxvnni.filters); }
static void pack_avxvnni(const lnt_params *p, uint8_t *to) { depthwise_pack(p, lnt_depthwise_avxvnni.filters, to); }
const lnt_packing lnt_depthwise_avxvnni_packing = {
    .takes = takes_avxvnni, .bytes = bytes_avxvnni, .pack = pack_avxvnni};

static bool takes_avx2(const lnt_params *p) {
    return lnt_window_units(p->op, lnt_depthwise_avx2.filters.unit) <= LNT_MOST_UNITS;
}
static uint64_t bytes_avx2(const lnt_params *p) { return depthwise_bytes(p, lnt_depthwise_avx2.filters); }
static void pack_avx2(const lnt_params *p, uint8_t *to) { depthwise_pack(p, lnt_depthwise_avx2.filters, to); }
const lnt_packing lnt_depthwise_avx2_packing = {.takes = takes_avx2, .bytes = bytes_avx2, .pack = pack_avx2};
#endif
