"""Train the small example network of this folder and write everything the folder ships.

The data are the 1797 handwritten 8x8 digits that come inside scikit-learn.  Each digit is drawn, enlarged, in a
random ink colour on a random background, as a 64x64 RGB picture; a MobileNetV2 (width 0.35, 10 classes) learns
to name them, from scratch, in about seven minutes on one processor core.

    python train.py              train, then write digits.onnx, labels.txt, calibration/ and test/
    python train.py --validate   train without a fifth of the training digits, print the accuracy on that fifth,
                                 write nothing (for trying settings without looking at the test digits)
    python train.py --evaluate   print the top-1 accuracy of digits.onnx on the pictures of test/

Training needs torch, onnx, onnxruntime, scikit-learn, numpy and pillow (and onnxscript, if torch asks for it);
``--evaluate`` needs only onnxruntime, numpy and pillow.

The network takes float32 pictures of shape (N, 3, 64, 64), RGB, already normalised as ``(rgb - MEAN) / STD``
with ``rgb`` from 0 to 255.  It returns logits, without a softmax.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:  # imported where used, so that --evaluate runs without torch
    import torch
    from torch import nn

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIZE = 64
MEAN = np.array([123.675, 116.28, 103.53], dtype=np.float32)
STD = np.array([58.395, 57.12, 57.375], dtype=np.float32)

WIDTH = 0.35
# Expansion t, channels c, repeats n, first stride s: table 2 of the MobileNetV2 paper.
BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

SEED = 2024
TEST_DIGITS = 360
TEST_PICTURES_PER_CLASS = 20
CALIBRATION_PICTURES = 64

BATCH = 64
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.02
LABEL_SMOOTHING = 0.05
AVERAGE_DECAY = 0.99

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int64]


# ------------------------------------------------------------------------------------------------- the pictures


def load_split(seed: int) -> tuple[FloatArray, IntArray, IntArray, IntArray]:
    """Return digits (N, 8, 8) from 0 to 1, their labels, and the indices of the training and the test digits."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    digits = (data.images / 16.0).astype(np.float32)
    labels = data.target.astype(np.int64)
    train, test = train_test_split(np.arange(len(labels)), test_size=TEST_DIGITS, stratify=labels, random_state=seed)
    return digits, labels, np.sort(train), np.sort(test)


def pick_stratified(indices: IntArray, labels: IntArray, count: int, seed: int) -> list[int]:
    """Pick ``count`` indices by lot, going round the classes one at a time; return them in ascending order."""
    shuffled = np.random.default_rng(seed).permutation(indices)
    per_class = [list(shuffled[labels[shuffled] == label]) for label in range(len(NAMES))]
    picked: list[int] = []
    while len(picked) < count:
        for members in per_class:
            if members and len(picked) < count:
                picked.append(int(members.pop(0)))
    return sorted(picked)


def draw_colours(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``count`` background and ink colours (count, 3) from 0 to 255; the two always differ clearly."""
    import torch

    candidates = torch.rand(count, 32, 2, 3, generator=generator) * 255
    difference = candidates[:, :, 0] - candidates[:, :, 1]
    luminance = (difference @ torch.tensor([0.299, 0.587, 0.114])).abs()
    distance = difference.norm(dim=2)
    # The first pair that is good enough, else (hardly ever) the one that differs most.
    good = (luminance > 70) & (distance > 130)
    first = good.int().argmax(dim=1)
    choice = torch.where(good.any(dim=1), first, luminance.argmax(dim=1))
    pairs = candidates[torch.arange(count), choice]
    return pairs[:, 0], pairs[:, 1]


def draw_pictures(digits: torch.Tensor, generator: torch.Generator, augment: bool) -> torch.Tensor:
    """Draw digits (N, 8, 8) from 0 to 1 as pictures (N, 3, SIZE, SIZE), whole numbers from 0 to 255 as float32.

    The digit is enlarged bilinearly and used as the opacity of the ink.  Half of the backgrounds have a soft
    horizontal or vertical gradient.  With ``augment`` the digit is also shifted, scaled, turned and slanted a
    little.
    """
    import torch
    from torch.nn.functional import affine_grid, grid_sample

    count = len(digits)

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator)

    # The 2x3 matrix maps picture coordinates to digit coordinates; 1.15 leaves a small margin round the digit.
    transform = torch.zeros(count, 2, 3)
    transform[:, 0, 0] = transform[:, 1, 1] = 1.15
    if augment:
        angle = uniform(-0.21, 0.21, count)
        slant = uniform(-0.15, 0.15, count)
        scale_x, scale_y = uniform(1.0, 1.35, count), uniform(1.0, 1.35, count)
        transform[:, 0, 0] = scale_x * angle.cos()
        transform[:, 0, 1] = scale_x * (slant - angle.sin())
        transform[:, 1, 0] = scale_y * angle.sin()
        transform[:, 1, 1] = scale_y * angle.cos()
        transform[:, :, 2] = uniform(-0.15, 0.15, count, 2)
    grid = affine_grid(transform, [count, 1, SIZE, SIZE], align_corners=False)
    opacity = grid_sample(digits[:, None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    background, ink = draw_colours(count, generator)
    slope = uniform(-25, 25, count, 3) * (uniform(0, 1, count, 1) < 0.5)
    vertical = (uniform(0, 1, count) < 0.5)[:, None, None, None]
    ramp = torch.linspace(-1, 1, SIZE)
    gradient = slope[:, :, None, None] * torch.where(vertical, ramp[:, None], ramp[None, :])
    background_picture = background[:, :, None, None] + gradient
    picture = background_picture + opacity * (ink[:, :, None, None] - background_picture)
    return picture.clamp(0, 255).round()


def normalise(pictures: torch.Tensor) -> torch.Tensor:
    """Turn pictures from 0 to 255 into the input of the network."""
    import torch

    mean, std = torch.from_numpy(MEAN), torch.from_numpy(STD)
    return (pictures - mean[:, None, None]) / std[:, None, None]


def write_pictures(folder: Path, pictures: ByteArray, indices: list[int], labels: IntArray) -> list[str]:
    """Write pictures (N, H, W, 3) as PNG into ``folder`` in place of those that are there; return the file names."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    names = [f"{index:04d}_{labels[index]}.png" for index in indices]
    for name, picture in zip(names, pictures, strict=True):
        Image.fromarray(picture).save(folder / name, optimize=True)
    return names


# -------------------------------------------------------------------------------------------------- the network


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round a number of channels to a multiple of ``divisor``, never more than a tenth below ``value``."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * value else rounded + divisor


def build_network() -> nn.Module:
    """Return an untrained MobileNetV2 of width WIDTH for ten classes, with symmetric padding."""
    from torch import nn

    def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, act: bool = True) -> nn.Module:
        layers: list[nn.Module] = [
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        return nn.Sequential(*layers, nn.ReLU6()) if act else nn.Sequential(*layers)

    class InvertedResidual(nn.Module):  # type: ignore[misc, unused-ignore]  # misc: where torch is not installed
        """Widen by a 1x1 convolution (unless ``expansion`` is 1), filter each channel, narrow by a 1x1 one."""

        def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
            super().__init__()
            hidden = inputs * expansion
            layers = [] if expansion == 1 else [conv(inputs, hidden, 1)]
            layers += [conv(hidden, hidden, 3, stride, groups=hidden), conv(hidden, outputs, 1, act=False)]
            self.layers = nn.Sequential(*layers)
            self.residual = stride == 1 and inputs == outputs

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.layers(x)
            return x + y if self.residual else y

    channels = make_divisible(32 * WIDTH)
    layers: list[nn.Module] = [conv(3, channels, 3, stride=2)]
    for expansion, base, repeats, first_stride in BLOCKS:
        outputs = make_divisible(base * WIDTH)
        for repeat in range(repeats):
            layers.append(InvertedResidual(channels, outputs, first_stride if repeat == 0 else 1, expansion))
            channels = outputs
    last = 1280  # not scaled by a width below 1
    layers += [conv(channels, last, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, len(NAMES))]
    network = nn.Sequential(*layers)

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)
    return network


def train_network(digits: torch.Tensor, labels: torch.Tensor, epochs: int, seed: int) -> nn.Module:
    """Train on freshly drawn pictures of the digits; return the running average of the network, in eval mode."""
    import torch
    from torch import nn
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = build_network()
    get_average: Any = get_ema_multi_avg_fn
    average = AveragedModel(network, multi_avg_fn=get_average(AVERAGE_DECAY), use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    batches = len(labels) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=epochs * batches, pct_start=0.15
    )
    loss_function = nn.CrossEntropyLoss(label_smoothing=LABEL_SMOOTHING)

    start = time.perf_counter()
    network.train()
    for epoch in range(1, epochs + 1):
        total = 0.0
        order = torch.randperm(len(labels), generator=generator)
        for chosen in order[: batches * BATCH].view(batches, BATCH):
            pictures = normalise(draw_pictures(digits[chosen], generator, augment=True))
            loss = loss_function(network(pictures.contiguous(memory_format=torch.channels_last)), labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            average.update_parameters(network)
            total += loss.item()
        if epoch % 5 == 0 or epoch in (1, epochs):
            seconds = time.perf_counter() - start
            print(f"epoch {epoch:3d}  loss {total / batches:.4f}  {seconds:5.0f} s", flush=True)
    trained: nn.Module = average.module
    return trained.eval()


def accuracy(network: nn.Module, pictures: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of pictures (from 0 to 255) that a network in eval mode names rightly."""
    import torch

    with torch.inference_mode():
        return float((network(normalise(pictures)).argmax(dim=1) == labels).float().mean())


def export(network: nn.Module, path: Path, pictures: torch.Tensor) -> None:
    """Write the network to one ONNX file and check with onnxruntime that it still computes the same."""
    import torch

    # Not the newer exporter (dynamo=True): it writes the paths of source files on this machine into the file.
    torch.onnx.export(
        network,
        (torch.zeros(1, 3, SIZE, SIZE),),
        path,
        dynamo=False,
        opset_version=17,
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
    )

    inputs = normalise(pictures)
    with torch.inference_mode():
        expected = network(inputs).numpy()
    difference = float(np.abs(run_onnx(path, inputs.numpy()) - expected).max())
    print(f"{path.name}: {path.stat().st_size} bytes, differs from torch by at most {difference:.1e}")
    if difference > 1e-4:
        raise SystemExit("the exported network does not compute the same as the trained one")


# ------------------------------------------------------------------------------------------------- the commands


def run_onnx(path: Path, inputs: FloatArray) -> FloatArray:
    """Return the logits that onnxruntime computes for normalised pictures (N, 3, SIZE, SIZE)."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    result: Any = session.run(None, {session.get_inputs()[0].name: inputs})[0]
    return np.asarray(result, dtype=np.float32)


def evaluate(folder: Path) -> None:
    """Print the top-1 accuracy of digits.onnx on the pictures listed in test/labels.csv."""
    with (folder / "test" / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    pictures = np.stack([np.asarray(Image.open(folder / "test" / row["file"]).convert("RGB")) for row in rows])
    inputs = ((pictures.astype(np.float32) - MEAN) / STD).transpose(0, 3, 1, 2)
    found = run_onnx(folder / "digits.onnx", np.ascontiguousarray(inputs)).argmax(axis=1)
    right = 0
    for row, answer in zip(rows, found, strict=True):
        right += int(row["class_index"]) == answer
        if int(row["class_index"]) != answer:
            print(f"{row['file']}: is {row['name']}, taken for {NAMES[answer]}")
    print(f"top-1: {right} of {len(rows)} ({100 * right / len(rows):.2f} %)")


def validate(epochs: int, seed: int) -> None:
    """Train on four fifths of the training digits and print the accuracy on the last fifth; write nothing."""
    import torch
    from sklearn.model_selection import train_test_split

    digits, labels, train, _ = load_split(seed)
    fit, held_out = train_test_split(train, test_size=0.2, stratify=labels[train], random_state=seed)
    all_digits, all_labels = torch.from_numpy(digits), torch.from_numpy(labels)
    network = train_network(all_digits[fit], all_labels[fit], epochs, seed)
    pictures = draw_pictures(all_digits[held_out], torch.Generator().manual_seed(seed + 1), augment=False)
    share = accuracy(network, pictures, all_labels[held_out])
    print(f"accuracy on {len(held_out)} validation digits: {100 * share:.2f} %")


def make_everything(folder: Path, epochs: int, seed: int) -> None:
    """Train, then write the network, the label list and the pictures into ``folder``."""
    import torch

    digits, labels, train, test = load_split(seed)
    all_digits, all_labels = torch.from_numpy(digits), torch.from_numpy(labels)
    generator = torch.Generator().manual_seed(seed + 1)
    test_pictures = draw_pictures(all_digits[test], generator, augment=False)
    calibration = pick_stratified(train, labels, CALIBRATION_PICTURES, seed)
    calibration_pictures = draw_pictures(all_digits[calibration], generator, augment=False)

    network = train_network(all_digits[train], all_labels[train], epochs, seed)
    share = accuracy(network, test_pictures, all_labels[test])
    print(f"accuracy on all {len(test)} held-out digits: {100 * share:.2f} %")
    folder.mkdir(parents=True, exist_ok=True)
    export(network, folder / "digits.onnx", test_pictures)

    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in NAMES), encoding="utf-8")
    shipped = pick_stratified(test, labels, TEST_PICTURES_PER_CLASS * len(NAMES), seed)
    test_bytes = test_pictures[np.searchsorted(test, shipped)].byte().permute(0, 2, 3, 1).numpy()
    files = write_pictures(folder / "test", test_bytes, shipped, labels)
    with (folder / "test" / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "class_index", "name"])
        for name, label in zip(files, labels[shipped], strict=True):
            writer.writerow([name, label, NAMES[label]])
    calibration_bytes = calibration_pictures.byte().permute(0, 2, 3, 1).numpy()
    write_pictures(folder / "calibration", calibration_bytes, calibration, labels)
    evaluate(folder)


def main() -> None:
    """Read the command line and do what it asks."""
    parser = argparse.ArgumentParser(description="Train and evaluate the digits example.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--evaluate", action="store_true", help="only print the accuracy of digits.onnx on test/")
    mode.add_argument("--validate", action="store_true", help="only try the settings on a part of the training digits")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="where the files are")
    parser.add_argument("--epochs", type=int, default=120, help="default: 120")
    parser.add_argument("--seed", type=int, default=SEED, help=f"default: {SEED}")
    parser.add_argument("--threads", type=int, default=1, help="processor threads for training (default: 1)")
    options = parser.parse_args()
    if options.evaluate:
        evaluate(options.folder)
        return

    import torch

    torch.set_num_threads(options.threads)
    if options.validate:
        validate(options.epochs, options.seed)
    else:
        make_everything(options.folder, options.epochs, options.seed)


if __name__ == "__main__":
    main()
