"""A run's metrics as a picture: an SVG of panels, one a quantity, over samples seen. No plotting library."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path

WIDE, HIGH, MARGIN, COLUMNS = 330, 190, 46, 3
INK, LINE, DOT = "#333", "#1f6f8b", "#c2452d"
Point = tuple[float, float]


def draw_curves(out: Path) -> None:
    """metrics.jsonl → curves.svg; nothing is drawn before there are metrics."""
    found = series(out / "metrics.jsonl")
    if not found:
        return
    rows = math.ceil(len(found) / COLUMNS)
    panels = [panel(name, points, i % COLUMNS * WIDE, i // COLUMNS * HIGH) for i, (name, points) in enumerate(found.items())]
    size = f'width="{COLUMNS * WIDE}" height="{rows * HIGH}"'
    text = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11" fill="{INK}">\n'
    part = out / "curves.svg.part"
    part.write_text(text + '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(panels) + "\n</svg>\n", encoding="utf-8")
    os.replace(part, out / "curves.svg")


def series(path: Path) -> dict[str, list[Point]]:
    """Quantity → (samples, value), in the order of the lines."""
    found: dict[str, list[Point]] = {}
    if not path.is_file():
        return found
    for text in path.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        for name, value in line.items():
            if name not in ("kind", "samples", "seconds") and isinstance(value, int | float) and math.isfinite(value):
                found.setdefault(f"{line['kind']}: {name}", []).append((line["samples"], value))
    return found


def panel(name: str, points: Sequence[Point], left: int, top: int) -> str:
    """One quantity. Positive quantities that fall far are drawn on a logarithmic scale."""
    values = [value for _, value in points]
    log = min(values) > 0 and max(values) / min(values) > 20
    heights = [math.log10(value) if log else value for value in values]
    low, high = min(heights), max(heights)
    span, last = (high - low) or 1.0, max(x for x, _ in points) or 1.0
    x0, y0, wide, high_px = left + MARGIN, top + HIGH - 30, WIDE - MARGIN - 14, HIGH - 62

    def place(x: float, height: float) -> str:
        return f"{x0 + wide * x / last:.1f},{y0 - high_px * (height - low) / span:.1f}"

    places = [place(x, height) for (x, _), height in zip(points, heights, strict=True)]
    dots = [f'<circle cx="{x}" cy="{y}" r="2" fill="{DOT}"/>' for x, y in (place.split(",") for place in places)]
    marks = "".join(dots) if len(dots) < 40 else ""
    return (
        f'<text x="{x0}" y="{top + 18}" font-weight="bold">{escape(name)}{" (log)" if log else ""}</text>'
        f'<text x="{x0 + wide}" y="{top + 18}" text-anchor="end">{values[-1]:.4g}</text>'
        f'<path d="M{x0},{y0 - high_px} V{y0} H{x0 + wide}" fill="none" stroke="#bbb"/>'
        f'<text x="{x0 - 4}" y="{y0}" text-anchor="end">{min(values):.3g}</text>'
        f'<text x="{x0 - 4}" y="{y0 - high_px + 8}" text-anchor="end">{max(values):.3g}</text>'
        f'<text x="{x0 + wide}" y="{y0 + 14}" text-anchor="end">{last / 1000:.4g}k samples</text>'
        f'<polyline points="{" ".join(places)}" fill="none" stroke="{LINE}" stroke-width="1.5"/>{marks}'
    )


__all__ = ["draw_curves", "series"]
