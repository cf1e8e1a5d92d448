/* Worker threads for a net on Linux or macOS: lnt_hooks.parallel_for, ready made. Firmware does not have this.
 *
 *     void *memory = aligned_alloc(LNT_PACK_ALIGN, lnt_threads_bytes(4));
 *     lnt_threads *threads = memory;
 *     lnt_hooks hooks = {0};
 *     if (lnt_threads_start(threads, 4) == LNT_OK) {
 *         lnt_threads_hooks(threads, &hooks);
 *         lnt_set_hooks(&net, &hooks);
 *         ...
 *         lnt_set_hooks(&net, NULL);
 *         lnt_threads_stop(threads);
 *     }
 */
#ifndef LINNET_THREADS_H
#define LINNET_THREADS_H

#include "linnet.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LNT_MAX_THREADS 256

typedef struct lnt_threads lnt_threads;

/* How much memory so many threads want, the caller's own counted. It starts on a multiple of LNT_PACK_ALIGN and stays
 * where it is until lnt_threads_stop(). */
LNT_API size_t lnt_threads_bytes(uint32_t count);

/* Start count - 1 workers; the thread that runs the net is the last. Workers wait for the next step awake for a few
 * microseconds and then asleep, and block all signals. Fails with LNT_ERR_ARGUMENT (a count outside 1 to
 * LNT_MAX_THREADS, memory that is null or not aligned) or LNT_ERR_THREADS. */
LNT_API int lnt_threads_start(lnt_threads *threads, uint32_t count);

/* Set parallel_for, parallel_context, workers and least_work of hooks, which may serve several nets, one running at a
 * time. After a fork the child has no workers: there the same hooks do everything in the calling thread. */
LNT_API void lnt_threads_hooks(lnt_threads *threads, lnt_hooks *hooks);

/* Stop the workers and wait until they are gone; no net may be running. In a forked child it does nothing. */
LNT_API void lnt_threads_stop(lnt_threads *threads);

#ifdef __cplusplus
}
#endif

#endif
