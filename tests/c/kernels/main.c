/* Compares kernels with the portable ones, byte by byte, on random operators, places and ranges.
 *
 * Usage: check_kernels [--family NAME] [--kernel NAME] [--seed N] [--cases N] [--case K] [--small] [--list] [--json]
 *   --family NAME  the kernels of one family (default: of all that run here; ref: the portable ones themselves)
 *   --kernel NAME  one kernel
 *   --seed N       printed always; the same seed makes the same cases
 *   --cases N      how many for each kernel (default 300)
 *   --case K       this one only
 *   --small        cases that a microcontroller's memory holds (always so where there is no operating system)
 *   --list         say which kernels there are
 *   --verbose      say what each case is before it runs
 *   --json         one object for each kernel, a line each
 *   --bench        time on the layers of MobileNetV2 instead (--list: which these are), and the ratio to the portable
 *                  kernel
 *   --layer K      of --bench: this one only
 *   --repeat N     of --bench: run N times and measure nothing, so that instructions can be counted from outside
 *   --baseline     of --repeat: make everything ready and do not run */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "check.h"
#include "crash.h"
#include "memory.h"
#include "ref/ref.h"

#if defined(__unix__) || defined(__APPLE__)
enum { HAS_SYSTEM = 1 };
#else
enum { HAS_SYSTEM = 0 };
#endif

enum { MAX_KERNELS = 256 };

typedef struct options {
    const char *family;
    const char *kernel;
    uint64_t seed;
    uint32_t cases;
    int64_t only;
    bool small;
    bool list;
    bool json;
    bool bench;
    bench_options of_bench;
} options;

static const lnt_kernel *const ref_kernels[] = {LNT_REF_KERNELS};
static char repeat_text[256];

static void fail(const char *what, const char *why) {
    fprintf(stderr, "check_kernels: %s: %s\n", what, why);
    exit(1);
}

static uint64_t number(const char *option, const char *text) {
    char *end;
    uint64_t value = text ? strtoull(text, &end, 0) : 0;
    if (text == NULL || *text == '\0' || *end != '\0') {
        fail(option, "give a number behind it");
    }
    return value;
}

static options parse(int argc, char **argv) {
    options o = {.cases = 300,
                 .only = -1,
                 .small = !HAS_SYSTEM,
                 .of_bench = {.layer = -1},
                 .seed = HAS_SYSTEM ? (uint64_t)time(NULL) : 1};
    for (int i = 1; i < argc; i++) {
        const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        i++;
        if (strcmp(option, "--family") == 0 && value) {
            o.family = value;
        } else if (strcmp(option, "--kernel") == 0 && value) {
            o.kernel = value;
        } else if (strcmp(option, "--seed") == 0) {
            o.seed = number(option, value);
        } else if (strcmp(option, "--cases") == 0) {
            o.cases = (uint32_t)number(option, value);
        } else if (strcmp(option, "--case") == 0) {
            o.only = (int64_t)number(option, value);
        } else if (strcmp(option, "--layer") == 0) {
            o.of_bench.layer = (int64_t)number(option, value);
        } else if (strcmp(option, "--repeat") == 0) {
            o.of_bench.repeat = (uint32_t)number(option, value);
        } else {
            i--;
            if (strcmp(option, "--small") == 0) {
                o.small = true;
            } else if (strcmp(option, "--list") == 0) {
                o.list = true;
            } else if (strcmp(option, "--json") == 0) {
                o.json = true;
            } else if (strcmp(option, "--bench") == 0) {
                o.bench = true;
            } else if (strcmp(option, "--baseline") == 0) {
                o.of_bench.baseline = true;
            } else if (strcmp(option, "--verbose") == 0) {
                check_verbose = true;
            } else {
                fail(option, "usage: check_kernels [--family NAME] [--kernel NAME] [--seed N] [--cases N] [--case K] "
                             "[--small] [--list] [--verbose] [--json] [--bench [--layer K] [--repeat N [--baseline]]]");
            }
        }
    }
    return o;
}

static const lnt_kernel *ref_of(uint32_t kind) {
    for (size_t i = 0;; i++) {
        if (ref_kernels[i]->kind == kind) {
            return ref_kernels[i];
        }
    }
}

/* Kernels that are in several lists are tried once. */
static uint32_t find_subjects(const options *o, subject subjects[MAX_KERNELS]) {
    uint32_t count = 0;
    for (const lnt_family *const *f = lnt_families; *f; f++) {
        if (o->family ? strcmp((*f)->name, o->family) != 0 : !lnt_runs_here(*f) || strcmp((*f)->name, "ref") == 0) {
            continue;
        }
        if (!lnt_runs_here(*f)) {
            fail(o->family, "this family does not run on this processor");
        }
        for (const lnt_kernel *const *k = (*f)->kernels; *k; k++) {
            subject s = {*f, *k, ref_of((*k)->kind)};
            bool known = s.kernel == s.ref && strcmp((*f)->name, "ref") != 0;
            for (uint32_t i = 0; i < count; i++) {
                known |= subjects[i].kernel == *k;
            }
            if (!known && (o->kernel == NULL || strcmp((*k)->name, o->kernel) == 0) && count < MAX_KERNELS) {
                subjects[count++] = s;
            }
        }
    }
    return count;
}

static void report(const options *o, const subject *s, uint32_t cases, const char *message) {
    if (o->json) {
        printf("{\"family\": \"%s\", \"kernel\": \"%s\", \"cases\": %lu, \"seed\": %llu, \"ok\": %s, \"message\": "
               "\"%s\", \"case\": \"%s\"}\n",
               s->family->name, s->kernel->name, (unsigned long)cases, (unsigned long long)o->seed,
               message[0] ? "false" : "true", message, message[0] ? check_text : "");
        return;
    }
    printf("%-10s %-28s %5lu cases  %s\n", s->family->name, s->kernel->name, (unsigned long)cases,
           message[0] ? "WRONG" : "ok");
    if (message[0]) {
        printf("    %s\n    %s\n    repeat: %s\n", message, check_text, repeat_text);
    }
}

static bool check_kernel(const options *o, const subject *s, const limits *l) {
    char message[512] = "";
    uint32_t first = o->only < 0 ? 0 : (uint32_t)o->only, end = o->only < 0 ? o->cases : first + 1, done = 0;
    bool right = true;
    for (uint32_t i = first; i < end && right; i++) {
        bool taken;
        snprintf(repeat_text, sizeof repeat_text, "check_kernels --family %s --kernel %s --seed %llu --case %lu%s",
                 s->family->name, s->kernel->name, (unsigned long long)o->seed, (unsigned long)i,
                 o->small && HAS_SYSTEM ? " --small" : "");
        right = check_case(s, l, o->seed, i, &taken, message, sizeof message);
        if (right && !taken) {
            snprintf(message, sizeof message, "it takes none of many random operators of its kind, or only large ones");
            right = false;
        }
        done++;
    }
    report(o, s, done, message);
    fflush(stdout);
    return right;
}

int main(int argc, char **argv) {
    static subject subjects[MAX_KERNELS];
    options o = parse(argc, argv);
    limits l = o.small ? (limits){.weights = 24576, .rows = 32768, .macs = 100000}
                       : (limits){.weights = 1 << 19, .rows = 1 << 19, .macs = 1000000};
    uint32_t count = find_subjects(&o, subjects);
    if (o.list && o.bench) {
        bench_list_layers();
        return 0;
    }
    if (o.list) {
        for (uint32_t i = 0; i < count; i++) {
            printf("%-10s %s\n", subjects[i].family->name, subjects[i].kernel->name);
        }
        return 0;
    }
    if (count == 0 && (o.family || o.kernel)) {
        fail(o.kernel ? o.kernel : o.family, "no such kernel runs here (--list)");
    }
    if (!memory_start(HAS_SYSTEM ? (size_t)64 << 20 : (size_t)320 << 10)) {
        fail("memory", "there is too little");
    }
    crash_explain(check_text, repeat_text);
    o.of_bench.json = o.json;
    o.of_bench.rows = o.small ? 49152 : 1 << 24;
    if (!o.json && !o.bench) {
        printf("seed %llu\n", (unsigned long long)o.seed);
        fflush(stdout);
    }
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < count; i++) {
        wrong += !(o.bench ? bench_kernel(&subjects[i], &o.of_bench) : check_kernel(&o, &subjects[i], &l));
    }
    if (wrong != 0) {
        fprintf(stderr, "check_kernels: %lu of %lu kernels are wrong\n", (unsigned long)wrong, (unsigned long)count);
    }
    return wrong != 0;
}
