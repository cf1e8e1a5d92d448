"""Read a quantized TFLite file: int8 with weights per channel, or the older uint8 with one scale per tensor.

The file is opened by tflite_file.py and its operators are walked once, in order (tflite_walk.py, tflite_operators.py).
"""

from __future__ import annotations

from pathlib import Path

from .network import ImportedNetwork
from .tflite_file import load
from .tflite_operators import HANDLERS
from .tflite_walk import READS, TfliteWalk


def read(path: str | Path) -> ImportedNetwork:
    """Read a .tflite file. Raises LinnetError, one line, where it is damaged or holds what Linnet cannot run."""
    walk = TfliteWalk(load(path))
    for operator in walk.file.operators:
        handler = HANDLERS.get(operator.kind)
        if handler is None:
            operator.fail("this operator is not supported", READS)
        handler(walk, operator)
    return walk.finish()
