#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "bench.h"

#include <stdio.h>
#include <time.h>

#include "layers.h"
#include "memory.h"
#include "trial.h"

static const char *const kinds[] = {"input", "conv", "depthwise", "pointwise", "add", "avg_pool", "dense", "softmax"};

void bench_list_layers(void) {
    static layer layers[MAX_LAYERS];
    uint32_t count = find_layers(layers);
    for (uint32_t i = 0; i < count; i++) {
        const layer *l = &layers[i];
        printf("%3lu  %-22s %-9s %ux%ux%u -> %ux%ux%u kernel %u stride %u%s\n", (unsigned long)i, l->name,
               kinds[l->kind], l->in_size, l->in_size, l->in_channels, l->out_size, l->out_size, l->out_channels,
               l->kernel, l->stride, l->residual ? " with residual" : "");
    }
}

/* Of this process alone, so that others on the machine count less. */
static double now(void) {
#if defined(__unix__) || defined(__APPLE__)
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
#else
    return 0;
#endif
}

/* Rows from the first on, one behind the other. */
static bool place_rows(rng *r, const char *name, const lnt_tensor *tensor, uint32_t n, lnt_rows *rows) {
    rows->row_bytes = lnt_used_bytes(tensor);
    rows->ring = n;
    rows->base = memory_place(r, name, (size_t)rows->row_bytes * n, LNT_ALIGN);
    return rows->base != NULL;
}

/* As many rows of the layer as there is room for, ready to run. */
static bool prepare(rng *r, trial *t, lnt_operands *o, const layer *l, const bench_options *options) {
    char message[256];
    memory_release(0);
    layer_sample(l, &t->sample);
    const sample *s = &t->sample;
    const lnt_tensor *counted = counts_input(s) ? &s->in : &s->out;
    t->range = (lnt_range){.n = counted->height, .xn = counted->width, .cn = s->out.channels};
    for (;; t->range.n--) {
        trial_find_areas(t);
        uint32_t in = t->in_area.n * lnt_used_bytes(&s->in), out = t->out_area.n * lnt_used_bytes(&s->out);
        if (in + (s->in2.height ? 2 : 1) * out <= options->rows || t->range.n == 1) {
            break;
        }
    }
    if (!sample_place_constants(r, &t->sample) || !lnt_takes(t->subject->kernel, &s->params)) {
        return false;
    }
    *o = (lnt_operands){.state = trial_place_state(r, s)};
    uint64_t scratch = lnt_scratch_of(t->subject->kernel, &s->params, t->range.n, t->range.xn);
    o->scratch = scratch ? memory_place(r, "scratch", (size_t)scratch, LNT_ALIGN) : NULL;
    return place_rows(r, "input", &s->in, t->in_area.n, &o->in) &&
           place_rows(r, "output", &s->out, t->out_area.n, &o->out) &&
           (s->in2.height == 0 || place_rows(r, "second input", &s->in2, t->out_area.n, &o->in2)) &&
           (scratch == 0 || o->scratch) && trial_pack(r, t, message, sizeof message) == PACKED;
}

/* The portable kernel's output follows in memory of its own. */
static bool is_right(rng *r, const trial *t, const lnt_operands *o, lnt_operands *ref) {
    *ref = *o;
    size_t bytes = (size_t)o->out.row_bytes * t->out_area.n;
    if (!place_rows(r, "right output", &t->sample.out, t->out_area.n, &ref->out)) {
        return false;
    }
    t->subject->kernel->run(&t->params, o, t->range);
    t->subject->ref->run(&t->sample.params, ref, t->range);
    return memcmp(o->out.base, ref->out.base, bytes) == 0;
}

/* Seconds of one run of each, the best of some, in turns. */
static void measure(const trial *t, const lnt_operands *o, const lnt_operands *ref, double best[2]) {
    double end = now() + 0.05;
    best[0] = best[1] = 1e9;
    for (uint32_t round = 0; round < 7 || (now() < end && round < 1000); round++) {
        for (uint32_t i = 0; i < 4; i++) { /* the portable kernel once, the other three times */
            double start = now();
            if (i == 0) {
                t->subject->ref->run(&t->sample.params, ref, t->range);
            } else {
                t->subject->kernel->run(&t->params, o, t->range);
            }
            double seconds = now() - start;
            best[i != 0] = seconds < best[i != 0] ? seconds : best[i != 0];
        }
    }
}

static void print_layer(const trial *t, const layer *l, uint32_t index, double macs, const double best[2], bool json) {
    const subject *s = t->subject;
    if (json) {
        printf("{\"family\": \"%s\", \"kernel\": \"%s\", \"layer\": %lu, \"name\": \"%s\", \"macs\": %.0f, "
               "\"seconds\": %.9f, \"ref_seconds\": %.9f}\n",
               s->family->name, s->kernel->name, (unsigned long)index, l->name, macs, best[1], best[0]);
    } else {
        printf("%-26s %3lu %-22s %4ux%ux%u -> %ux%ux%u %9.2f us %7.2f GMAC/s %6.2f x ref\n", s->kernel->name,
               (unsigned long)index, l->name, l->in_size, l->in_size, l->in_channels, l->out_size, l->out_size,
               l->out_channels, best[1] * 1e6, macs / best[1] * 1e-9, best[0] / best[1]);
    }
    fflush(stdout);
}

/* Seconds that a whole network spends in layers that the kernel takes. */
static void print_network(const subject *s, uint32_t network, const double sums[2]) {
    if (sums[1] > 0) {
        printf("%-26s all layers of %-9s %9.3f ms %6.2f x ref\n", s->kernel->name, layer_networks[network],
               sums[1] * 1e3, sums[0] / sums[1]);
    }
}

bool bench_kernel(const subject *s, const bench_options *o) {
    static layer layers[MAX_LAYERS];
    static trial t;
    double sums[2][2] = {{0, 0}, {0, 0}};
    uint32_t count = find_layers(layers);
    bool right = true;
    t.subject = s;
    for (uint32_t i = 0; i < count; i++) {
        lnt_operands operands, ref;
        rng r = {1};
        if (layers[i].kind != s->kernel->kind || (o->layer >= 0 && i != o->layer) ||
            !prepare(&r, &t, &operands, &layers[i], o)) {
            continue;
        }
        double macs = (double)sample_taps(&t.sample) * t.range.n * t.range.xn * t.range.cn;
        if (o->repeat != 0) {
            for (uint32_t k = 0; k < o->repeat && !o->baseline; k++) {
                s->kernel->run(&t.params, &operands, t.range);
            }
            printf("%s layer %lu (%s): %s%lu runs of %.0f MACs\n", s->kernel->name, (unsigned long)i, layers[i].name,
                   o->baseline ? "without " : "", (unsigned long)o->repeat, macs);
            continue;
        }
        if (!is_right(&r, &t, &operands, &ref)) {
            printf("%s layer %lu (%s): WRONG\n", s->kernel->name, (unsigned long)i, layers[i].name);
            right = false;
            continue;
        }
        double best[2];
        measure(&t, &operands, &ref, best);
        print_layer(&t, &layers[i], i, macs, best, o->json);
        for (uint32_t k = 0; k < 4; k++) {
            sums[k / 2][k % 2] += layers[i].times[k / 2] * best[k % 2];
        }
    }
    for (uint32_t k = 0; k < 2 && !o->json && o->layer < 0; k++) {
        print_network(s, k, sums[k]);
    }
    return right;
}
