/* Classifies a picture that is never in memory whole: one row at a time goes from the file to the network, as it would
 * come from a camera. A file made with `linnet convert --input rows` needs the least memory here; any other works too.
 *
 * Usage: push_rows MODEL.lnt PICTURE.ppm */
#include <stdio.h>
#include <stdlib.h>

#include "linnet.h"

/* Firmware would have the model in flash and a fixed arena; here they are as large as a small network needs. */
static _Alignas(LNT_ALIGN) uint8_t model[4 << 20];
static _Alignas(LNT_ALIGN) uint8_t arena[256 << 10];
static uint8_t row[3 * 1024];

static void fail(const char *what, const char *why) {
    fprintf(stderr, "push_rows: %s: %s\n", what, why);
    exit(1);
}

static void check(int code, const char *what) {
    if (code != LNT_OK) {
        fail(what, lnt_error_text(code));
    }
}

static FILE *open_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail(path, "cannot be opened");
    }
    return file;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fail("usage", "push_rows MODEL.lnt PICTURE.ppm");
    }
    FILE *file = open_file(argv[1]);
    size_t model_bytes = fread(model, 1, sizeof model, file);
    fclose(file);
    lnt_net net;
    check(lnt_open(&net, model, model_bytes, arena, sizeof arena), argv[1]);

    int32_t in[5], out[5]; /* height, width, channels, element bytes, zero point */
    float scale;
    check(lnt_tensor_info(&net, 0, in, &scale), "input");
    check(lnt_tensor_info(&net, 1, out, &scale), "output");
    size_t row_bytes = (size_t)in[1] * (size_t)in[2];
    if (in[2] != 3 || out[3] != 4 || row_bytes > sizeof row) {
        fail(argv[1], "takes no RGB picture, one wider than 1024 pixels, or does not end with classes");
    }

    file = open_file(argv[2]);
    int width, height, end = 0;
    if (fscanf(file, "P6 %d %d 255%n", &width, &height, &end) != 2 || end == 0 || fgetc(file) == EOF ||
        width != in[1] || height != in[0]) {
        fail(argv[2], "is not a binary PPM of the network's size (`linnet inspect` says which)");
    }
    check(lnt_begin(&net), "lnt_begin");
    for (int y = 0; y < height; y++) {
        if (fread(row, 1, row_bytes, file) != row_bytes) {
            fail(argv[2], "ends too early");
        }
        check(lnt_push_rows(&net, row, 1), "lnt_push_rows");
    }
    fclose(file);
    check(lnt_finish(&net), "lnt_finish");

    const int32_t *answer = lnt_output(&net);
    int32_t best = 0;
    for (int32_t i = 1; i < out[2]; i++) {
        if (answer[i] > answer[best]) {
            best = i;
        }
    }
    const char *label = lnt_label(&net, (uint32_t)best);
    printf("%d %s\n", (int)best, label != NULL ? label : "");
    return 0;
}
