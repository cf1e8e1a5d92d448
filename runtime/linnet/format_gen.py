"""The model file's layout, generated from kernels_c/schema/linnet.fbs by tools/format_codegen.py: do not edit."""

from enum import IntEnum

import numpy as np


class Version(IntEnum):
    current = 1


class OpKind(IntEnum):
    input = 0
    conv = 1
    depthwise = 2
    pointwise = 3
    add = 4
    avg_pool = 5
    fully_connected = 6
    softmax = 7


class DType(IntEnum):
    int8 = 0
    int32 = 1


class Layout(IntEnum):
    nhwc = 0
    strip = 1


class Family(IntEnum):
    ref = 0
    dsp = 1
    mve = 2


class InputKind(IntEnum):
    pixels = 0
    tensor = 1


HEADER_DTYPE = np.dtype(
    [
        ("version", "<u4"),
        ("file_bytes", "<u4"),
        ("crc", "<u4"),
    ]
)

TENSOR_DTYPE = np.dtype(
    [
        ("height", "<u2"),
        ("width", "<u2"),
        ("channels", "<u2"),
        ("dtype", "u1"),
        ("reserved", "u1"),
        ("zero_point", "<i4"),
        ("scale", "<f4"),
    ]
)

OP_DTYPE = np.dtype(
    [
        ("kind", "u1"),
        ("shift", "u1"),
        ("kernel_h", "u1"),
        ("kernel_w", "u1"),
        ("stride_h", "u1"),
        ("stride_w", "u1"),
        ("pad_top", "u1"),
        ("pad_left", "u1"),
        ("clamp_min", "i1"),
        ("clamp_max", "i1"),
        ("input", "<u2"),
        ("input2", "<u2"),
        ("output", "<u2"),
        ("state", "<u2"),
        ("reserved", "<u2"),
        ("weights", "<u4"),
        ("bias", "<u4"),
        ("multiplier", "<u4"),
        ("pad_values", "<u4"),
        ("factor", "<i4"),
        ("factor2", "<i4"),
        ("offset", "<i4"),
    ]
)

PLACEMENT_DTYPE = np.dtype(
    [
        ("offset", "<u4"),
        ("row_bytes", "<u4"),
        ("rows", "<u2"),
        ("layout", "u1"),
        ("reserved", "u1"),
    ]
)

STEP_DTYPE = np.dtype(
    [
        ("op", "<u2"),
        ("y", "<u2"),
        ("n", "<u2"),
        ("reserved", "<u2"),
        ("scratch", "<u4"),
    ]
)


class PlanField(IntEnum):
    """Field numbers of table Plan."""

    family = 0
    arena_bytes = 1
    placements = 2
    steps = 3


class PreprocessingField(IntEnum):
    """Field numbers of table Preprocessing."""

    mean = 0
    std = 1


class ModelField(IntEnum):
    """Field numbers of table Model."""

    header = 0
    input_kind = 1
    tensors = 2
    ops = 3
    data = 4
    plans = 5
    labels = 6
    op_names = 7
    tensor_names = 8
    preprocessing = 9
    producer = 10
