/* Answers the workstation's requests: docs/protocol.md. */
#ifndef SERVER_H
#define SERVER_H

#include "internal.h"
#include "model.h"
#include "port_config.h"

enum {
    SERVER_ANSWER_BYTES = 240,
    SERVER_REQUEST_BYTES = LNT_ROW_BYTES + 8 > 64 ? LNT_ROW_BYTES + 8 : 64 /* a row of the picture fits */
};

void server_run(lnt_net *net);

void firmware_mark_start(void);
void firmware_mark_end(void);

#endif
