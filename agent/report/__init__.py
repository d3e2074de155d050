"""report.html: one self-contained page that tells what happened in a run, and why. No network, no script.

story.py turns the run's events into a story, timeline.py places the drawings, report.html.j2 lays it all out.
"""

import json
import re
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from agent.errors import RecordError
from agent.executor.files import replace_file
from agent.executor.record import read_steps, segments
from agent.executor.run import Event, Run
from agent.report.story import MARKS, StepStory, embed, mark_text, tell_story, timed
from agent.report.timeline import overview, waterfall
from agent.types import clip_text

EMBED_BYTES = 8 * 2**20
"""A longer film stays beside the page, which then links to it."""
OPTIONS_SHOWN = 5
ENDINGS = {
    "done": "Done",
    "failed": "Failed",
    "timed_out": "Timed out",
    "stopped": "Stopped",
    "declined": "Declined",
    "asked": "Waiting for an answer",
}


def write_report(folder: Path) -> Path:
    """Write report.html into a run's folder, finished or not; returns its path. Raises RecordError if it cannot be read or written."""
    run = Run.open(folder)
    page = template().render(view(run))
    path = run.folder / "report.html"
    replace_file(path, page.encode("utf-8", "replace"))
    return path


@cache
def template() -> Any:
    """The compiled page. Everything that it is given is escaped."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"share": share, "bar": bar, "when": "tick {}".format, "clip": clip_text, "printable": printable}
    environment.filters |= {"told": mark_text, "pretty": partial(json.dumps, indent=2, ensure_ascii=False)}
    return environment.get_template("report.html.j2")


def view(run: Run) -> dict[str, Any]:
    """Everything that the template shows."""
    events = timed(run.events)
    if not events:
        raise RecordError(f"Run {run.id} has no events: it was cut off before it began.")
    rate = rate_of(run)
    story = tell_story(run, events)
    steps = [entry.step for entry in story if entry.step]
    for step in steps:
        if step.outcome is None:
            step.ended = max(step.ended, last_tick(run, step.segment))
    ending = next((event for event in reversed(events) if event["kind"] in ("finished", "broken")), None)
    result = next((event for event in reversed(events) if event["kind"] == "result"), None)
    status = ending.get("status", "failed") if ending else "cut off"
    return {
        "run": run,
        "title": run.words,
        "quoted": next((event["words"] for event in events if event["kind"] == "said"), run.words) == run.words,
        "started": events[0],
        "began": datetime.fromisoformat(events[0]["time"]),
        "status": status,
        "status_name": ENDINGS.get(status, status.capitalize()),
        "why": ending["why"] if ending else "The run was cut off before it could say how it ended.",
        "rate": rate,
        "story": story,
        "steps": steps,
        "figures": figures(run, events, steps, rate),
        "films": films(run),
        "overview": overview(steps, events, rate),
        "waterfalls": {step.number: waterfall(step, rate) for step in steps if step.chunks},
        "timings": timings(events),
        "facts": facts(events, (result or {}).get("scene") or {}),
        "cost": recording(events),
        "resumed": [event for event in events if event["kind"] == "resumed"],
        "endings": ENDINGS,
        "shown": OPTIONS_SHOWN,
        "marks": MARKS,
    }


def rate_of(run: Run) -> float:
    """Ticks per second of robot time; 20 if the robot never moved."""
    there = segments(run)
    return read_steps(run.part("steps.bin", there[0]))[1].rate_hz if there else 20.0


def last_tick(run: Run, segment: int) -> int:
    """The last tick that a segment's steps reach; 0 if it has none."""
    ticks: Any = read_steps(run.part("steps.bin", segment))[0]["tick"] if segment in segments(run) else []
    return int(ticks[-1]) if len(ticks) else 0


def figures(run: Run, events: list[Event], steps: list[StepStory], rate: float) -> list[tuple[str, str]]:
    """The run in a few numbers: (name, value)."""
    counted = {kind: sum(event["kind"] == kind for event in events) for kind in {event["kind"] for event in events}}
    ticks = max((event["tick"] for event in events if event.get("tick") is not None), default=0)
    wall = (datetime.fromisoformat(events[-1]["time"]) - datetime.fromisoformat(events[0]["time"])).total_seconds()
    shown = [
        ("steps done", f"{sum(step.status == 'done' for step in steps)} of {len(steps)}"),
        ("robot time", f"{ticks / rate:.1f} s"),
        ("wall time", f"{wall:.1f} s"),
        ("decisions", str(counted.get("decision", 0))),
        ("chunks", str(counted.get("chunk", 0))),
        ("disturbances", str(counted.get("disturbed", 0))),
        ("guard interventions", str(counted.get("guarded", 0))),
        ("starvations", str(counted.get("starved", 0) + counted.get("waiting", 0))),
    ]
    return shown + ([("resumed", f"{run.segment - 1} ×")] if run.segment > 1 else [])


def films(run: Run) -> list[dict[str, Any]]:
    """The film of each segment, embedded if it is short."""
    found = []
    for segment in range(1, run.segment + 1):
        path = run.part("video.mp4", segment)
        if path.exists():
            small = path.stat().st_size < EMBED_BYTES
            found.append({"segment": segment, "name": path.name, "source": embed(path, "video/mp4") if small else path.name})
    if found and (run.folder / "last.jpg").exists():
        found[-1]["poster"] = embed(run.folder / "last.jpg", "image/jpeg")
    return found


def timings(events: list[Event]) -> list[tuple[str, int, float, float, float]]:
    """(what, how often, median, 95th percentile, largest), ms."""
    taken: dict[str, list[float]] = {}
    for event in events:
        if event["kind"] == "decision" and event.get("ms") is not None:
            taken.setdefault("decision", []).append(event["ms"])
        if event["kind"] == "chunk":
            for name, ms in event.get("timing", {}).items():
                if isinstance(ms, (int, float)):
                    taken.setdefault(f"chunk: {name.removesuffix('_ms').replace('_', ' ')}", []).append(ms)
    return [(name, len(ms), float(np.median(ms)), float(np.percentile(ms, 95)), max(ms)) for name, ms in taken.items()]


def recording(events: list[Event]) -> dict[str, float]:
    """What the record cost, ms per tick: {"log", "render", "queue", "encode"}."""
    parts = [event for event in events if event["kind"] == "recorded" and event["steps"]]
    ticks = sum(part["steps"] for part in parts)
    return {name.removesuffix("_ms"): sum(part["cost"][name] for part in parts) / ticks for name in parts[0]["cost"]} if parts else {}


def facts(events: list[Event], scene: Event) -> list[tuple[str, bool]]:
    """What held at the end, and whether it was not so at first; the new ones first."""
    first: list[Any] = next((event["scene"].get("facts", []) for event in events if event["kind"] == "looked" and "scene" in event), [])
    found = [(sentence(fact), fact not in first) for fact in scene.get("facts", [])]
    return sorted(found, key=lambda fact: not fact[1])


def sentence(fact: list[str]) -> str:
    """A fact in words: ("in", "red block", "bowl") → "red block in bowl", ("open", "drawer") → "drawer open"."""
    relation, *things = fact
    return f"{things[0]} {relation} {' '.join(things[1:])}".strip() if things else relation


def share(value: float | None) -> str:
    """A probability for people."""
    if value is None:
        return "–"
    return "< 0.01" if 0 < value < 0.005 else f"{value:.2f}"


def bar(value: float | None) -> str:
    """A probability as the width of a bar, %."""
    return f"{100 * min(max(value or 0.0, 0.0), 1.0):.1f}"


def printable(text: Any) -> str:
    """Text without the control characters that a page must not hold."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "�", str(text))
