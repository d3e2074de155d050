"""report.html of an evaluation: one self-contained page with tables, small plots and the worst failures. No network, no script."""

import base64
from functools import cache
from pathlib import Path
from typing import Any

from agent.evaluate.protocol import ROWS
from agent.executor.files import replace_file

WIDE, LINE = 420, 19
"""Of an interval plot, px: its width, and the height of one line."""
CURVE = (24, 50, 74)
"""Of a small plot, px: where its clean run stands, how far apart the levels are, how high it is."""
TITLES = {"skills": "Task by task", "chains": "Chains of tasks", "demos": "Scripted demos", "disturbed": "When things go wrong"}


def write_page(folder: Path, result: dict[str, Any], lines: list[dict[str, Any]]) -> Path:
    """Write report.html into `folder` and return its path; pictures are read from beside it and embedded."""
    page = template().render(
        result=result, title=TITLES[result["kind"]], rows=ROWS, overview=overview(result), curves=curves(result),
        pictures=pictures(folder, result["worst"]),
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
    environment.globals |= {"spans": spans, "steps": steps, "heat": heat, "line_px": LINE}
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


def steps(rows: list[dict[str, Any]], high: int = 150, wide: int = 74) -> list[dict[str, Any]]:
    """Success@k as columns, px."""
    return [{**row, "x": 10 + wide * i, "y": high * (1 - row["success"]), "tall": high * row["success"], "low_y": high * (1 - row["low"]),
             "high_y": high * (1 - row["high"])} for i, row in enumerate(rows)]  # fmt: skip


def heat(value: float | None) -> str:
    """How strongly a cell is tinted, %: a rate of 0 fully, of 1 not at all."""
    return f"{0 if value is None else 60 * (1 - min(max(value, 0.0), 1.0)):.0f}%"


def overview(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Each row with its name, what it is, and its figures in [0, 1] with intervals: what is said of each, and with how much of it."""
    found = []
    for row, about in result.get("rows_about", {}).items() if result["kind"] != "demos" else ():
        figures = []
        if about["same_as"] is None and row in result["rows"]:
            of = result["rows"][row]
            if result["kind"] == "skills":
                figures = [rated("", result["overall_rows"][row])]
            elif result["kind"] == "chains":
                figures = [{**at_scale(of), "what": "", "said": f"{of['average_length']:.2f} of {of['length']}"}]
            else:
                figures = [rated("undisturbed", of["clean"]), rated("disturbed", of["all"])]
        found.append({"row": row, **about, "figures": figures})
    return found


def rated(what: str, one: dict[str, Any]) -> dict[str, Any]:
    return {"what": what, "at": one["success"], "low": one["low"], "high": one["high"],
            "said": f"{percent(one['success'])} ({one['successes']} of {one['n']})"}  # fmt: skip


def at_scale(of: dict[str, Any]) -> dict[str, float]:
    """An average length as a share of the length."""
    return {"at": of["average_length"] / of["length"], "low": of["low"] / of["length"], "high": of["high"] / of["length"]}


def curves(result: dict[str, Any]) -> list[dict[str, Any]]:
    """For each perturbation one small plot: a line per row, from the clean run of the same seeds over the levels; px."""
    cells = [(row, cell) for row, of in result.get("rows", {}).items() if isinstance(of, dict) for cell in of.get("cells", ())]
    found: dict[str, dict[str, Any]] = {}
    for row, cell in cells:
        plot = found.setdefault(cell["name"], {"name": cell["name"], "n": cell["n"], "rows": {}})
        whole = cell.get("length", 1)
        value = at_scale(cell) if "length" in cell else {"at": cell["success"], "low": cell["low"], "high": cell["high"]}
        points = plot["rows"].setdefault(row, [curve_point(0, {"at": cell["clean"] / whole, "low": None, "high": None})])
        points.append(curve_point(cell["level"], value))
    return list(found.values())


def curve_point(level: int, value: dict[str, Any]) -> dict[str, Any]:
    left, apart, high = CURVE
    down = {key: None if share is None else high * (1 - share) for key, share in value.items()}
    return {"x": left + apart * level, "level": level, "share": value["at"], **down}
