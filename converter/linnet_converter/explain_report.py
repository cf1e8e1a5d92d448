"""An explanation as a table for people, as plain values for JSON, and as an SVG picture."""

from __future__ import annotations

import html
import math
from dataclasses import asdict
from typing import Any

from linnet.report import table

from .explain import Explanation, Layer

_SHOWN = 20
"""Rows of the table; the rest is counted."""


def as_dict(explanation: Explanation) -> dict[str, Any]:
    """What `linnet explain --json` prints: layers in the order of the network."""
    return asdict(explanation)


def text(explanation: Explanation, shown: int = _SHOWN) -> str:
    """The table, worst layer first, and below it what each step gave back."""
    worst = explanation.worst_first
    header = ("layer", "kind", "share", "only this", "alone", "weights", "so far", "range", "seen", "clipped", "dead")
    rows = [
        (
            layer.name,
            layer.kind,
            f"{layer.share:.1f} %",
            _db(layer.network_db),
            _db(layer.alone_db),
            _db(layer.weights_db),
            _db(layer.so_far_db),
            "32 bits" if math.isinf(layer.high) else f"{layer.low:.3g} .. {layer.high:.3g}",
            f"{layer.seen[0]:.3g} .. {layer.seen[1]:.3g}",
            f"{layer.clipped:.3f} %",
            f"{layer.dead}/{layer.channels}" if layer.dead else "",
        )
        for layer in worst[:shown]
    ]
    meanings = (
        "share      of the error in the logits, were the layers' errors to add up; the first line is the culprit\n"
        "only this  SQNR of the logits when only this layer is int8\n"
        "alone      SQNR of the layer's output when its input is float; weights: before its output is rounded\n"
        "so far     SQNR of the layer's output in the whole int8 network"
    )
    heading = (
        f"{explanation.pictures} pictures, SQNR of the logits {_db(explanation.network_db)}: "
        f"with only weights int8 {_db(explanation.weights_only_db)}, "
        f"with only activations int8 {_db(explanation.outputs_only_db)}"
    )
    parts = [
        heading,
        table(rows, header) + (f"\nand {len(worst) - shown} more" if len(worst) > shown else ""),
        meanings,
    ]
    if explanation.steps:
        parts.append(_steps(explanation))
    return "\n\n".join(parts)


def _steps(explanation: Explanation) -> str:
    """What each step gave: the logits, and the layer's output that it helped most."""
    rows = []
    before: str | None = None
    for name, db in explanation.steps.items():
        gain, most = "", ""
        if before is not None:
            earlier = before
            gain = _difference(db, explanation.steps[earlier])
            best = max(explanation.layers, key=lambda layer: _gain(layer, earlier, name))
            most = f"{best.name} {_difference(best.steps[name], best.steps[earlier])}"
        rows.append((name, _db(db), gain, most))
        before = name
    return table(rows, ("after", "logits", "gave", "helped most"))


def _gain(layer: Layer, before: str, after: str) -> float:
    gain = layer.steps[after] - layer.steps[before]
    return gain if math.isfinite(gain) else -math.inf


def _difference(after: float, before: float) -> str:
    return f"{after - before:+.1f} dB" if math.isfinite(after - before) else ""


def _db(value: float) -> str:
    return f"{value:.1f} dB" if math.isfinite(value) else "exact" if value > 0 else "none"


_ROW, _LEFT, _WIDTH, _TOP = 16, 330, 480, 64
_COLOURS = {"network_db": "#c0392b", "alone_db": "#2980b9", "weights_db": "#7f8c8d"}
_LEGEND = {
    "network_db": "logits, only this layer int8",
    "alone_db": "its output alone",
    "weights_db": "its weights alone",
}
_LARGEST_DB = 70.0


def svg(explanation: Explanation, title: str) -> str:
    """One line per layer in the order of the network; points further left are worse, the culprits are in red."""
    culprits = {layer.name for layer in explanation.worst_first[:3]}
    height = _TOP + _ROW * len(explanation.layers) + 24

    def place(db: float) -> float:
        return _LEFT + _WIDTH * min(max(db, 0.0), _LARGEST_DB) / _LARGEST_DB

    size = f'width="{_LEFT + _WIDTH + 90}" height="{height}"'
    heading = html.escape(f"{title}: SQNR of the logits {_db(explanation.network_db)}")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="20" font-size="14">{heading}</text>',
    ]
    for number, (field, label) in enumerate(_LEGEND.items()):
        left = 10 + 190 * number
        parts.append(
            f'<circle cx="{left + 4}" cy="38" r="4" fill="{_COLOURS[field]}"/>'
            f'<text x="{left + 12}" y="42">{label}</text>'
        )
    for db in range(0, int(_LARGEST_DB) + 1, 10):
        x = place(db)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 6}" y2="{height - 20}" stroke="#dddddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 6}" text-anchor="middle">{db} dB</text>')
    for number, layer in enumerate(explanation.layers):
        y = _TOP + _ROW * number + _ROW / 2
        colour = "#c0392b" if layer.name in culprits else "black"
        weight = ' font-weight="bold"' if layer.name in culprits else ""
        name = layer.name if len(layer.name) <= 44 else f"…{layer.name[-43:]}"
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="{colour}"{weight}>{html.escape(name)}'
            f"<title>{html.escape(layer.name)}: {layer.kind}, {layer.share:.1f} % of the error</title></text>"
        )
        bar = _LEFT + _WIDTH + 8
        parts.append(
            f'<rect x="{bar}" y="{y - 5:.1f}" width="{0.7 * layer.share:.1f}" height="10" fill="#e6b0aa"/>'
            f'<text x="{bar + 2}" y="{y + 4:.1f}">{layer.share:.1f} %</text>'
        )
        for field, fill in reversed(_COLOURS.items()):
            db = getattr(layer, field)
            if math.isfinite(db):
                parts.append(f'<circle cx="{place(db):.1f}" cy="{y:.1f}" r="4" fill="{fill}"/>')
    parts.append("</svg>\n")
    return "\n".join(parts)
