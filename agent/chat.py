"""A terminal conversation: whatever is typed goes to the robot at once; while it works, it interrupts.

The same loop serves `saydo run` (one instruction, and answers to questions) and `saydo chat` (until `bye`).
"""

import queue
import sys
import threading
from typing import TextIO

from rich.console import Console
from rich.text import Text

from agent.app import Agent, Result
from agent.live import LiveView, StoryView

LEAVING = {"bye", "exit", "quit", "q"}
View = StoryView | LiveView
SIGNS = {
    "done": ("✓", "bold green"),
    "answered": ("i", "bold cyan"),
    "asked": ("?", "bold yellow"),
    "stopped": ("■", "bold yellow"),
    "declined": ("–", "bold yellow"),
}


class Typed:
    """Lines as they are typed: to the robot while it works, otherwise to whoever waits for the next one."""

    def __init__(self, piped: TextIO | None = None) -> None:
        """piped: lines that come from a file or another program; each waits for its turn instead of interrupting the one before."""
        self.piped = piped
        self.lines: queue.Queue[str | None] = queue.Queue()
        self.at_work: Agent | None = None

    def put(self, line: str | None) -> None:
        """A finished line; None: there will be no more."""
        if line is None or self.at_work is None:
            self.lines.put(line)
        elif line.lower() in LEAVING:
            self.at_work.mailbox.put("stop")
            self.lines.put(line)
        else:
            self.at_work.mailbox.put(line)

    def feed(self, stream: TextIO) -> None:
        """Read a terminal in the background, so that its lines can interrupt."""

        def read() -> None:
            for line in filter(str.strip, stream):
                self.put(line.strip())
            self.put(None)

        threading.Thread(target=read, daemon=True, name="typed lines").start()

    def next(self) -> str | None:
        """The next line when it comes; None when there will be none."""
        if self.piped is None:
            return self.lines.get()
        return next((line.strip() for line in self.piped if line.strip()), None)


def typed_by_a_person() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def make_view(console: Console, typed: Typed, plain: bool) -> View:
    """A live screen where there is one, lines elsewhere; both hand what is typed to `typed`."""
    if not typed_by_a_person():
        return StoryView(console)
    if console.is_terminal and not plain:
        return LiveView(console, typed.put)
    typed.feed(sys.stdin)
    return StoryView(console)


def converse(agent: Agent, typed: Typed, console: Console, words: str | None = None, *, once: bool) -> Result | None:
    """Take turns, from `words` on, until `bye` or the end of input; with `once`, until an instruction is finished and nothing is asked."""
    result: Result | None = None
    while words is not None or (words := typed.next()) is not None:
        if words.lower() in LEAVING:
            break
        result = attend(agent, typed, words)
        show(console, result)
        if once and result.status != "asked":
            break
        words = None
    return result


def attend(agent: Agent, typed: Typed, words: str) -> Result:
    """Say it to the robot; while it works, typed lines go to its mailbox, and those it did not read come next."""
    typed.at_work = agent
    try:
        return agent.tell(words)
    finally:
        typed.at_work = None
        for late in agent.mailbox.take():
            typed.lines.put(late)


def show(console: Console, result: Result) -> None:
    """The verdict in one line."""
    sign, style = SIGNS.get(result.status, ("✗", "bold red"))
    choices = f"  [{' / '.join(result.choices)}]" if result.choices else ""
    text = Text.assemble((f"{sign} {result.status}: ", style), result.why, (choices, "yellow"))
    console.print(text, soft_wrap=not console.is_terminal)
