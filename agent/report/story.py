"""The events of a run as people tell them."""

import base64
from dataclasses import dataclass, field
from pathlib import Path

from agent.executor.run import Event, Run

MARKS = {
    "disturbed": "disturbance",
    "starved": "starved",
    "waiting": "policy lost",
    "recovered": "policy back",
    "chunk_failed": "no answer",
    "guarded": "guard",
    "refused": "row refused",
    "stopped": "stop",
}
"""Kinds of events that are marked on the timeline, and what they are called there."""


@dataclass
class Entry:
    """One thing that happened, in order: kind "said", "asked", "step", "check", "note"."""

    kind: str
    tick: int | None = None
    text: str = ""
    by: str = ""
    decision: Event | None = None
    step: "StepStory | None" = None


@dataclass
class StepStory:
    """One subtask: why it was chosen, what was done, how it ended."""

    number: int
    words: str
    began: int
    segment: int
    ended: int
    decision: Event | None = None
    outcome: Event | None = None
    pictures: dict[str, str] = field(default_factory=dict)
    chunks: list[Event] = field(default_factory=list)
    marks: list[Event] = field(default_factory=list)

    @property
    def by(self) -> str:
        """Which of several policies made its chunks; empty where there is but one."""
        return " and ".join(dict.fromkeys(chunk["by"] for chunk in self.chunks if chunk.get("by")))

    @property
    def status(self) -> str:
        return self.outcome["status"] if self.outcome else "cut off"


def timed(events: list[Event]) -> list[Event]:
    """The events, where what was said or stopped without a tick of its own has that of the event before."""
    found: list[Event] = []
    tick = None
    for event in events:
        if event["kind"] in ("said", "answered", "stopped") and tick is not None:
            event = {"tick": tick, **event}
        tick = None if event["kind"] == "resumed" else event.get("tick", tick)
        found.append(event)
    return found


def tell_story(run: Run, events: list[Event]) -> list[Entry]:
    """The events as people tell them: what was said, each step with its reason and its end, and whatever came in between."""
    story: list[Entry] = []
    step: StepStory | None = None
    decision: Event | None = None
    segment, number = 1, 0
    for event in events:
        kind, tick = event["kind"], event.get("tick")
        if step is not None and tick is not None and step.outcome is None and kind != "resumed":
            step.ended = max(step.ended, tick)
        match kind:
            case "said" if not story and event["words"] == run.words:
                continue  # the page's title
            case "said" | "answered":
                question = event.get("question")
                if question and not (story and story[-1].text == question):
                    story.append(Entry("said", tick, question, by="robot"))
                story.append(Entry("said", tick, event["words"], by=event.get("by", "person")))
            case "asked":
                story.append(Entry("said", tick, event.get("words") or event.get("question", ""), by="robot"))
            case "decision":
                decision = event
                if event.get("chosen", {}).get("kind", "skill") != "skill":
                    story.append(Entry("check", tick, event.get("question") or event.get("why", ""), decision=event))
            case "subtask_started":
                number += 1
                begun = int(tick or 0)
                step = StepStory(number, event["subtask"]["words"], begun, segment, begun, decision=decision)
                story.append(Entry("step", tick, step=step))
            case "chunk" if step is not None:
                step.chunks.append(event)
            case "picture" if step is not None:
                step.pictures[event["when"]] = embed(run.folder / event["file"], "image/jpeg")
            case "outcome" if step is not None:
                step.outcome, step.ended = event, int(tick if tick is not None else step.ended)
            case "resumed":
                segment, step = event["segment"], None
                story.append(Entry("note", tick, "The process was cut off here, and the run was resumed from its last finished step."))
            case "broken":
                story.append(Entry("note", tick, event["why"]))
            case _ if kind in MARKS and step is not None and step.outcome is None:
                step.marks.append(event)
            case _ if kind in MARKS:
                story.append(Entry("note", tick, f"{MARKS[kind]}: {mark_text(event)}"))
    return story


def mark_text(event: Event) -> str:
    return str(event.get("what") or event.get("why") or event.get("words") or event["kind"])


def embed(path: Path, kind: str) -> str:
    """A file as a data: address; empty if it is not there."""
    if not path.is_file():
        return ""
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
