"""The picture of `linnet bench`: Linnet and the peers side by side, and where Linnet's time goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from linnet import measure

from .svg import Drawing

if TYPE_CHECKING:
    from linnet.commands.bench import Run
    from linnet.measure import Statistics

WIDTH = 900
LEFT, RIGHT = 200, 170
ROW, GAP = 22, 34
CUT = 6
"""Runtimes that take so many times Linnet's time have a bar that leaves the picture."""
TALL = 90

OURS, THEIRS = "#2b6cb0", "#b8c0cc"
KINDS = {
    "conv": "#d69e2e",
    "depthwise": "#38a169",
    "pointwise": "#2b6cb0",
    "add": "#9f7aea",
    "avg_pool": "#ed64a6",
    "fully_connected": "#e53e3e",
    "softmax": "#718096",
    "input": "#cbd5e0",
}


def draw(title: str, runs: Sequence[Run]) -> str:
    """SVG. Bars are medians, the lines across their ends reach from the 10th to the 90th percentile.

    An arrow stands behind a bar that is too long to be drawn.
    """
    rows = sum(1 + len(run.peers) for run in runs)
    sheet = Drawing(WIDTH, 30 + rows * ROW + len(runs) * GAP + TALL + 90)
    sheet.text(10, 20, f"{title}: milliseconds of one inference", font_size=14)
    scale = (WIDTH - LEFT - RIGHT) / _longest(runs)
    y = 30.0
    for run in runs:
        threads = "1 thread" if run.threads == 1 else f"{run.threads} threads"
        busy = "   (the machine was busy)" if run.machine.busy else ""
        sheet.text(10, y + 20, f"{threads}{busy}", font_weight="bold")
        y += GAP - 4
        _bar(sheet, y, "Linnet", run.statistics, scale, OURS, "")
        y += ROW
        for key, peer in run.peers.items():
            _bar(sheet, y, key, peer.statistics, scale, THEIRS, f"Linnet / it {peer.ratio.ratio:.2f}")
            y += ROW
        y += 4
    _operators(sheet, y + 20, runs[0])
    return str(sheet)


def _longest(runs: Sequence[Run]) -> float:
    """Milliseconds that have a place: of all that are not so slow that the rest would be too short to see."""
    return max(
        each.p90_ms
        for run in runs
        for each in (run.statistics, *(peer.statistics for peer in run.peers.values()))
        if each.median_ms <= CUT * max(run.statistics.median_ms for run in runs)
    )


def _bar(sheet: Drawing, y: float, name: str, times: Statistics, scale: float, colour: str, note: str) -> None:
    middle, end = y + ROW / 2 - 2, WIDTH - RIGHT
    sheet.text(LEFT - 8, middle + 4, name, text_anchor="end")
    cut = LEFT + times.median_ms * scale > end
    sheet.rect(
        LEFT,
        y,
        min(times.median_ms * scale, end - LEFT),
        ROW - 4,
        fill=colour,
        title=f"{name}: {times.median_ms:.3f} ms",
    )
    low, high = LEFT + times.p10_ms * scale, LEFT + times.p90_ms * scale
    if not cut:
        sheet.line(low, middle, min(high, end), middle)
        for x in (low, min(high, end)):
            sheet.line(x, middle - 4, x, middle + 4)
    arrow = "\N{RIGHTWARDS ARROW} " if cut else ""
    sheet.text((end if cut else min(high, end)) + 8, middle + 4, f"{arrow}{times.median_ms:.2f} ms  {note}")


def _operators(sheet: Drawing, y: float, run: Run) -> None:
    """One column for each operator, in the network's order, as tall as its time."""
    sheet.text(10, y + 10, "Linnet's operators, in their order", font_weight="bold")
    y += 20
    width = (WIDTH - 20) / max(len(run.operators), 1)
    highest = max((each.median_ms for each in run.operators), default=0.0) or 1.0
    for number, each in enumerate(run.operators):
        tall = TALL * each.median_ms / highest
        sheet.rect(
            10 + number * width,
            y + TALL - tall,
            max(width - 1, 0.5),
            tall,
            fill=KINDS.get(each.kind, "black"),
            title=f"{each.name}: {each.median_ms:.3f} ms, {100 * each.share:.1f} %",
        )
    x = 10.0
    for kind, (_, share, _) in measure.by_kind(run.operators).items():
        sheet.rect(x, y + TALL + 10, 10, 10, fill=KINDS.get(kind, "black"))
        label = f"{kind} {100 * share:.0f} %"
        sheet.text(x + 14, y + TALL + 19, label)
        x += 30 + 6.5 * len(label)
