"""From a picture file to the pixels that a network sees: the one way that conversion, validation and devices use.

Rules, in this order:

1. Decode. PPM and PGM (binary, P5 and P6) and .npy need nothing; everything else needs Pillow. Of an animation, the
   first frame. The EXIF orientation is applied.
2. To 8 bits. PPM and PGM with another maximum than 255: round(value * 255 / maximum). 16-bit grey PNG: the same with
   65535; 16-bit colour PNG: the high byte (Pillow keeps no more).
3. To RGB. Palettes are looked up; grey is repeated three times; alpha is composited onto white.
4. To grey, for networks with one channel: the luminance of ITU-R 601-2, in integers as Pillow's mode "L".
5. Resize, only where the size differs: so that the picture just covers the network's height and width, the longer side
   rounded down, with Pillow's bilinear filter (which averages when it shrinks: "antialiasing"); then the centre is cut
   out, from offset round((size - target) / 2), halves to even. For a square network these are torchvision's Resize(s)
   and CenterCrop(s) on PIL pictures.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from linnet.errors import LinnetError

if TYPE_CHECKING:
    from PIL import Image

Pixels = npt.NDArray[np.uint8]

SUFFIXES = (".png", ".jpg", ".jpeg", ".ppm", ".pgm", ".bmp", ".webp", ".npy")
"""File names that count as pictures when a folder is listed."""

_SPACE = rb"(?:\s|#[^\n]*\n)+?"
_PNM_HEADER = re.compile(rb"P([56])" + 3 * (_SPACE + rb"(\d{1,18})") + rb"\s")


def read_image(path: str | os.PathLike[str]) -> Pixels:
    """uint8 (height, width, 3) RGB of a picture file.

    Raises LinnetError, naming the file, where it is missing, damaged, or needs Pillow and Pillow is not installed.
    """
    file = Path(path)
    try:
        if file.suffix.lower() == ".npy":
            return rgb(read_npy(file))
        with file.open("rb") as stream:
            magic = stream.read(2)
        if magic in (b"P5", b"P6"):
            return rgb(_read_pnm(file.read_bytes()))
        return _decode(file)
    except OSError as error:
        raise LinnetError(f"{file}: {error.strerror or error}") from error
    except LinnetError as error:
        raise LinnetError(f"{file}: {error}") from error


def read_npy(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """The array in a .npy file, of any shape and type. Raises LinnetError where it is damaged or no single array."""
    try:
        array = np.load(path, allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # numpy parses the header as Python, and raises whatever a damaged one provokes
        raise LinnetError("not an array that numpy can read, or damaged") from error
    if not isinstance(array, np.ndarray):
        raise LinnetError("an archive of several arrays: save one with numpy.save")
    return array


def rgb(array: npt.NDArray[Any]) -> Pixels:
    """uint8 (height, width, 3) of grey, RGB or RGBA pixels: uint8 (h, w) or (h, w, 1, 2 (grey and alpha), 3 or 4)."""
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4) or 0 in array.shape:
        raise LinnetError(f"an array of shape {array.shape} is no picture: expected (height, width, 3)")
    if array.dtype != np.uint8:
        raise LinnetError(f"pixels are {array.dtype}: expected uint8, 0 to 255 and not normalized")
    colour, alpha = array[:, :, : 3 if array.shape[2] > 2 else 1], array[:, :, 3 if array.shape[2] > 2 else 1 :]
    if alpha.size:
        wide = alpha.astype(np.uint16)
        colour = ((colour * wide + 255 * (255 - wide) + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(colour, (*colour.shape[:2], 3)))


def from_pillow(picture: Image.Image) -> Pixels:
    """uint8 (height, width, 3) RGB of a Pillow picture of any mode, its EXIF orientation applied."""
    from PIL import ImageOps

    deep = picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PNG")
    picture = ImageOps.exif_transpose(picture)
    if deep:  # Pillow's own conversion would cut instead of scale
        return rgb(_to_8_bits(np.asarray(picture, np.uint32), 65535))
    if picture.mode in ("I", "F"):
        raise LinnetError(f"pixels of Pillow's mode {picture.mode} have no known range: save the picture with 8 bits")
    transparent = "transparency" in picture.info or picture.mode in ("LA", "La", "PA", "RGBA", "RGBa")
    return rgb(np.asarray(picture.convert("RGBA" if transparent else "RGB")))


def luminance(pixels: Pixels) -> Pixels:
    """uint8 (height, width, 1) of uint8 (height, width, 3): ITU-R 601-2 in integers, the same as Pillow's mode "L"."""
    weighted = pixels.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32)
    return ((weighted + 0x8000) >> 16).astype(np.uint8)[:, :, None]


def fit(pixels: Pixels, height: int, width: int, channels: int = 3) -> Pixels:
    """A picture as a network takes it: uint8 (height, width, channels) of uint8 (any, any, 3). See the module's rules.

    Raises LinnetError for networks with other than 1 or 3 channels, and where the size differs but Pillow is missing.
    """
    if channels not in (1, 3):
        raise LinnetError(f"the network's input has {channels} channels: give it an array instead of a picture")
    if channels == 1:
        pixels = luminance(pixels)
    old_height, old_width = pixels.shape[:2]
    if (old_height, old_width) == (height, width):
        return pixels
    try:
        from PIL import Image
    except ImportError as error:
        raise LinnetError(
            f"the picture is {old_width}x{old_height}, the network takes {width}x{height}, and resizing needs Pillow: "
            "pip install pillow, or give pictures of that size"
        ) from error
    if old_width * height >= old_height * width:
        size = (old_width * height // old_height, height)
    else:
        size = (width, old_height * width // old_width)
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    source = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
    resized = np.asarray(source.resize(size, Image.Resampling.BILINEAR)).reshape(size[1], size[0], channels)
    return np.ascontiguousarray(resized[top : top + height, left : left + width])


def _decode(file: Path) -> Pixels:
    try:
        from PIL import Image
    except ImportError as error:
        raise LinnetError(
            "reading this format needs Pillow (pip install pillow); PPM, PGM and .npy are read without"
        ) from error
    try:
        with Image.open(file) as picture:
            return from_pillow(picture)
    except (LinnetError, FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:  # Pillow's decoders raise whatever a damaged file provokes
        raise LinnetError("not a picture that Pillow can read, or damaged") from error


def _to_8_bits(values: npt.NDArray[np.uint32], maximum: int) -> Pixels:
    return ((np.minimum(values, maximum) * 255 + maximum // 2) // maximum).astype(np.uint8)


def _read_pnm(data: bytes) -> Pixels:
    """uint8 (height, width, 1 or 3) of a binary PGM or PPM."""
    header = _PNM_HEADER.match(data)
    if header is None:
        raise LinnetError("damaged PPM or PGM header")
    channels = 3 if header[1] == b"6" else 1
    width, height, maximum = (int(number) for number in header.groups()[1:])
    if not 1 <= maximum <= 65535:
        raise LinnetError(f"a PPM or PGM of maximum {maximum}: it must be 1 to 65535")
    form = np.dtype("u1" if maximum < 256 else ">u2")
    count = width * height * channels
    if count == 0 or len(data) - header.end() < count * form.itemsize:
        raise LinnetError(f"a PPM or PGM cut short: it says {width}x{height} pixels")
    values = np.frombuffer(data, form, count, header.end()).reshape(height, width, channels)
    return values if maximum == 255 else _to_8_bits(values.astype(np.uint32), maximum)
