/* Hands tasks to the host library's worker threads in many sizes, awake and asleep, starts and stops them, forks. Made
 * to be compiled with -fsanitize=thread too: tasks write plain memory that the caller reads.
 *
 * Usage: threads [ROUNDS] */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "linnet_threads.h"

enum { MOST_THREADS = 5, MOST_TASKS = 40 };

static void fail(const char *what) {
    fprintf(stderr, "threads: %s\n", what);
    exit(1);
}

static void rest(long microseconds) {
    struct timespec time = {.tv_nsec = 1000 * microseconds};
    nanosleep(&time, NULL);
}

typedef struct work {
    uint32_t done[MOST_TASKS];
    uint32_t count;
    bool slow;
} work;

static void count_up(void *arg, uint32_t i) {
    work *w = arg;
    if (i >= w->count) {
        fail("a task that there is not");
    }
    if (w->slow) {
        rest(200); /* longer than anyone stays awake */
    }
    w->done[i]++;
}

static void run(const lnt_hooks *hooks, uint32_t count, bool slow) {
    work w = {.count = count, .slow = slow};
    for (uint32_t turn = 1; turn <= 3; turn++) {
        hooks->parallel_for(hooks->parallel_context, count_up, &w, count);
        for (uint32_t i = 0; i < MOST_TASKS; i++) {
            if (w.done[i] != (i < count ? turn : 0)) {
                fail("a task did not run exactly once");
            }
        }
    }
}

/* Every task waits for all the others to have begun, which takes as many threads; workers take no signals. */
typedef struct meeting {
    atomic_uint arrived;
    uint32_t count;
    pthread_t caller;
    atomic_uint open_to_signals;
} meeting;

static void meet(void *arg, uint32_t i) {
    (void)i;
    meeting *m = arg;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    if (!pthread_equal(pthread_self(), m->caller) && sigismember(&blocked, SIGINT) != 1) {
        atomic_store(&m->open_to_signals, 1);
    }
    atomic_fetch_add(&m->arrived, 1);
    for (int patience = 20000; atomic_load(&m->arrived) < m->count; patience--) {
        if (patience == 0) {
            fail("tasks do not run side by side");
        }
        rest(1000);
    }
}

static void run_side_by_side(const lnt_hooks *hooks) {
    meeting m = {.count = hooks->workers, .caller = pthread_self()};
    hooks->parallel_for(hooks->parallel_context, meet, &m, m.count);
    if (atomic_load(&m.open_to_signals)) {
        fail("a worker takes signals");
    }
}

static void run_in_a_child(lnt_threads *threads, const lnt_hooks *hooks) {
    pid_t child = fork();
    if (child == 0) {
        alarm(60); /* workers that it does not have would be awaited for ever */
        run(hooks, 7, false);
        lnt_threads_stop(threads);
        _exit(0);
    }
    int status = 1;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        fail("the forked child failed");
    }
}

static void refuse(lnt_threads *memory) {
    if (lnt_threads_start(memory, 0) != LNT_ERR_ARGUMENT || lnt_threads_start(NULL, 2) != LNT_ERR_ARGUMENT ||
        lnt_threads_start(memory, LNT_MAX_THREADS + 1) != LNT_ERR_ARGUMENT ||
        lnt_threads_start((lnt_threads *)(void *)((char *)memory + 16), 2) != LNT_ERR_ARGUMENT) {
        fail("a wrong argument was taken");
    }
    lnt_threads_stop(NULL);
}

int main(int argc, char **argv) {
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 20;
    size_t bytes = (lnt_threads_bytes(MOST_THREADS) + LNT_PACK_ALIGN - 1) / LNT_PACK_ALIGN * LNT_PACK_ALIGN;
    lnt_threads *threads = aligned_alloc(LNT_PACK_ALIGN, bytes);
    if (threads == NULL) {
        fail("out of memory");
    }
    refuse(threads);
    for (long round = 0; round < rounds; round++) {
        lnt_hooks hooks = {0};
        uint32_t count = 1 + (uint32_t)round % MOST_THREADS;
        if (lnt_threads_start(threads, count) != LNT_OK) {
            fail("threads do not start");
        }
        lnt_threads_hooks(threads, &hooks);
        if (hooks.workers != count) {
            fail("another number of workers");
        }
        for (uint32_t tasks = 0; tasks <= MOST_TASKS; tasks++) {
            run(&hooks, tasks, tasks % 8 == 7);
            if (tasks % 4 == 3) {
                rest(100); /* until some sleep */
            }
        }
        run_side_by_side(&hooks);
        run_in_a_child(threads, &hooks);
        run(&hooks, count, false);
        lnt_threads_stop(threads);
        lnt_threads_stop(threads);
    }
    free(threads);
    puts("good");
    return 0;
}
