"""Just enough SVG for the drawings of `linnet inspect` and `linnet plan`: shapes and text, as one string."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

Point = tuple[float, float]
Attributes = dict[str, str | float]


class Drawing:
    """A white sheet; what is drawn later lies on top. Further attributes: `stroke_width=2` becomes stroke-width="2"."""

    def __init__(self, width: float, height: float) -> None:
        self.width = width
        self.height = height
        self.parts: list[str] = []
        self.rect(0, 0, width, height, fill="white")

    def rect(self, x: float, y: float, width: float, height: float, title: str = "", **attributes: str | float) -> None:
        self._element("rect", {"x": x, "y": y, "width": width, "height": height}, attributes, title)

    def line(self, x1: float, y1: float, x2: float, y2: float, **attributes: str | float) -> None:
        defaults: Attributes = {"stroke": "black"}
        self._element("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2}, defaults | attributes)

    def polyline(self, points: Iterable[Point], **attributes: str | float) -> None:
        defaults: Attributes = {"fill": "none", "stroke": "black"}
        self._element("polyline", {"points": _points(points)}, defaults | attributes)

    def polygon(self, points: Iterable[Point], title: str = "", **attributes: str | float) -> None:
        self._element("polygon", {"points": _points(points)}, attributes, title)

    def text(self, x: float, y: float, text: str, upright: bool = False, **attributes: str | float) -> None:
        """upright: the text runs upwards."""
        place: Attributes = {"x": x, "y": y}
        if upright:
            place["transform"] = f"rotate(-90 {_number(x)} {_number(y)})"
        self._element("text", place, attributes, text, child="")

    def __str__(self) -> str:
        size = f'width="{_number(self.width)}" height="{_number(self.height)}"'
        box = f'viewBox="0 0 {_number(self.width)} {_number(self.height)}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} font-family="sans-serif" font-size="11">'
        return "\n".join([head, *self.parts, "</svg>", ""])

    def _element(
        self, name: str, place: Attributes, attributes: Attributes, content: str = "", child: str = "title"
    ) -> None:
        """content: text, inside an element `child` where one is named."""
        listed = "".join(
            f" {key.replace('_', '-')}={quoteattr(value if isinstance(value, str) else _number(value))}"
            for key, value in (place | attributes).items()
        )
        inner = escape(content)
        if inner and child:
            inner = f"<{child}>{inner}</{child}>"
        self.parts.append(f"<{name}{listed}>{inner}</{name}>" if inner else f"<{name}{listed}/>")


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _points(points: Iterable[Point]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
