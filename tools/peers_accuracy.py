"""How close onnxruntime's own int8 network comes to the float one, measured as `linnet validate` measures Linnet's.

quantize_static of the float file: QDQ, per channel, int8 weights, MinMax over the calibration pictures; the .lnt file
says how pictures are normalized. Usage: see --help; docs/results.md has the commands.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

import linnet
from linnet.report import to_json
from linnet_converter import peer_models, pictures, validation
from linnet_converter.tally import Tally, compared

if TYPE_CHECKING:
    from linnet_converter.tally import Logits, Validation


class Quantized:
    """onnxruntime's int8 file of a float network, asked for the logits."""

    def __init__(self, options: argparse.Namespace, model: linnet.Model, folder: Path) -> None:
        details = model.input_details
        self._mean, self._std = details.mean, details.std
        self._network = peer_models.FloatNetwork(options.against, folder, end_at_logits=True)
        calibration = pictures.read(pictures.find(options.calibrate), details.shape)
        path = self._network.quantized(
            options.activations, "qdq", (pixels for _, pixels in calibration), self._mean, self._std
        )
        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def logits(self, pixels: validation.Pixels) -> Logits:
        feed = self._network.feed(pixels, self._mean, self._std)
        return np.asarray(self._session.run(None, {self._input: feed})[0], np.float64).ravel()


def measure(options: argparse.Namespace, folder: Path) -> Validation:
    model = linnet.load(options.model)
    details = model.input_details
    reference = validation.open_reference(options.against, details.mean, details.std)
    quantized = Quantized(options, model, folder)
    labels = pictures.labels(options.labels_csv, options.label_offset) if options.labels_csv else None
    tally = Tally()
    for name, pixels in pictures.read(pictures.find(options.images, options.limit), details.shape):
        label = None if labels is None else labels[name]
        tally.add(compared(reference.logits(pixels), quantized.logits(pixels), label))
    return tally.result(arena_bytes=0)


def main() -> None:
    parser = argparse.ArgumentParser(description="onnxruntime's own int8 network against the float one.")
    parser.add_argument("model", metavar="M.lnt", help="Linnet's file of the same network: says how pictures are fed")
    parser.add_argument("--against", required=True, metavar="MODEL.onnx", help="the float network")
    parser.add_argument("--calibrate", required=True, metavar="DIR", help="pictures for quantize_static")
    parser.add_argument("--images", required=True, metavar="DIR", help="pictures to compare on")
    parser.add_argument("--labels-csv", metavar="F")
    parser.add_argument("--label-offset", type=int, default=0, metavar="N")
    parser.add_argument("--limit", type=int, metavar="N")
    parser.add_argument("--activations", choices=("s8s8", "u8s8"), default="s8s8", help="int8 (default) or uint8")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options, Path(folder))
    if options.json:
        print(to_json({key: value for key, value in asdict(found).items() if key != "arena_bytes"}))
        return
    if found.top1_float is not None:
        print(f"top-1 {found.top1_float:.2f} % float, {found.top1_int8:.2f} % int8")
    print(f"{found.images} pictures: same top-1 {found.agreement:.2f} %, SQNR {found.sqnr_db:.2f} dB")


if __name__ == "__main__":
    main()
