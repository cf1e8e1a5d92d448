/* linnet-run: runs a .lnt file on a board without Python. Statically linked; needs nothing but the kernel. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "linnet_threads.h"
#include "machine.h"
#include "measure.h"

static const char usage[] =
    "usage: linnet-run MODEL.lnt INPUT...        answers, as JSON\n"
    "       linnet-run MODEL.lnt --stream        inputs one after another on stdin, an answer a line on stdout\n"
    "       linnet-run MODEL.lnt --bench N INPUT time N inferences\n"
    "       linnet-run --info                    the processor, and the kernels that run on it\n"
    "INPUT: .npy, PPM, PGM or bare bytes, of the network's own size; - for stdin\n"
    "  --kernels NAME  a family of --info (default: the first)\n"
    "  --threads N     (default: 1)\n"
    "  --arena BYTES   run in so much memory (default: as the fastest plan wants)\n"
    "  --operator I    values of this operator instead of the answer\n"
    "  --hashes        a hash of every operator's output\n"
    "  --warmup N      inferences ahead of --bench that do not count (default: 3)\n"
    "  --profile N     after --bench, N inferences timed operator by operator\n"
    "  --marks         run for a counter of instructions, tasks of a step one after another\n";

/* Of inferences and the like: their times must fit memory. */
enum { MOST = 1000000 };

typedef struct options {
    settings settings;
    const char **inputs;
    uint32_t input_count;
    uint32_t runs;
    uint32_t warmup;
    uint32_t profile;
    uint32_t op; /* UINT32_MAX: the last */
    bool stream;
    bool hashes;
    bool marks;
} options;

static uint32_t number(const char *option, const char *text) {
    char *end = NULL;
    unsigned long value = text ? strtoul(text, &end, 10) : 0;
    if (text == NULL || *text < '0' || *text > '9' || *end || value > 0x7FFFFFFF) {
        fail(option, "wants a number after it");
    }
    return (uint32_t)value;
}

/* Takes an option and its argument; how many words that were, 0 where it is none. */
static int take_option(options *o, const char *word, const char *next) {
    if (strcmp(word, "--stream") == 0) {
        return o->stream = true;
    }
    if (strcmp(word, "--hashes") == 0) {
        return o->hashes = true;
    }
    if (strcmp(word, "--marks") == 0) {
        return o->marks = true;
    }
    if (strcmp(word, "--kernels") == 0) {
        if (next == NULL) {
            fail(word, "wants a name after it");
        }
        o->settings.kernels = next;
        return 2;
    }
    if (strcmp(word, "--arena") == 0) {
        o->settings.arena_bytes = number(word, next);
        return 2;
    }
    const struct {
        const char *name;
        uint32_t *value;
    } numbers[] = {{"--threads", &o->settings.threads},
                   {"--bench", &o->runs},
                   {"--warmup", &o->warmup},
                   {"--profile", &o->profile},
                   {"--operator", &o->op}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(word, numbers[i].name) == 0) {
            *numbers[i].value = number(word, next);
            if (*numbers[i].value > MOST) {
                fail(word, "wants a smaller number");
            }
            return 2;
        }
    }
    return 0;
}

static options parse(int argc, char **argv) {
    options o = {.settings.threads = 1, .warmup = 3, .op = UINT32_MAX};
    o.inputs = allocate((uint64_t)argc * sizeof *o.inputs);
    for (int i = 1; i < argc;) {
        int taken = take_option(&o, argv[i], argv[i + 1]);
        if (taken != 0) {
            i += taken;
            continue;
        }
        if (argv[i][0] == '-' && argv[i][1] != 0) {
            fail(argv[i], "there is no such option; `linnet-run` alone lists them");
        }
        if (o.settings.model == NULL) {
            o.settings.model = argv[i++];
        } else {
            o.inputs[o.input_count++] = argv[i++];
        }
    }
    if (o.settings.model == NULL || o.stream == (o.input_count != 0)) {
        fputs(usage, stderr);
        exit(2);
    }
    if (o.input_count > 1 && (o.runs != 0 || o.profile != 0 || o.hashes || o.marks)) {
        fail(o.inputs[1], "times, hashes and marks are of one input");
    }
    return o;
}

static void answer(session *s, const uint8_t *input, values *v) {
    uint64_t start = nanoseconds();
    infer_values(s, input, v);
    printf("\"nanoseconds\":%" PRIu64 ",\"values\":", nanoseconds() - start);
    print_values(stdout, v);
}

static void stream(session *s, values *v) {
    size_t bytes = lnt_input_bytes(&s->net);
    uint8_t *input = allocate(bytes);
    while (next_input(stdin, input, bytes)) {
        printf("{");
        answer(s, input, v);
        printf("}\n");
        fflush(stdout);
    }
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--info") == 0) {
        print_machine(stdout, (uintptr_t)linnet_mark);
        return 0;
    }
    options o = parse(argc, argv);
    session s;
    uint32_t threads = o.settings.threads;
    if (o.marks) {
        o.settings.threads = threads != 0 && threads <= LNT_MAX_THREADS; /* 0 is refused */
    }
    open_session(&s, &o.settings);
    values v = make_values(&s, o.op == UINT32_MAX ? s.net.op_count - 1u : o.op);
    if (o.stream) {
        stream(&s, &v);
        return 0;
    }
    const uint8_t *input = read_input(&s, o.inputs[0]);
    printf("{");
    print_session(stdout, &s, o.settings.model);
    printf(",\n\"answers\":[");
    for (uint32_t i = 0; i < o.input_count; i++) {
        printf(i ? ",\n{\"input\":" : "\n{\"input\":");
        print_string(stdout, o.inputs[i]);
        printf(",");
        answer(&s, i ? read_input(&s, o.inputs[i]) : input, &v);
        printf("}");
    }
    printf("\n]");
    if (o.runs != 0) {
        printf(",\n");
        print_times(stdout, &s, input, o.warmup, o.runs);
    }
    if (o.profile != 0) {
        printf(",\n");
        print_profile(stdout, &s, input, o.profile);
    }
    if (o.hashes) {
        printf(",\n");
        print_hashes(stdout, &s, input);
    }
    if (o.marks) {
        printf(",\n");
        print_marks(stdout, &s, input, threads);
    }
    printf("}\n");
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
