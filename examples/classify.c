/* Names what a picture shows: reads a model and a PPM of the model's size, prints the most probable class.
 *
 * Usage: classify MODEL.lnt PICTURE.ppm */
#include <stdio.h>
#include <stdlib.h>

#include "linnet.h"

static void fail(const char *what, const char *why) {
    fprintf(stderr, "classify: %s: %s\n", what, why);
    exit(1);
}

/* Memory on a multiple of LNT_ALIGN, as lnt_open() wants it. */
static void *allocate(size_t bytes) {
    void *block = aligned_alloc(LNT_ALIGN, (bytes + LNT_ALIGN - 1) / LNT_ALIGN * LNT_ALIGN);
    if (block == NULL) {
        fail("memory", "there is not enough");
    }
    return block;
}

static void *read_model(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        fail(path, "cannot be opened");
    }
    *bytes = (size_t)ftell(file);
    rewind(file);
    void *model = allocate(*bytes);
    if (fread(model, 1, *bytes, file) != *bytes) {
        fail(path, "cannot be read");
    }
    fclose(file);
    return model;
}

/* Fill pixels from a binary PPM of exactly this size. */
static void read_ppm(const char *path, int32_t width, int32_t height, void *pixels) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail(path, "cannot be opened");
    }
    int found_width, found_height, end = 0;
    if (fscanf(file, "P6 %d %d 255%n", &found_width, &found_height, &end) != 2 || end == 0 || fgetc(file) == EOF ||
        found_width != width || found_height != height) {
        fail(path, "is not a binary PPM of the network's size (`linnet inspect` says which)");
    }
    size_t bytes = (size_t)width * (size_t)height * 3;
    if (fread(pixels, 1, bytes, file) != bytes) {
        fail(path, "ends too early");
    }
    fclose(file);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fail("usage", "classify MODEL.lnt PICTURE.ppm");
    }
    size_t model_bytes;
    void *model = read_model(argv[1], &model_bytes);
    int64_t arena_bytes = lnt_arena_bytes(model, model_bytes);
    if (arena_bytes < 0) {
        fail(argv[1], lnt_error_text((int)arena_bytes));
    }
    void *arena = allocate((size_t)arena_bytes);
    lnt_net net;
    int err = lnt_open(&net, model, model_bytes, arena, (size_t)arena_bytes);
    if (err != LNT_OK) {
        fail(argv[1], lnt_error_text(err));
    }

    int32_t in[5], out[5]; /* height, width, channels, element bytes, zero point */
    float scale;
    lnt_tensor_info(&net, 0, in, &scale);
    lnt_tensor_info(&net, 1, out, &scale);
    if (in[2] != 3 || out[3] != 4 || lnt_input(&net) == NULL) {
        fail(argv[1], "takes no whole RGB picture, or does not end with classes");
    }
    read_ppm(argv[2], in[1], in[0], lnt_input(&net));
    err = lnt_run(&net);
    if (err != LNT_OK) {
        fail("lnt_run", lnt_error_text(err));
    }
    const int32_t *answer = lnt_output(&net);
    int32_t best = 0;
    for (int32_t i = 1; i < out[2]; i++) {
        if (answer[i] > answer[best]) {
            best = i;
        }
    }
    const char *label = lnt_label(&net, (uint32_t)best);
    printf("%d %s\n", (int)best, label != NULL ? label : "");
    free(arena);
    free(model);
    return 0;
}
