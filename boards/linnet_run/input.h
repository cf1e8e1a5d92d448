/* Inputs for linnet-run, as the network takes them: nothing is resized or converted here. */
#ifndef LINNET_RUN_INPUT_H
#define LINNET_RUN_INPUT_H

#include "session.h"

/* A file whose values are exactly the network's input: .npy (uint8 or int8, C order), PPM or PGM (P6, P5, maxval 255),
 * or the bare bytes. "-" is stdin. The memory ends with the program. */
const uint8_t *read_input(const session *s, const char *path);

/* The next input of a stream of bare bytes. false at its end; ends the program where it stops within an input. */
bool next_input(FILE *from, uint8_t *to, size_t bytes);

#endif
