/* Persistent worker threads. Each begins with its own share of a step's tasks, so that what it computed in the step
 * before is in its cache, and goes on with what others have not begun: a worker that wakes late, or never, costs the
 * others its share of the work but no waiting. */
#define _POSIX_C_SOURCE 200809L /* NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

#include "linnet_threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

/* How long to stay awake before going to sleep: about what being woken takes, and longer than most of what a network
 * does between two steps for all threads. */
enum { AWAKE_NS = 50000, PAUSES = 16 };

/* As cut.c counts work. Done in about a microsecond with AVX-512, which is what sharing a step costs, in 3 to 100 with
 * other kernels of x86-64: those could share smaller steps too, but tall ones are seldom smaller. */
#if defined(__x86_64__)
enum { LEAST_WORK = 800000 };
#else
enum { LEAST_WORK = 100000 };
#endif

enum { MOST_TASKS = 32 }; /* at a time: bits of `unclaimed` */

typedef struct worker {
    pthread_t thread;
    lnt_threads *threads;
    uint32_t number; /* from 1 on; the caller is 0 */
    uint32_t of;     /* how many threads there are, the caller's counted */
} worker;

struct lnt_threads {
    /* In one cache line: whoever takes a task has read what it is. */
    atomic_uint unclaimed; /* a bit for each task that nobody has taken */
    atomic_uint unfinished;
    atomic_uint count; /* how many there were */
    uint32_t first; /* which task bit 0 is; this, task and arg are written while unclaimed is 0, read after a claim */
    void (*task)(void *arg, uint32_t i);
    void *arg;
    atomic_uint sleepers;
    atomic_uint caller_sleeps;
    pthread_mutex_t mutex;
    pthread_cond_t work;
    pthread_cond_t done;
    unsigned forks; /* as they were when it started */
    bool stopping;
    uint32_t workers;
    worker worker[];
};

/* How often this process has been forked off, on the way from the first that started a pool: a child has no workers.
 * Comparing getpid() would be a system call for every step. */
static unsigned forks;

static void forked(void) { forks++; }

static void watch_forks(void) { pthread_atfork(NULL, NULL, forked); }

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || (defined(__ARM_ARCH) && __ARM_ARCH >= 7)
    __asm__ volatile("yield");
#endif
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Stay awake until value is zero, or until it is not; false where that takes too long. */
static bool comes_soon(const atomic_uint *value, bool zero) {
    int64_t end = 0;
    for (;;) {
        for (int i = 0; i < PAUSES; i++) {
            if ((atomic_load_explicit(value, memory_order_acquire) == 0) == zero) {
                return true;
            }
            pause_briefly();
        }
        int64_t time = now();
        end = end ? end : time + AWAKE_NS;
        if (time >= end) {
            return false;
        }
    }
}

/* Take the first task from this one on, or else the first of all; false where none is left. */
static bool claim(lnt_threads *t, uint32_t from, uint32_t *i) {
    uint32_t left = atomic_load(&t->unclaimed);
    while (left != 0) {
        uint32_t behind = left >> from << from;
        *i = (uint32_t)__builtin_ctz(behind ? behind : left);
        if (atomic_compare_exchange_weak(&t->unclaimed, &left, left & ~(1u << *i))) {
            return true;
        }
    }
    return false;
}

/* Run task i, then others until none is left: behind it, then from the start. */
static void run_tasks(lnt_threads *t, uint32_t i) {
    for (;;) {
        t->task(t->arg, t->first + i);
        if (atomic_fetch_sub(&t->unfinished, 1) == 1 && atomic_load(&t->caller_sleeps)) {
            pthread_mutex_lock(&t->mutex);
            pthread_cond_signal(&t->done);
            pthread_mutex_unlock(&t->mutex);
        }
        if (!claim(t, i, &i)) {
            return;
        }
    }
}

/* Sleep until there are tasks; false when the workers are to stop. A sleeper first says that it sleeps and then looks
 * for tasks, a caller first has tasks and then looks for sleepers: one of them sees the other. Who is woken too late
 * for a step does not sleep on, but awaits the next one awake: else it would be late for all of them. */
static bool sleep_for_work(lnt_threads *t) {
    pthread_mutex_lock(&t->mutex);
    atomic_fetch_add(&t->sleepers, 1);
    if (atomic_load(&t->unclaimed) == 0 && !t->stopping) {
        pthread_cond_wait(&t->work, &t->mutex);
    }
    atomic_fetch_sub(&t->sleepers, 1);
    bool stopping = t->stopping;
    pthread_mutex_unlock(&t->mutex);
    return !stopping;
}

static void *work(void *arg) {
    worker *w = arg;
    lnt_threads *t = w->threads;
    do {
        uint32_t i;
        if (claim(t, atomic_load_explicit(&t->count, memory_order_relaxed) * w->number / w->of, &i)) {
            run_tasks(t, i);
        }
    } while (comes_soon(&t->unclaimed, false) || sleep_for_work(t));
    return NULL;
}

static void sleep_until_done(lnt_threads *t) {
    pthread_mutex_lock(&t->mutex);
    atomic_store(&t->caller_sleeps, 1);
    while (atomic_load(&t->unfinished) != 0) {
        pthread_cond_wait(&t->done, &t->mutex);
    }
    atomic_store(&t->caller_sleeps, 0);
    pthread_mutex_unlock(&t->mutex);
}

/* Up to MOST_TASKS tasks, of which the caller has the first. */
static void share(lnt_threads *t, uint32_t count) {
    atomic_store_explicit(&t->unfinished, count, memory_order_relaxed);
    atomic_store_explicit(&t->count, count, memory_order_relaxed);
    atomic_store(&t->unclaimed, (UINT32_MAX >> (MOST_TASKS - count)) & ~1u);
    if (atomic_load(&t->sleepers) != 0) {
        pthread_mutex_lock(&t->mutex);
        pthread_cond_broadcast(&t->work);
        pthread_mutex_unlock(&t->mutex);
    }
    run_tasks(t, 0);
    if (!comes_soon(&t->unfinished, true)) {
        sleep_until_done(t);
    }
}

static void parallel_for(void *context, void (*task)(void *arg, uint32_t i), void *arg, uint32_t count) {
    lnt_threads *t = context;
    if (count < 2 || t->workers == 0 || t->forks != forks) { /* after a fork even the mutex may be held for ever */
        for (uint32_t i = 0; i < count; i++) {
            task(arg, i);
        }
        return;
    }
    t->task = task;
    t->arg = arg;
    for (t->first = 0; t->first < count; t->first += MOST_TASKS) {
        share(t, count - t->first < MOST_TASKS ? count - t->first : MOST_TASKS);
    }
}

size_t lnt_threads_bytes(uint32_t count) { return sizeof(lnt_threads) + (count ? count - 1 : 0) * sizeof(worker); }

int lnt_threads_start(lnt_threads *threads, uint32_t count) {
    if (threads == NULL || (uintptr_t)threads % LNT_PACK_ALIGN != 0 || count == 0 || count > LNT_MAX_THREADS) {
        return LNT_ERR_ARGUMENT;
    }
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    *threads = (lnt_threads){.forks = forks};
    if (count == 1) {
        return LNT_OK;
    }
    sigset_t all;
    sigset_t before;
    pthread_mutex_init(&threads->mutex, NULL); /* on the systems that this is for the three cannot fail */
    pthread_cond_init(&threads->work, NULL);
    pthread_cond_init(&threads->done, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* inherited: signals stay with the caller's threads */
    while (threads->workers < count - 1) {
        worker *w = &threads->worker[threads->workers];
        *w = (worker){.threads = threads, .number = threads->workers + 1, .of = count};
        if (pthread_create(&w->thread, NULL, work, w) != 0) {
            break;
        }
        threads->workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (threads->workers < count - 1) {
        lnt_threads_stop(threads);
        return LNT_ERR_THREADS;
    }
    return LNT_OK;
}

void lnt_threads_hooks(lnt_threads *threads, lnt_hooks *hooks) {
    if (threads != NULL && hooks != NULL) {
        hooks->parallel_for = parallel_for;
        hooks->parallel_context = threads;
        hooks->workers = threads->workers + 1;
        hooks->least_work = LEAST_WORK;
    }
}

void lnt_threads_stop(lnt_threads *threads) {
    if (threads == NULL || threads->workers == 0 || threads->forks != forks) {
        return;
    }
    pthread_mutex_lock(&threads->mutex);
    threads->stopping = true;
    pthread_cond_broadcast(&threads->work);
    pthread_mutex_unlock(&threads->mutex);
    while (threads->workers != 0) {
        pthread_join(threads->worker[--threads->workers].thread, NULL);
    }
    pthread_cond_destroy(&threads->done);
    pthread_cond_destroy(&threads->work);
    pthread_mutex_destroy(&threads->mutex);
}
