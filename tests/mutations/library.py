"""Mutations of the C library but for its kernels: reading, checking, steps, strips, cutting, threads."""

from __future__ import annotations

from . import Mutation

THREADS = "tests/test_threads.py -k operator"
HOW_MANY = "tests/test_threads.py -k cut"
WORKERS = "tests/test_threads.py -k workers_in_c"

MUTATIONS = (
    Mutation("ring wrap", "kernels_c/src/internal.h", "(size_t)(y % rows->ring)", "(size_t)(y)"),
    Mutation(
        "strips: next columns",
        "kernels_c/src/strips.c",
        ".next = clip(end, width)",
        ".next = clip(end + 1, width)",
        "tests/test_checker_strips.py",
    ),
    Mutation(
        "strips: kept row",
        "kernels_c/src/strips.c",
        "(uint32_t)row % s->kept)",
        "(uint32_t)row % (s->kept + 1))",
        "tests/test_checker_strips.py",
    ),
    Mutation(
        "strips: handed on",
        "kernels_c/src/strips.c",
        "return i + s->kept >= s->kernel_h &&",
        "return i + s->kept > s->kernel_h &&",
        "tests/test_checker_strips.py",
    ),
    Mutation(
        "strips: traced once",
        "kernels_c/src/strips.c",
        "y > 0 && !is_new(s, i)",
        "y > 1 && !is_new(s, i)",
        "tests/test_checker_strips.py",
    ),
    Mutation(
        "checker: weights",
        "kernels_c/src/check.c",
        "bytes <= data_bytes - offset",
        "offset <= data_bytes",
        "tests/test_damage.py",
    ),
    Mutation(
        "checker: sums",
        "kernels_c/src/check.c",
        "sum_fits(bias, taps, 14,",
        "sum_fits(bias, taps, 4,",
        "tests/test_checker.py",
    ),
    Mutation(
        "checker: arena",
        "kernels_c/src/check.c",
        "(uint64_t)p->rows * p->row_bytes <= arena_bytes - p->offset",
        "p->offset <= arena_bytes",
        "tests/test_checker.py",
    ),
    Mutation(
        "checker: live rows",
        "kernels_c/src/check_steps.c",
        "w->lo <= rows.first && rows.first + rows.count <= w->hi",
        "rows.first + rows.count <= w->hi",
        "tests/test_checker.py",
    ),
    Mutation(
        "checker: kept rows",
        "kernels_c/src/check_steps.c",
        "w->lo < w->hi && w->hi == t->index",
        "w->lo < w->hi",
        "tests/test_checker_strips.py",
    ),
    Mutation(
        "checker: leading steps",
        "kernels_c/src/check_steps.c",
        "leads = step->y < lead;",
        "leads = step->y <= lead;",
        "tests/test_checker_strips.py",
    ),
    Mutation(
        "checker: strips are lost",
        "kernels_c/src/check_steps.c",
        "overlap(write, strip_place(&s))",
        "overlap(write, (span){0, 0})",
        "tests/test_checker_strips.py",
    ),
    Mutation(
        "checker: chains",
        "kernels_c/src/check.c",
        "computes_strips(writer) && chain_is_good(net, writer, reader) &&",
        "computes_strips(writer) &&",
        "tests/test_checker_strips.py",
    ),
    Mutation(
        "checker: kept at most",
        "kernels_c/src/check.c",
        "s.kept <= most_kept",
        "s.kept <= most_kept + 1",
        "tests/test_checker_strips.py",
    ),
    Mutation("crc", "kernels_c/src/check.c", "!= header->crc", "!= header->crc && 0", "tests/test_checker.py"),
    Mutation("crc: four bytes", "kernels_c/src/crc.c", "after[6][crc >> 4 & 15]", "after[5][crc >> 4 & 15]"),
    Mutation(
        "cut: rows",
        "kernels_c/src/cut.c",
        "cut(j->whole.n, i + 1, j->tasks) - part.y",
        "cut(j->whole.n, 1, j->tasks)",
        THREADS,
    ),
    Mutation(
        "cut: columns",
        "kernels_c/src/cut.c",
        "cut(j->whole.xn, i + 1, j->tasks) - part.x",
        "cut(j->whole.xn, 1, j->tasks)",
        THREADS,
    ),
    Mutation("cut: last channels", "kernels_c/src/cut.c", "end < j->whole.cn ? end : j->whole.cn", "end", THREADS),
    Mutation("cut: whole groups", "kernels_c/src/cut.c", "part.c = group * cut(", "part.c = cut(", THREADS),
    Mutation(
        "cut: the best axis",
        "kernels_c/src/cut.c",
        "most * best[1] < best[0] * parts",
        "most * best[1] > best[0] * parts",
        HOW_MANY,
    ),
    Mutation("cut: too little work", "kernels_c/src/cut.c", ">= hooks->least_work", "> hooks->least_work", HOW_MANY),
    Mutation("cut: work", "kernels_c/src/cut.c", "kind == LNT_OP_KIND_CONV ? p->in->channels : 1", "1", HOW_MANY),
    Mutation(
        "threads: the caller's task",
        "kernels_c/host/threads.c",
        "(UINT32_MAX >> (MOST_TASKS - count)) & ~1u",
        "UINT32_MAX >> (MOST_TASKS - count)",
        WORKERS,
    ),
    Mutation(
        "threads: more than 32 tasks",
        "kernels_c/host/threads.c",
        "t->task(t->arg, t->first + i)",
        "t->task(t->arg, i)",
        WORKERS,
    ),
    Mutation(
        "threads: all done",
        "kernels_c/host/threads.c",
        "while (atomic_load(&t->unfinished) != 0)",
        "while (false)",
        WORKERS,
    ),
    Mutation(
        "threads: waking",
        "kernels_c/host/threads.c",
        "pthread_cond_broadcast(&t->work)",
        "pthread_cond_signal(&t->done)",
        WORKERS,
    ),
    Mutation("threads: forks", "kernels_c/host/threads.c", "{ forks++; }", "{}", WORKERS),
    Mutation("threads: signals", "kernels_c/host/threads.c", "sigfillset(&all)", "sigemptyset(&all)", WORKERS),
)
