/* Packing for matrix products: gemm.h has the layout. */
#include "block.h"

#ifdef LNT_X86
#include <string.h>

#include "../ref/ref.h"

static uint64_t gemm_bytes(const lnt_params *p, lnt_panels panels) {
    uint64_t count = (p->out->channels + panels.lanes - 1) / panels.lanes;
    return LNT_SCALING_BYTES + count * lnt_panel_bytes(lnt_units(p, panels.unit), panels.lanes);
}

/* One output channel's weights, a unit every lanes * 4 bytes; their sum. */
static int32_t pack_weights(const int8_t *w, uint32_t depth, lnt_panels panels, uint8_t *to) {
    int32_t sum = 0;
    for (uint32_t k = 0; k < depth; k++) {
        uint8_t *unit = to + (size_t)(k / panels.unit) * panels.lanes * 4;
        sum += w[k];
        if (panels.unit == 4) {
            memcpy(unit + k % 4, w + k, 1);
        } else {
            int16_t word = (int16_t)w[k]; /* NOLINT(bugprone-signed-char-misuse,cert-str34-c): numbers */
            memcpy(unit + 2 * (k % 2), &word, 2);
        }
    }
    return sum;
}

static void gemm_pack(const lnt_params *p, lnt_panels panels, uint8_t *to) {
    uint32_t depth = lnt_depth(p), lanes = panels.lanes;
    const int8_t *weights = lnt_int8_data(p, p->op->weights);
    memset(to, 0, gemm_bytes(p, panels));
    lnt_scaling scaling = lnt_scaling_pack(p, to);
    for (uint32_t c = 0; c < p->out->channels; c++) {
        uint8_t *panel = to + LNT_SCALING_BYTES + c / lanes * lnt_panel_bytes(lnt_units(p, panels.unit), lanes);
        uint8_t *w = panel + (size_t)12 * lanes + (size_t)4 * (c % lanes);
        int32_t sum = pack_weights(weights + (size_t)c * depth, depth, panels, w);
        lnt_lane_pack(p, scaling, c, panels.unit == 4 ? 128 * sum : 0, (int32_t *)(void *)panel, lanes, c % lanes);
    }
}

/* Each family's constants. */
static uint64_t bytes_avx512vnni(const lnt_params *p) { return gemm_bytes(p, lnt_avx512vnni.panels); }
static void pack_avx512vnni(const lnt_params *p, uint8_t *to) { gemm_pack(p, lnt_avx512vnni.panels, to); }
const lnt_packing lnt_avx512vnni_packing = {
    .takes = lnt_block_takes, .bytes = bytes_avx512vnni, .pack = pack_avx512vnni};

static uint64_t bytes_avxvnni(const lnt_params *p) { return gemm_bytes(p, lnt_avxvnni.panels); }
static void pack_avxvnni(const lnt_params *p, uint8_t *to) { gemm_pack(p, lnt_avxvnni.panels, to); }
const lnt_packing lnt_avxvnni_packing = {.takes = lnt_block_takes, .bytes = bytes_avxvnni, .pack = pack_avxvnni};

static uint64_t bytes_avx2(const lnt_params *p) { return gemm_bytes(p, lnt_avx2.panels); }
static void pack_avx2(const lnt_params *p, uint8_t *to) { gemm_pack(p, lnt_avx2.panels, to); }
const lnt_packing lnt_avx2_packing = {.takes = lnt_block_takes, .bytes = bytes_avx2, .pack = pack_avx2};
#endif
