/* Depthwise convolution in vectors of 8, 32 channels at a time. The file that includes this has defined TARGET, its
 * instruction set, UNIT, the rows in a unit, dot(), the sum of a unit's products, added to the accumulator, and
 * interleave(), which makes 4 vectors of units from UNIT rows of 32 channels, plus 128. */

/* One interleaved unit of each channel of a block. */
typedef struct units {
    _Alignas(32) uint8_t vector[4][32];
} units;

/* What the loops below share. */
typedef struct job {
    const lnt_filter_job *f;
    const uint8_t *constants;
    lnt_law256 law;
} job;

/* Columns [x, x + count) of the input, those outside of it too. */
LNT_INLINE TARGET void interleave_columns(const job *j, int32_t x, uint32_t count, units *to) {
    for (uint32_t i = 0; i < count; i++, x++) {
        for (uint32_t g = 0; g < j->f->groups; g++, to++) {
            __m256i rows[UNIT];
            LNT_UNROLL
            for (uint32_t k = 0; k < UNIT; k++) {
                const int8_t *from = lnt_source(j->f, UNIT * g + k, x);
                rows[k] = _mm256_xor_si256(lnt_load_first256(from, j->f->channels), _mm256_set1_epi8(-128));
            }
            interleave(rows, to->vector);
        }
    }
}

/* One output column of one or two rows; window: a constant, where there is one. */
LNT_INLINE TARGET void convolve(const job *j, const units *x, uint32_t window, int rows, bool by_four, size_t to) {
    __m256i acc[2][4];
    LNT_UNROLL
    for (int v = 0; v < 4; v++) {
        acc[0][v] = acc[1][v] = lnt_load256(j->constants + v * 96);
    }
    const uint8_t *w = j->constants + 4 * 96;
    for (uint32_t t = 0; t < window; t++, w += 128) {
        LNT_UNROLL
        for (int v = 0; v < 4; v++) {
            __m256i column = lnt_load256(x[t].vector[v]);
            LNT_UNROLL
            for (int r = 0; r < rows; r++) {
                acc[r][v] = dot(acc[r][v], column, lnt_load256(w + (size_t)r * j->f->filter_bytes + v * 32));
            }
        }
    }
    LNT_UNROLL
    for (int r = 0; r < rows; r++) {
        LNT_UNROLL
        for (int v = 0; v < 4; v++) {
            const uint8_t *m = j->constants + v * 96 + 32;
            acc[r][v] = lnt_scale256(&j->law, by_four, acc[r][v], lnt_load256(m), lnt_load256(m + 32));
        }
        __m256i y = lnt_narrow256(&j->law, by_four, acc[r][0], acc[r][1], acc[r][2], acc[r][3]);
        lnt_store_first256(j->f->out[r] + to, y, j->f->channels);
    }
}

LNT_INLINE TARGET void convolve_columns(const job *j, const units *x, uint32_t count, uint32_t first, int rows,
                                        bool by_four) {
    uint32_t step = j->f->p->op->stride_w * j->f->groups;
    if (j->f->window == 3) {
        for (uint32_t i = 0; i < count; i++) {
            convolve(j, x + (size_t)i * step, 3, rows, by_four, (size_t)(first + i) * j->f->p->out->channels);
        }
    } else {
        for (uint32_t i = 0; i < count; i++) {
            convolve(j, x + (size_t)i * step, j->f->window, rows, by_four,
                     (size_t)(first + i) * j->f->p->out->channels);
        }
    }
}

TARGET static void convolve_one(const job *j, const units *x, uint32_t count, uint32_t first) {
    if (j->law.by_four) {
        convolve_columns(j, x, count, first, 1, true);
    } else {
        convolve_columns(j, x, count, first, 1, false);
    }
}

TARGET static void convolve_two(const job *j, const units *x, uint32_t count, uint32_t first) {
    if (j->law.by_four) {
        convolve_columns(j, x, count, first, 2, true);
    } else {
        convolve_columns(j, x, count, first, 2, false);
    }
}

TARGET static void run_piece(const lnt_filter_job *f, int32_t left, uint32_t first, uint32_t count) {
    units columns[LNT_HELD_UNITS];
    job j = {.f = f, .constants = f->constants, .law = lnt_make_law256(f->p)};
    interleave_columns(&j, left, (count - 1) * f->p->op->stride_w + f->p->op->kernel_w, columns);
    (f->rows_out == 2 ? convolve_two : convolve_one)(&j, columns, count, first);
}
