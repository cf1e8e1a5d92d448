/* The layers of MobileNetV2 at two sizes, each shape once. */
#ifndef LNT_TEST_LAYERS_H
#define LNT_TEST_LAYERS_H

#include "sample.h"

typedef struct layer {
    char name[40];     /* of the first that has this shape */
    uint32_t times[2]; /* how often it occurs in 1.0@224 and in 0.35@128 */
    uint8_t kind;
    uint8_t kernel;
    uint8_t stride;
    bool residual;
    uint16_t in_size; /* height and width */
    uint16_t out_size;
    uint16_t in_channels;
    uint16_t out_channels;
} layer;

extern const char *const layer_networks[2];

/* Fill `layers`, which must hold MAX_LAYERS; returns how many there are. */
enum { MAX_LAYERS = 128 };
uint32_t find_layers(layer *layers);

/* Shapes and parameters, without constants. */
void layer_sample(const layer *l, sample *s);

#endif
