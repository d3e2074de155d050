import io
import os
import pty
import threading
import time

import pytest
from rich.console import Console

from agent.live import LiveView, StoryView, story_line

OPTIONS = [
    {"kind": "skill", "words": "pick up the red block", "say": 0.8, "can": 0.9, "score": 0.85},
    {"kind": "done", "words": "done", "say": 0.1, "can": 0.02, "score": 0.05},
]
DECISION = {
    "kind": "decision", "tick": 3, "options": OPTIONS, "chosen": OPTIONS[0], "runner_up": OPTIONS[1], "why": "it comes next",
    "score_source": "embedded", "plan": ["→ put the red block in the blue bowl"],
}  # fmt: skip
STORY = [
    {"kind": "said", "by": "person", "words": "do [bold]it[/bold] now"},
    DECISION,
    {"kind": "outcome", "status": "done", "why": "achieved", "subtask": {"words": "pick up the red block"}},
    {"kind": "stopped", "confirmed": False, "why": "may still be moving"},
    {"kind": "chunk", "tick": 4},
]


def screen() -> Console:
    return Console(file=io.StringIO(), width=120, force_terminal=False)


def test_the_story_has_a_line_for_what_people_care_about() -> None:
    console = screen()
    with StoryView(console) as view:
        for event in STORY:
            view.event(event)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "do [bold]it[/bold] now" in text, "what people type is never read as markup"
    assert "pick up the red block" in text and "✓" in text and "may still be moving" in text
    assert text.index("0.80") < text.index("0.10"), "options stand best first"


def test_machine_events_are_not_story() -> None:
    assert story_line({"kind": "chunk", "tick": 4}) is None


def test_the_live_view_takes_typed_lines_while_it_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real pseudo-terminal: keys go in at one end, lines come out at `typed`."""
    ours, theirs = pty.openpty()
    monkeypatch.setattr("sys.stdin", os.fdopen(theirs, "r"))
    lines: list[str] = []
    arrived = threading.Event()

    def typed(line: str) -> None:
        lines.append(line)
        arrived.set()

    with LiveView(screen(), typed) as view:
        for event in STORY:
            view.event(event)
        view.progress("starting Ray")
        os.write(ours, "stoq\x7fp\x1b[A ünd wärten\n".encode())
        assert arrived.wait(5.0)
        time.sleep(0.2)
        assert view.buffer == ""
    assert lines == ["stop ünd wärten"]
