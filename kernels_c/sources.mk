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
    src/gather.c \
    src/given.c \
    src/move.c \
    src/pack.c \
    src/run.c \
    src/strips.c \
    src/dsp/add.c \
    src/dsp/avg_pool.c \
    src/dsp/conv.c \
    src/dsp/depthwise.c \
    src/dsp/depthwise_any.c \
    src/dsp/fully_connected.c \
    src/dsp/input.c \
    src/dsp/pack_pairs.c \
    src/dsp/pairs.c \
    src/dsp/planes.c \
    src/dsp/pointwise.c \
    src/dsp/tiles.c \
    src/mve/add.c \
    src/mve/avg_pool.c \
    src/mve/columns.c \
    src/mve/conv.c \
    src/mve/depthwise.c \
    src/mve/depthwise_any.c \
    src/mve/fully_connected.c \
    src/mve/input.c \
    src/mve/pack_product.c \
    src/mve/pointwise.c \
    src/mve/product.c \
    src/mve/small_tiles.c \
    src/mve/tiles.c \
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

# x86-64; on other processors these compile to nothing.
LNT_SOURCES += \
    src/x86/add.c \
    src/x86/avg_pool.c \
    src/x86/block.c \
    src/x86/conv.c \
    src/x86/cpu.c \
    src/x86/depthwise.c \
    src/x86/depthwise_avx2.c \
    src/x86/depthwise_avx512.c \
    src/x86/depthwise_avxvnni.c \
    src/x86/depthwise_pack.c \
    src/x86/fully_connected.c \
    src/x86/gemm_avx2.c \
    src/x86/gemm_avx512.c \
    src/x86/gemm_avxvnni.c \
    src/x86/gemm_pack.c \
    src/x86/input.c \
    src/x86/pointwise.c \
    src/x86/scaling.c \
    src/x86/x86.c

# Arm with NEON under Linux; on other processors these compile to nothing.
LNT_SOURCES += \
    src/neon/add.c \
    src/neon/avg_pool.c \
    src/neon/conv.c \
    src/neon/cpu.c \
    src/neon/depthwise.c \
    src/neon/depthwise_neon_rows.c \
    src/neon/depthwise_pack.c \
    src/neon/depthwise_pair.c \
    src/neon/depthwise_pair_stride1.c \
    src/neon/depthwise_pair_stride2.c \
    src/neon/family.c \
    src/neon/fully_connected.c \
    src/neon/gemm_pack.c \
    src/neon/gemm_pairs.c \
    src/neon/gemm_pairs_inorder.c \
    src/neon/im2col.c \
    src/neon/input.c \
    src/neon/pointwise.c \
    src/neon_dotprod/depthwise_rows.c \
    src/neon_dotprod/depthwise_two_rows.c \
    src/neon_dotprod/family.c \
    src/neon_dotprod/gemm.c
