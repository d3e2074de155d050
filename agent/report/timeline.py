"""Where things stand in the drawings: plain numbers, in the units of an SVG that is `WIDE` wide."""

from typing import Any

import numpy as np

from agent.executor.run import Event
from agent.report.story import MARKS, StepStory, mark_text

WIDE = 880.0
MARK_WIDE = 24.0
"""Guard interventions nearer to one another than this are drawn as one mark with a line to its end."""


def overview(steps: list[StepStory], events: list[Event], rate: float) -> dict[str, Any]:
    """The whole run on one strip: a lane per segment with its steps, and marks where something happened."""
    end = max([step.ended for step in steps] + [event["tick"] for event in events if event.get("tick") is not None] + [1])
    scale = WIDE / end
    blocks = [
        {"step": step, "x": step.began * scale, "width": max(3.0, (step.ended - step.began) * scale - 2), "lane": step.segment - 1}
        for step in steps
    ]
    lanes: dict[int, list[Event]] = {1: []}
    for event in events:
        if event["kind"] == "resumed":
            lanes[event["segment"]] = []
        if event["kind"] in MARKS or (event["kind"] == "said" and event.get("tick")):
            lanes[max(lanes)].append(event)
    marks = [
        {
            "kind": event["kind"],
            "x": event["tick"] * scale,
            "lane": segment - 1,
            "title": mark_title(event),
            "long": (event["until"] - event["tick"]) * scale,
        }
        for segment, happened in lanes.items()
        for event in gathered(happened, MARK_WIDE / scale)
    ]
    kinds = {mark["kind"]: MARKS.get(mark["kind"], "said") for mark in marks}
    return {"blocks": blocks, "marks": marks, "lanes": max(lanes), "axis": axis(0, end, rate, "s"), "legend": kinds, "wide": WIDE}


def waterfall(step: StepStory, rate: float) -> dict[str, Any]:
    """The chunks of a step against its ticks: asked → arrived (waiting), arrived → the next one's arrival (in use), the rest (unused)."""
    left, right = 40.0, 70.0
    end = max([step.ended, *(chunk["start"] + chunk["rows"] for chunk in step.chunks)])
    scale = (WIDE - left - right) / max(1, end - step.began)
    height = 15.0 if len(step.chunks) <= 24 else max(4.0, 360.0 / len(step.chunks))
    until = [chunk["arrived"] for chunk in step.chunks[1:]] + [step.ended]
    lines = []
    for row, (chunk, over) in enumerate(zip(step.chunks, until, strict=True)):
        last = chunk["start"] + chunk["rows"]
        spans = {"wait": (chunk["asked"], chunk["arrived"]), "use": (chunk["arrived"], min(over, last)), "rest": (min(over, last), last)}
        placed = {name: (left + (a - step.began) * scale, max(0.0, (b - a) * scale)) for name, (a, b) in spans.items()}
        answer = chunk.get("timing", {}).get("answer_ms")
        lines.append(
            {
                "y": row * height,
                "spans": placed,
                "label": f"{answer:.1f} ms" if answer is not None else "",
                "title": chunk_title(chunk, over),
            }
        )
    marks = [
        {
            "kind": event["kind"],
            "x": left + (event["tick"] - step.began) * scale,
            "title": mark_title(event),
            "long": (event["until"] - event["tick"]) * scale,
        }
        for event in gathered(step.marks, MARK_WIDE / scale)
    ]
    grid = [(left + x * (WIDE - left - right) / WIDE, text) for x, text in axis(step.began, end, rate, "ticks")]
    ending = left + (step.ended - step.began) * scale
    return {
        "lines": lines,
        "marks": marks,
        "axis": grid,
        "row": height,
        "height": height * len(lines),
        "wide": WIDE,
        "left": left,
        "end": ending,
    }


def axis(first: int, last: int, rate: float, unit: str) -> list[tuple[float, str]]:
    """(x, label) at round seconds ("3 s") or ticks ("60"), at most eleven of them."""
    per = rate if unit == "s" else 1.0
    a, b = first / per, max(last, first + 1) / per
    every = next(step for step in (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 1e9) if (b - a) / step <= 11)
    marks = np.arange(np.ceil(a / every), np.floor(b / every) + 1) * every
    return [(float((mark - a) / (b - a) * WIDE), f"{mark:g} s" if unit == "s" else f"{mark:g}") for mark in marks]


def gathered(events: list[Event], apart: float) -> list[Event]:
    """Marks to draw: guard interventions less than `apart` ticks after one another are one mark, counted."""
    found: list[Event] = []
    for event in events:
        same = next((mark for mark in reversed(found) if mark["kind"] == event["kind"]), None)
        if event.get("tick") is None:
            continue
        if same is not None and 0 <= event["tick"] - same["until"] <= apart and event["kind"] == "guarded":
            same.update(until=event["tick"], times=same["times"] + 1)
        else:
            found.append({**event, "until": event["tick"], "times": 1})
    return found


def mark_title(event: Event) -> str:
    several = f" to {event['until']}, {event['times']} times" if event.get("times", 1) > 1 else ""
    return f"{MARKS.get(event['kind'], event['kind'])} at tick {event['tick']}{several}: {mark_text(event)}"


def chunk_title(chunk: Event, over: int) -> str:
    """What hovering over a chunk says."""
    timing = (f"{name.removesuffix('_ms')} {ms:.1f} ms" for name, ms in chunk.get("timing", {}).items() if isinstance(ms, (int, float)))
    told = f"asked at tick {chunk['asked']}, arrived at {chunk['arrived']}, {chunk['rows']} rows from tick {chunk['start']}"
    return f"{told}, in use until {over}. {', '.join(timing)}"
