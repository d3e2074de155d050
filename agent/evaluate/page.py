"""report.html of an evaluation: one self-contained page with tables, small plots and the worst failures. No network, no script."""

import base64
from functools import cache
from pathlib import Path
from typing import Any

from agent.evaluate.protocol import ROWS
from agent.executor.files import replace_file

WIDE, LINE = 420, 22
"""Of an interval plot, px: its width, and the height of one line."""
TITLES = {"skills": "Task by task", "chains": "Chains of tasks", "demos": "Scripted demos", "disturbed": "When things go wrong"}


def write_page(folder: Path, result: dict[str, Any], lines: list[dict[str, Any]]) -> Path:
    """Write report.html into `folder` and return its path; pictures are read from beside it and embedded."""
    page = template().render(
        result=result, title=TITLES[result["kind"]], rows=ROWS, pictures=pictures(folder, result["worst"]),
        wall_h=sum(line["wall_s"] for line in lines) / 3600, episodes=len(lines),
    )  # fmt: skip
    path = folder / "report.html"
    replace_file(path, page.encode("utf-8", "replace"))
    return path


@cache
def template() -> Any:
    """The compiled page. Everything that it is given is escaped."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": percent, "signed": signed, "seconds": seconds}
    environment.globals |= {"spans": spans, "steps": steps, "heat": heat}
    return environment.get_template("page.html.j2")


def pictures(folder: Path, worst: list[dict[str, Any]]) -> dict[str, str]:
    """Episode → its picture as a data address."""
    found = {line["key"]: folder / line["picture"] for line in worst if line["picture"]}
    return {key: "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode() for key, path in found.items() if path.exists()}


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}".removesuffix(".0") + " %"


def signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def seconds(ticks: float | None, rate_hz: float = 20.0) -> str:
    return "–" if ticks is None else f"{ticks / rate_hz:.1f} s"


def spans(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Where each rate and its interval are drawn, px: y, low, high, at; and how good it is."""
    marks = ["good" if row["success"] >= 0.95 else "fair" if row["success"] >= 0.8 else "poor" for row in rows]
    return [{**row, "mark": mark, "y": LINE * i + LINE / 2, "at": WIDE * row["success"], "from": WIDE * row["low"],
             "to": WIDE * row["high"]} for i, (row, mark) in enumerate(zip(rows, marks, strict=True))]  # fmt: skip


def steps(rows: list[dict[str, Any]], high: int = 160, wide: int = 74) -> list[dict[str, Any]]:
    """Success@k as columns, px."""
    return [{**row, "x": 10 + wide * i, "y": high * (1 - row["success"]), "tall": high * row["success"], "low_y": high * (1 - row["low"]),
             "high_y": high * (1 - row["high"])} for i, row in enumerate(rows)]  # fmt: skip


def heat(value: float | None) -> str:
    """How strongly a cell is tinted, %: a rate of 0 fully, of 1 not at all."""
    return f"{0 if value is None else 60 * (1 - min(max(value, 0.0), 1.0)):.0f}%"
