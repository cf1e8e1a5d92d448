# The library's sources, relative to this folder: read by the Makefile, by setup.py and by the firmware builds.
LNT_SOURCES := \
    src/check.c \
    src/check_steps.c \
    src/clamp.c \
    src/crc.c \
    src/cut.c \
    src/error.c \
    src/families.c \
    src/format.c \
    src/pack.c \
    src/run.c \
    src/strips.c \
    src/dsp/add.c \
    src/dsp/avg_pool.c \
    src/dsp/conv.c \
    src/dsp/depthwise.c \
    src/dsp/fully_connected.c \
    src/dsp/input.c \
    src/dsp/pack_pairs.c \
    src/dsp/pairs.c \
    src/dsp/planes.c \
    src/dsp/pointwise.c \
    src/dsp/tiles.c \
    src/ref/add.c \
    src/ref/avg_pool.c \
    src/ref/conv.c \
    src/ref/depthwise.c \
    src/ref/fully_connected.c \
    src/ref/input.c \
    src/ref/pointwise.c \
    src/ref/softmax.c

# What needs an operating system: in the libraries of Linux and macOS, in no firmware.
LNT_HOST_SOURCES := host/threads.c
