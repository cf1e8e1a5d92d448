/* A plugin for QEMU's M-profile machines: what kinds of instructions run between two marks of the program.
 *
 *     qemu-system-arm -plugin classes.so,from=ADDRESS,to=ADDRESS,out=FILE ...
 *
 * Each time the function at `to` is called FILE gets a line: how many of each class have run so far between calls of
 * the function at `from` and of that at `to`, in the order of enum class. Branches that are taken are counted beside
 * their own class, and so are registers that multiple loads and stores move.
 *
 * Plugin interface 1 (QEMU 6.0 to 8.2); what is used of it is declared here, after
 * https://www.qemu.org/docs/master/devel/tcg-plugins.html. Encodings: ARM DDI 0403 and DDI 0553. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
struct qemu_info_t;

extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                                  void (*translated)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
                                                 void (*executed)(unsigned int cpu, void *data),
                                                 enum qemu_plugin_cb_flags flags, void *data);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

EXPORTED int qemu_plugin_version = 1;
EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv);

enum class {
    OTHER,
    LOAD,
    STORE,
    MULTIPLE,
    MULTIPLY,
    LONG_MULTIPLY,
    DIVIDE,
    BRANCH,
    FLOAT,
    VECTOR,
    VECTOR_MEMORY,
    LOOP_END,
    TAKEN,
    REGISTERS,
    CLASSES
};

/* What a translated block adds each time it is entered. */
typedef struct block {
    uint64_t start;
    uint64_t end;
    uint32_t counts[CLASSES];
    bool branches;
} block;

static uint64_t totals[CLASSES];
static uint64_t from, to;
static FILE *out;
static bool counting;
static const block *before;

static enum class narrow(uint32_t h, uint32_t *registers) {
    if ((h & 0xF600) == 0xB400) { /* PUSH, POP */
        *registers = (uint32_t)__builtin_popcount(h & 0x1FF);
        return MULTIPLE;
    }
    if ((h & 0xF000) == 0xC000) { /* STM, LDM */
        *registers = (uint32_t)__builtin_popcount(h & 0xFF);
        return MULTIPLE;
    }
    if ((h & 0xFFC0) == 0x4340) {
        return MULTIPLY;
    }
    if (((h & 0xF000) == 0xD000 && (h & 0x0E00) != 0x0E00) || (h & 0xF800) == 0xE000 || (h & 0xFF00) == 0x4700 ||
        (h & 0xF500) == 0xB100) { /* B, BX, BLX, CBZ, CBNZ */
        return BRANCH;
    }
    if ((h & 0xF800) == 0x4800) {
        return LOAD;
    }
    if ((h & 0xF000) == 0x5000) {
        return (h & 0x0E00) < 0x0600 ? STORE : LOAD;
    }
    if ((h & 0xE000) == 0x6000 || (h & 0xE000) == 0x8000) {
        return h & 0x0800 ? LOAD : STORE;
    }
    return OTHER;
}

static enum class wide(uint32_t h, uint32_t h2, uint32_t *registers) {
    if ((h & 0xEC00) == 0xEC00) { /* coprocessors: floating point and MVE */
        if ((h & 0xF000) == 0xE000 && (h2 & 0x0E00) == 0x0A00) {
            return (h & 0x0200) ? FLOAT : h & 0x0010 ? LOAD : STORE;
        }
        return h & 0x0200 ? VECTOR : VECTOR_MEMORY;
    }
    if ((h & 0xFE40) == 0xE800) {
        *registers = (uint32_t)__builtin_popcount(h2);
        return MULTIPLE;
    }
    if ((h & 0xFE40) == 0xE840) {
        if ((h & 0xFFF0) == 0xE8D0 && (h2 & 0x00E0) == 0) { /* TBB, TBH */
            return BRANCH;
        }
        *registers = 2;
        return MULTIPLE;
    }
    if ((h & 0xFE00) == 0xF800) {
        return h & 0x0010 ? LOAD : STORE;
    }
    if ((h & 0xFF80) == 0xFB00) {
        return MULTIPLY;
    }
    if ((h & 0xFF80) == 0xFB80) {
        return (h & 0xFFD0) == 0xFB90 && (h2 & 0x00F0) == 0x00F0 ? DIVIDE : LONG_MULTIPLY;
    }
    if ((h & 0xF800) == 0xF000 && (h2 & 0x8000) != 0) {
        if ((h2 & 0xD001) == 0xC001) { /* DLS, WLS; LE, LETP */
            return h & 0x0040 ? OTHER : LOOP_END;
        }
        return (h2 & 0x5000) != 0 || (h & 0x0380) != 0x0380 ? BRANCH : OTHER;
    }
    return OTHER;
}

static void executed(unsigned int cpu, void *data) {
    (void)cpu;
    const block *b = data;
    if (counting && before && before->branches && b->start != before->end) {
        totals[TAKEN]++;
    }
    before = b;
    if (b->start == from) {
        counting = true;
    }
    if (counting) {
        for (int i = 0; i < CLASSES; i++) {
            totals[i] += b->counts[i];
        }
    }
    if (b->start == to) {
        counting = false;
        for (int i = 0; i < CLASSES; i++) {
            fprintf(out, "%" PRIu64 "%c", totals[i], i + 1 < CLASSES ? ' ' : '\n');
        }
        fflush(out);
    }
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    block *b = calloc(1, sizeof *b);
    if (b == NULL) {
        abort();
    }
    size_t count = qemu_plugin_tb_n_insns(tb);
    for (size_t i = 0; i < count; i++) {
        const struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        const uint8_t *bytes = qemu_plugin_insn_data(insn);
        size_t size = qemu_plugin_insn_size(insn);
        uint32_t h = bytes[0] | (uint32_t)bytes[1] << 8;
        uint32_t registers = 0;
        enum class found = size == 2 ? narrow(h, &registers) : wide(h, bytes[2] | (uint32_t)bytes[3] << 8, &registers);
        b->counts[found]++;
        b->counts[REGISTERS] += registers;
        b->start = i == 0 ? qemu_plugin_insn_vaddr(insn) : b->start;
        b->end = qemu_plugin_insn_vaddr(insn) + size;
        b->branches = found == BRANCH || found == MULTIPLE; /* POP {pc} is one too; LE costs nothing */
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_NO_REGS, b);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "from=", 5) == 0) {
            from = strtoull(argv[i] + 5, NULL, 0);
        } else if (strncmp(argv[i], "to=", 3) == 0) {
            to = strtoull(argv[i] + 3, NULL, 0);
        } else if (strncmp(argv[i], "out=", 4) == 0) {
            out = fopen(argv[i] + 4, "w");
        }
    }
    if (from == 0 || to == 0 || out == NULL) {
        fprintf(stderr, "classes: wants from=ADDRESS,to=ADDRESS,out=FILE\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
