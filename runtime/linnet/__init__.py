"""Linnet on the device: load a .lnt file and run it. Needs numpy and cffi only.

import linnet

model = linnet.load("digits.lnt")
probabilities = model.run("picture.png")
"""

from linnet.errors import LinnetError
from linnet.model import Model, kernel_families, load

__version__ = "0.1.0"

__all__ = ["LinnetError", "Model", "__version__", "kernel_families", "load"]
