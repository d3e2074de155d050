"""What a person sees in the terminal while the robot works: the story, the plan, the score bars, and a line to type on.

Both views are fed with the events that also go to the record. On a terminal `LiveView` redraws a screen and reads keys, so that a
sentence can be typed at any time; elsewhere `StoryView` prints lines.
"""

import codecs
import os
import re
import select
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from agent.types import clip_text

MARKS = {"done": "[green]✓[/]", "failed": "[red]✗[/]", "timed_out": "[red]⏱[/]", "stopped": "[yellow]■[/]"}
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|O.|.)?")
"""Arrow keys and the like: they are not text."""
SHOWN = 5
"""Options shown per decision, lines of story kept in sight is three times as many."""


def story_line(event: dict[str, Any]) -> Text | None:
    """One event as one line for people; None for those that only machines care about."""
    escape = Text
    match event["kind"]:
        case "said" if event["by"] == "robot":
            return Text.assemble(("i ", "bold cyan"), event["words"])
        case "said":
            return Text.assemble(("› ", "bold cyan"), (clip_text(event["words"], 200), "bold"))
        case "decision" if event["chosen"]["kind"] != "skill":
            return None  # its sentence is the result's, which comes next
        case "decision":
            return Text.assemble(("  choose ", "dim"), chosen_words(event["chosen"]), ("  " + event["why"], "dim"))
        case "outcome":
            mark = Text.from_markup("  " + MARKS[event["status"]] + " ")
            return Text.assemble(mark, event["subtask"]["words"], (f"  {event['why']}", "dim"))
        case "disturbed":
            return escape(f"  ⚡ {event.get('what', 'something was changed behind the robot’s back')}", style="magenta")
        case "starved" | "waiting":
            return escape(f"  … {event.get('why', 'waiting for the policy, standing still')}", style="yellow")
        case "stopped":
            return escape(f"  ■ {event['why']}", style="yellow" if event["confirmed"] else "bold red")
        case "broken":
            return escape(f"  ✗ {event['why']}", style="bold red")
        case _:
            return None


def chosen_words(option: dict[str, Any]) -> tuple[str, str]:
    return (option["words"], "bold" if option["kind"] == "skill" else "bold yellow")


def score_bars(decision: dict[str, Any]) -> Table:
    """The best options with their bars: say × can → score."""
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for title, narrowest in (("", 12), ("say", 13), ("can", 4), ("score", 13)):
        table.add_column(title, min_width=narrowest, no_wrap=True)
    for option in decision["options"][:SHOWN]:
        best = option["words"] == decision["chosen"]["words"]
        name = Text(clip_text(option["words"], 44), style="bold green" if best else "")
        table.add_row(name, meter(option["say"]), f"{option['can']:.2f}", meter(option["score"], "green" if best else "blue"))
    return table


def meter(value: float, style: str = "cyan") -> RenderableType:
    bar = Table.grid(padding=(0, 1))
    bar.add_row(ProgressBar(total=1.0, completed=max(value, 0.0), width=8, complete_style=style, finished_style=style), f"{value:.2f}")
    return bar


class StoryView:
    """Lines for pipes, logs and tests; also what `--json` sends to stderr."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def progress(self, stage: str) -> None:
        self.console.print(Text(f"  {stage} …", style="dim"))

    def event(self, event: dict[str, Any]) -> None:
        if line := story_line(event):
            self.console.print(line, soft_wrap=True)
        if event["kind"] == "decision":
            self.console.print(score_bars(event))


class LiveView:
    """A screen that redraws itself, with a line to type on. `typed` receives each finished line."""

    def __init__(self, console: Console, typed: Callable[[str], None]) -> None:
        self.console, self.typed = console, typed
        self.stage: str | None = None
        self.began = time.monotonic()
        self.lines: list[Text] = []
        self.decision: dict[str, Any] | None = None
        self.running = ""
        self.tick = 0
        self.folder = ""
        self.buffer = ""
        self.closing = threading.Event()
        self.live = Live(get_renderable=self.render, console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        self.terminal = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin.fileno())
        self.live.start()
        self.reader = threading.Thread(target=self._read_keys, daemon=True)
        self.reader.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.closing.set()
        self.reader.join(timeout=1.0)
        self.live.stop()
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self.terminal)

    def progress(self, stage: str) -> None:
        self.stage, self.began = stage, time.monotonic()

    def event(self, event: dict[str, Any]) -> None:
        self.stage = self.stage if event["kind"] == "opened" else None
        self.tick = event.get("tick") or self.tick
        match event["kind"]:
            case "opened":
                self.folder = event["folder"]
            case "decision":
                self.decision = event
            case "subtask_started":
                self.running = event["subtask"]["words"]
            case "outcome" | "stopped" | "finished" | "broken":
                self.running = ""
        if line := story_line(event):
            self.live.console.print(line)

    def render(self) -> RenderableType:
        parts: list[RenderableType] = []
        if self.stage:
            parts.append(Spinner("dots", f" {self.stage} … {time.monotonic() - self.began:.0f} s"))
        if self.decision:
            for clause in self.decision.get("plan", [])[:8]:
                parts.append(Text(f"  {clause}", style="dim"))
            parts.append(score_bars(self.decision))
            source = self.decision.get("score_source", "")
            parts.append(Text(f"say from: {source}" + (" (no key, no network)" if source == "embedded" else ""), style="dim"))
        if self.running:
            parts.append(Spinner("dots", Text(f" {self.running}   tick {self.tick}", style="bold")))
        if self.folder:
            parts.append(Text(f"camera: {self.folder}/last.jpg", style="dim"))
        prompt = Text.assemble(("› ", "bold cyan"), self.buffer, ("▏", "blink"), ("   type to interrupt; stop stands still", "dim"))
        return Panel(Group(*parts, prompt), border_style="dim")

    def _read_keys(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")
        while not self.closing.is_set():
            if select.select([sys.stdin], [], [], 0.1)[0]:
                for char in ESCAPES.sub("", decoder.decode(os.read(sys.stdin.fileno(), 4096))):
                    self._key(char)

    def _key(self, char: str) -> None:
        if char in "\r\n":
            line, self.buffer = self.buffer.strip(), ""
            if line:
                self.typed(line)
        elif char in "\x7f\b":
            self.buffer = self.buffer[:-1]
        elif char.isprintable():
            self.buffer += char
