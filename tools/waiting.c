/* Times every step of a network and what its threads do meanwhile.
 *
 * Usage: waiting MODEL.lnt THREADS RUNS [FAMILY]
 *
 * A step is what the net does between two calls of the trace hook. Of each step that run counts in which it was
 * quickest: on a machine with other work the others say how long that took. Every inference that counts follows one
 * that does not, so that workers are awake and caches filled, as in a stream of pictures. Prints, in nanoseconds: the
 * sum of the steps with one thread, with THREADS, the part of the latter in which one thread alone worked, and the time
 * that threads waited for others inside shared steps, summed over the threads. */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "session.h"

enum { MOST_STEPS = 100000, CLOCK_READINGS = 1000 };

typedef struct step {
    int64_t wall;
    int64_t shared;   /* of it in parallel_for */
    int64_t busy;     /* of that in tasks, summed over the threads */
    int64_t readings; /* of the clock meanwhile, likewise */
} step;

/* What one thread has worked in each step of the inference. Nobody else looks at it meanwhile: threads that write to
 * the same cache lines would wait for that. */
typedef struct record {
    int64_t busy[MOST_STEPS];
} record;

typedef struct watch {
    lnt_hooks inner;
    void (*task)(void *arg, uint32_t i);
    void *arg;
    record *records; /* by thread */
    atomic_uint threads;
    int64_t last;
    step *now;
    step *best;
    uint32_t steps;
} watch;

static _Thread_local record *mine;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t clock_takes(void) {
    int64_t shortest = INT64_MAX;
    for (int i = 0; i < CLOCK_READINGS; i++) {
        int64_t start = now();
        int64_t taken = now() - start;
        shortest = taken < shortest ? taken : shortest;
    }
    return shortest;
}

static void timed_task(void *arg, uint32_t i) {
    int64_t start = now();
    watch *w = arg;
    if (mine == NULL) {
        mine = &w->records[atomic_fetch_add(&w->threads, 1)];
    }
    w->task(w->arg, i);
    mine->busy[w->steps] += now() - start;
}

static void timed_for(void *context, void (*task)(void *arg, uint32_t i), void *arg, uint32_t count) {
    watch *w = context;
    w->task = task;
    w->arg = arg;
    int64_t start = now();
    w->inner.parallel_for(w->inner.parallel_context, timed_task, w, count);
    w->now[w->steps].shared += now() - start;
    w->now[w->steps].readings += w->inner.workers + count; /* halves of two around it, and around each task */
}

static void end_step(void *context, uint32_t op, uint32_t y, uint32_t n, uint32_t x, uint32_t xn, const void *data,
                     uint32_t row_bytes, uint32_t layout) {
    (void)op, (void)y, (void)n, (void)x, (void)xn, (void)data, (void)row_bytes, (void)layout;
    watch *w = context;
    w->now[w->steps].wall = now() - w->last;
    if (++w->steps == MOST_STEPS) {
        fail("trace", "more steps than this program counts");
    }
    w->last = now();
}

static void run_once(session *s, const uint8_t *input, watch *w) {
    memset(w->now, 0, w->steps * sizeof *w->now);
    for (uint32_t i = 0; i < s->threads; i++) {
        memset(w->records[i].busy, 0, w->steps * sizeof w->records[i].busy[0]);
    }
    w->steps = 0;
    if (lnt_input(&s->net) == NULL) {
        w->last = now();
        infer(s, input);
    } else {
        memcpy(lnt_input(&s->net), input, lnt_input_bytes(&s->net));
        w->last = now();
        lnt_run(&s->net);
    }
    for (uint32_t i = 0; i < w->steps; i++) {
        step *best = &w->best[i];
        if (best->wall == 0 || w->now[i].wall < best->wall) {
            *best = w->now[i];
            for (uint32_t thread = 0; thread < s->threads; thread++) {
                best->busy += w->records[thread].busy[i];
            }
        }
    }
}

static void print(const session *s, const watch *alone, const watch *shared, long runs, int64_t reading) {
    int64_t one = 0, all = 0, whole = 0, waiting = 0;
    uint32_t steps_shared = 0;
    for (uint32_t i = 0; i < shared->steps; i++) {
        const step *best = &shared->best[i];
        one += alone->best[i].wall;
        all += best->wall;
        whole += best->wall - best->shared;
        waiting += best->shared * s->threads - best->busy - best->readings * reading;
        steps_shared += best->shared != 0;
    }
    printf("{\"threads\": %" PRIu32 ", \"runs\": %ld, \"kernels\": \"%s\", \"steps\": %" PRIu32
           ", \"steps_shared\": %" PRIu32 ", \"one_thread_ns\": %" PRId64 ", \"ns\": %" PRId64
           ", \"alone_ns\": %" PRId64 ", \"waiting_ns\": %" PRId64 "}\n",
           s->threads, runs, s->family, shared->steps, steps_shared, one, all, whole, waiting);
}

int main(int argc, char **argv) {
    if (argc < 4 || argc > 5) {
        fail("usage", "waiting MODEL.lnt THREADS RUNS [FAMILY]");
    }
    session s;
    settings wanted = {.model = argv[1], .kernels = argv[4], .threads = (uint32_t)strtoul(argv[2], NULL, 10)};
    long runs = strtol(argv[3], NULL, 10);
    open_session(&s, &wanted);
    uint8_t *input = allocate(lnt_input_bytes(&s.net));
    for (size_t i = 0; i < lnt_input_bytes(&s.net); i++) {
        input[i] = (uint8_t)(i * 2654435761u >> 24);
    }

    watch alone = {.now = allocate(MOST_STEPS * sizeof(step)), .best = allocate(MOST_STEPS * sizeof(step))};
    watch shared = {.now = allocate(MOST_STEPS * sizeof(step)), .best = allocate(MOST_STEPS * sizeof(step))};
    alone.records = shared.records = allocate(s.threads * sizeof(record));
    shared.inner = s.hooks;
    lnt_hooks hooks_alone = {.trace = end_step, .context = &alone};
    lnt_hooks hooks_shared = s.hooks;
    hooks_shared.trace = end_step;
    hooks_shared.context = hooks_shared.parallel_context = &shared;
    hooks_shared.parallel_for = timed_for;
    int64_t reading = clock_takes();
    for (long run = 0; run < runs; run++) {
        lnt_set_hooks(&s.net, &(lnt_hooks){0});
        infer(&s, input);
        lnt_set_hooks(&s.net, &hooks_alone);
        run_once(&s, input, &alone);
        lnt_set_hooks(&s.net, &s.hooks);
        infer(&s, input);
        lnt_set_hooks(&s.net, &hooks_shared);
        run_once(&s, input, &shared);
    }
    print(&s, &alone, &shared, runs, reading);
    return 0;
}
