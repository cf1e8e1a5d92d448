/* Opens the network that is linked with it and serves it on the serial port. */
#include "frame.h"
#include "port.h"
#include "server.h"

static _Alignas(LNT_ALIGN) uint8_t arena[LNT_ARENA_BYTES] __attribute__((section(".arena")));
static lnt_net net;

/* Nothing can be served: say why, again and again, as an answer to no request. */
static void report(int code) {
    for (;;) {
        uint8_t frame[FRAME_OTHER + 4] = {FRAME_VERSION, 0xFF, 0, 0};
        for (uint32_t i = 0; i < 4; i++) {
            frame[FRAME_HEADER + i] = (uint8_t)((uint32_t)code >> 8 * i);
        }
        frame_send(frame, FRAME_HEADER + 4, uart_put);
        uint32_t since = cycles_now();
        while (cycles_now() - since < PORT_CLOCK_HZ) {
        }
    }
}

int main(void) {
    cycles_start();
    int code = lnt_open(&net, lnt_model, LNT_MODEL_BYTES, arena, sizeof arena);
    if (code != LNT_OK) {
        report(code);
    }
    server_run(&net);
    return 0;
}
