#include "server.h"

#include <string.h>

#include "frame.h"
#include "port.h"

enum { HELLO = 1, BEGIN = 2, ROWS = 3, FINISH = 4, OUTPUT = 5, OPERATORS = 6, ANSWER = 0x80, REFUSED = 0xFF };
enum { WRONG_TYPE = -100, WRONG_LENGTH = -101, WRONG_SEQUENCE = -102 };
enum { WITH_OPERATORS = 1 };

typedef struct operator_record {
    uint32_t hash;
    uint32_t cycles[2]; /* low and high half */
} operator_record;

static struct {
    lnt_net *net;
    uint8_t request[FRAME_OTHER + SERVER_REQUEST_BYTES];
    uint8_t answer[FRAME_OTHER + SERVER_ANSWER_BYTES];
    uint32_t answer_bytes; /* payload of the last answer; it may have to be sent again */
    uint16_t sequence;
    operator_record operators[LNT_OPERATORS];
    uint64_t cycles;  /* of the whole run */
    uint32_t since;   /* when the operator that runs now began */
    uint32_t reading; /* what reading the clock takes */
} server;

static void put16(uint32_t value) {
    uint8_t *to = server.answer + FRAME_HEADER + server.answer_bytes;
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
    server.answer_bytes += 2;
}

static void put32(uint32_t value) {
    put16(value & 0xFFFF);
    put16(value >> 16);
}

static void put_bytes(const void *bytes, uint32_t count) {
    memcpy(server.answer + FRAME_HEADER + server.answer_bytes, bytes, count);
    server.answer_bytes += count;
}

static uint32_t fnv1a(uint32_t hash, const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        hash = (hash ^ bytes[i]) * 16777619u;
    }
    return hash;
}

/* An emulator may look at what runs from a call of the first to one of the second. */
__attribute__((noinline, used)) void firmware_mark_start(void) { __asm volatile("" ::: "memory"); }
__attribute__((noinline, used)) void firmware_mark_end(void) { __asm volatile("" ::: "memory"); }

/* Time since the last call goes to op; then its values are hashed, off the clock. Pieces come in any order: each pixel
 * is hashed with its place, and the hashes are summed. */
static void record(void *context, uint32_t op, uint32_t y, uint32_t n, uint32_t x, uint32_t xn, const void *data,
                   uint32_t row_bytes, uint32_t layout) {
    (void)context;
    (void)layout;
    firmware_mark_end();
    operator_record *r = &server.operators[op];
    uint32_t spent = cycles_now() - server.since;
    spent = spent > server.reading ? spent - server.reading : 0;
    r->cycles[0] += spent;
    r->cycles[1] += r->cycles[0] < spent;
    server.cycles += spent;
    const lnt_tensor *tensor = &server.net->tensors[server.net->ops[op].output];
    uint32_t pixel = tensor->channels * lnt_element_bytes(tensor);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *at = (const uint8_t *)data + (size_t)i * row_bytes;
        for (uint32_t j = 0; j < xn; j++, at += pixel) {
            uint32_t numbers[2] = {y + i, x + j};
            uint8_t place[sizeof numbers];
            memcpy(place, numbers, sizeof place);
            r->hash += fnv1a(fnv1a(2166136261u, place, sizeof place), at, pixel);
        }
    }
    firmware_mark_start();
    server.since = cycles_now();
}

static int hello(void) {
    lnt_net *net = server.net;
    const lnt_tensor *in = &net->tensors[0];
    const lnt_tensor *out = &net->tensors[net->output];
    put32(LNT_NETWORK_CRC);
    put32(LNT_MODEL_BYTES);
    put32(LNT_ARENA_BYTES);
    put32(PORT_STACK_BYTES);
    put32(PORT_CLOCK_HZ);
    put16(in->height);
    put16(in->width);
    put16(in->channels);
    put16(net->op_count);
    put32(out->height * lnt_used_bytes(out));
    put16(cycles_are_dwt());
    put_bytes(PORT_BOARD, sizeof PORT_BOARD - 1);
    return LNT_OK;
}

static int begin(const uint8_t *payload, uint32_t count) {
    if (count != 1) {
        return WRONG_LENGTH;
    }
    static const lnt_hooks hooks = {.trace = record};
    lnt_set_hooks(server.net, payload[0] & WITH_OPERATORS ? &hooks : NULL);
    memset(server.operators, 0, sizeof server.operators);
    server.cycles = 0;
    return lnt_begin(server.net);
}

static int rows(const uint8_t *payload, uint32_t count) {
    if (count % LNT_ROW_BYTES != 0) {
        return WRONG_LENGTH;
    }
    firmware_mark_start();
    server.since = cycles_now();
    int code = lnt_push_rows(server.net, payload, count / LNT_ROW_BYTES);
    if (server.net->hooks.trace == NULL) {
        server.cycles += cycles_now() - server.since - server.reading;
    }
    firmware_mark_end();
    return code;
}

static int finish(void) {
    int code = lnt_finish(server.net);
    put32((uint32_t)server.cycles);
    put32((uint32_t)(server.cycles >> 32));
    put32(stack_used());
    return code;
}

static int output(const uint8_t *payload, uint32_t count) {
    const uint8_t *answer = lnt_output(server.net);
    const lnt_tensor *out = &server.net->tensors[server.net->output];
    uint32_t all = out->height * lnt_used_bytes(out);
    uint32_t from;
    if (count != sizeof from) {
        return WRONG_LENGTH;
    }
    memcpy(&from, payload, sizeof from);
    if (answer == NULL || from > all) {
        return LNT_ERR_ORDER;
    }
    put_bytes(answer + from, all - from < SERVER_ANSWER_BYTES ? all - from : SERVER_ANSWER_BYTES);
    return LNT_OK;
}

static int operators(const uint8_t *payload, uint32_t count) {
    if (count != 2) {
        return WRONG_LENGTH;
    }
    uint32_t first = payload[0] | (uint32_t)payload[1] << 8;
    uint32_t left = first < server.net->op_count ? server.net->op_count - first : 0;
    uint32_t fit = SERVER_ANSWER_BYTES / sizeof(operator_record);
    put_bytes(server.operators + first, (left < fit ? left : fit) * sizeof(operator_record));
    return LNT_OK;
}

static int serve(uint8_t type, const uint8_t *payload, uint32_t count) {
    switch (type) {
    case HELLO:
        return hello();
    case BEGIN:
        return begin(payload, count);
    case ROWS:
        return rows(payload, count);
    case FINISH:
        return finish();
    case OUTPUT:
        return output(payload, count);
    case OPERATORS:
        return operators(payload, count);
    default:
        return WRONG_TYPE;
    }
}

/* Each request has the number after the last one's. A request that comes again was lost on the way back: it gets the
 * same answer, and is not carried out twice. */
static void take_request(uint32_t count) {
    const uint8_t *header = server.request;
    uint16_t sequence = (uint16_t)(header[2] | header[3] << 8);
    if (header[1] == HELLO || sequence != server.sequence) {
        bool follows = header[1] == HELLO || sequence == (uint16_t)(server.sequence + 1);
        server.answer_bytes = 0;
        int code = follows ? serve(header[1], header + FRAME_HEADER, count - FRAME_HEADER) : WRONG_SEQUENCE;
        uint8_t type = (uint8_t)(header[1] | ANSWER);
        if (code != LNT_OK) {
            type = REFUSED;
            server.answer_bytes = 0;
            put32((uint32_t)code);
        }
        memcpy(server.answer, (const uint8_t[]){FRAME_VERSION, type, header[2], header[3]}, FRAME_HEADER);
        if (follows) {
            server.sequence = sequence;
        }
    }
    frame_send(server.answer, FRAME_HEADER + server.answer_bytes, uart_put);
}

void server_run(lnt_net *net) {
    server.net = net;
    server.reading = cycles_now();
    server.reading = cycles_now() - server.reading;
    frame_reader reader = {.bytes = server.request, .capacity = sizeof server.request};
    for (;;) {
        uint8_t byte;
        if (uart_get(&byte)) {
            uint32_t count = frame_take(&reader, byte);
            if (count != 0) {
                take_request(count);
            }
        }
    }
}
