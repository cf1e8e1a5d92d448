"""From picture files to pixels."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from linnet import image
from linnet.errors import LinnetError

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
GREY = np.random.default_rng(1).integers(0, 256, (5, 7)).astype(np.uint8)


@pytest.fixture
def no_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)


def ppm(array: npt.NDArray[Any], header: str) -> bytes:
    return header.encode() + array.tobytes()


@pytest.mark.usefixtures("no_pillow")
def test_ppm_and_npy_need_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(ppm(RGB, "P6\n# a comment\n7 5\n255\n"))
    (tmp_path / "b.pgm").write_bytes(ppm(GREY, "P5 7 5 255 "))
    np.save(tmp_path / "c.npy", RGB)
    np.save(tmp_path / "d.npy", GREY[:, :, None])
    grey = np.repeat(GREY[:, :, None], 3, axis=2)
    for name, expected in {"a.ppm": RGB, "b.pgm": grey, "c.npy": RGB, "d.npy": grey}.items():
        np.testing.assert_array_equal(image.read_image(tmp_path / name), expected, name)


@pytest.mark.usefixtures("no_pillow")
def test_without_pillow_other_formats_say_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(LinnetError, match=r"a\.png: .*pip install pillow"):
        image.read_image(path)
    with pytest.raises(LinnetError, match=r"the picture is 7x5, the network takes 4x4.*pip install pillow"):
        image.fit(RGB, 4, 4)
    np.testing.assert_array_equal(image.fit(RGB, 5, 7), RGB)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"P6 7 5 255\n" + bytes(7 * 5 * 3 - 1), "cut short"),
        (b"P6 7 5", "header"),
        (b"P6 0 5 255\n", "cut short"),
        (b"P6 7 5 70000\n" + bytes(500), "maximum 70000"),
        (b"P5 99999999999 99999999999 255\n", "cut short"),
    ],
)
def test_damaged_ppm(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.ppm"
    path.write_bytes(content)
    with pytest.raises(LinnetError, match=rf"a\.ppm: .*{reason}"):
        image.read_image(path)


def test_ppm_of_16_bits_and_of_odd_maximum(tmp_path: Path) -> None:
    deep = np.array([[0, 128, 257, 65535, 32768]], ">u2")
    (tmp_path / "deep.pgm").write_bytes(ppm(deep, "P5 5 1 65535\n"))
    assert image.read_image(tmp_path / "deep.pgm")[0, :, 0].tolist() == [0, 0, 1, 255, 128]
    (tmp_path / "four.pgm").write_bytes(ppm(np.array([[0, 1, 2, 3, 200]], np.uint8), "P5 5 1 3\n"))
    assert image.read_image(tmp_path / "four.pgm")[0, :, 0].tolist() == [0, 85, 170, 255, 255]


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (RGB.astype(np.float32) / 255, "uint8"),
        (RGB[None], "no picture"),
        (np.zeros((5, 7, 9), np.uint8), "no picture"),
        (np.zeros((0, 7, 3), np.uint8), "no picture"),
    ],
)
def test_arrays_that_are_no_pictures(tmp_path: Path, array: npt.NDArray[Any], reason: str) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(LinnetError, match=rf"a\.npy: .*{reason}"):
        image.read_image(tmp_path / "a.npy")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00\xff\xff", b"P6", b"GIF89a"])
@pytest.mark.parametrize("suffix", [".npy", ".png", ".jpg"])
def test_damaged_files(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(LinnetError, match=rf"a\{suffix}: "):
        image.read_image(path)


def test_objects_and_archives_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    np.savez(tmp_path / "b.npz", RGB)
    (tmp_path / "b.npz").rename(tmp_path / "b.npy")
    for name in ("a.npy", "b.npy"):
        with pytest.raises(LinnetError, match=name):
            image.read_image(tmp_path / name)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(LinnetError, match=r"none\.png: No such file"):
        image.read_image(tmp_path / "none.png")
    with pytest.raises(LinnetError, match="Is a directory"):
        image.read_image(tmp_path)


def test_truncated_jpeg(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.tile(RGB, (20, 20, 1))).save(buffer, "JPEG")
    path = tmp_path / "a.jpg"
    path.write_bytes(buffer.getvalue()[:-500])
    with pytest.raises(LinnetError, match=r"a\.jpg: .*damaged"):
        image.read_image(path)


def save(folder: Path, picture: Image.Image, name: str = "a.png", **options: Any) -> Path:
    picture.save(folder / name, **options)
    return folder / name


def test_colour_grey_and_one_bit(tmp_path: Path) -> None:
    np.testing.assert_array_equal(image.read_image(save(tmp_path, Image.fromarray(RGB))), RGB)
    grey = image.read_image(save(tmp_path, Image.fromarray(GREY)))
    np.testing.assert_array_equal(grey, np.repeat(GREY[:, :, None], 3, axis=2))
    bits = Image.fromarray(np.where(GREY > 99, 255, 0).astype(np.uint8)).convert("1")
    np.testing.assert_array_equal(image.read_image(save(tmp_path, bits))[:, :, 0], np.where(GREY > 99, 255, 0))


def test_alpha_is_composited_onto_white(tmp_path: Path) -> None:
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 128], [10, 20, 30, 100]]], np.uint8)
    expected = [[[10, 20, 30], [255, 255, 255], [127, 127, 127], [159, 163, 167]]]  # 158.9, 162.8, 166.8
    assert image.read_image(save(tmp_path, Image.fromarray(pixels))).tolist() == expected
    np.save(tmp_path / "a.npy", pixels)
    assert image.read_image(tmp_path / "a.npy").tolist() == expected
    grey = Image.merge("LA", [Image.fromarray(pixels[:, :, channel].copy()) for channel in (0, 3)])
    assert image.read_image(save(tmp_path, grey))[0, :, 0].tolist() == [10, 255, 127, 159]


def test_palettes_with_and_without_transparency(tmp_path: Path) -> None:
    indices = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    indices.putdata([0, 1, 2])
    indices.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    expected = [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]
    assert image.read_image(save(tmp_path, indices)).tolist() == expected
    expected[0][1] = [255, 255, 255]
    assert image.read_image(save(tmp_path, indices, transparency=1)).tolist() == expected


def test_grey_png_of_16_bits_is_scaled_not_cut(tmp_path: Path) -> None:
    deep = Image.fromarray(np.array([[0, 255, 256, 65535, 32768]], np.uint16))
    assert image.read_image(save(tmp_path, deep))[0, :, 0].tolist() == [0, 1, 1, 255, 128]


def test_pixels_without_a_range_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path, Image.fromarray(np.zeros((2, 2), np.float32)), "a.tiff")
    with pytest.raises(LinnetError, match=r"a\.tiff: .*8 bits"):
        image.read_image(path)


def test_exif_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    path = save(tmp_path, Image.fromarray(RGB), exif=exif)
    np.testing.assert_array_equal(image.read_image(path), np.rot90(RGB, -1))


def test_luminance_is_pillows() -> None:
    colours = np.random.default_rng(2).integers(0, 256, (100, 100, 3)).astype(np.uint8)
    expected = np.asarray(Image.fromarray(colours).convert("L"))
    np.testing.assert_array_equal(image.luminance(colours)[:, :, 0], expected)
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    np.testing.assert_array_equal(image.luminance(grey), grey[:, :, :1])


@pytest.mark.parametrize(
    ("size", "scaled", "offset"),
    [
        # (height, width) of the picture, scaled to cover 8x8, offset (top, left) of the centre
        ((8, 8), (8, 8), (0, 0)),
        ((16, 24), (8, 12), (0, 2)),
        ((24, 16), (12, 8), (2, 0)),
        ((10, 17), (8, 13), (0, 2)),  # 13.6 rounded down, (13 - 8) / 2 = 2.5 to even
        ((15, 20), (8, 10), (0, 1)),
        ((3, 5), (8, 13), (0, 2)),
        ((8, 11), (8, 11), (0, 2)),  # 1.5 to even
        ((11, 8), (11, 8), (2, 0)),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_fit(size: tuple[int, int], scaled: tuple[int, int], offset: tuple[int, int], channels: int) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (*size, 3)).astype(np.uint8)
    source = Image.fromarray(pixels) if channels == 3 else Image.fromarray(pixels).convert("L")
    whole = np.asarray(source.resize(scaled[::-1], Image.Resampling.BILINEAR)).reshape(*scaled, channels)
    expected = whole[offset[0] : offset[0] + 8, offset[1] : offset[1] + 8]
    fitted = image.fit(pixels, 8, 8, channels)
    np.testing.assert_array_equal(fitted, expected)
    assert fitted.flags.c_contiguous


def test_fit_to_a_network_that_is_not_square() -> None:
    assert image.fit(np.zeros((30, 30, 3), np.uint8), 8, 12).shape == (8, 12, 3)
    assert image.fit(np.zeros((30, 99, 3), np.uint8), 12, 8, 1).shape == (12, 8, 1)


def test_fit_refuses_channels_that_no_picture_has() -> None:
    with pytest.raises(LinnetError, match="4 channels"):
        image.fit(RGB, 5, 7, 4)
