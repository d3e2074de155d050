"""A terminal conversation: whatever is typed goes to the robot at once; while it works, it interrupts.

The same loop serves `saydo run` (one instruction, answers to questions) and `saydo chat` (until `bye`).
"""

import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.text import Text

from agent.app import Agent, Result
from agent.live import LiveView, StoryView
from agent.mailbox import is_stop

LEAVING = {"bye", "exit", "quit", "q"}
View = StoryView | LiveView
SIGNS = {"done": ("✓", "bold green"), "asked": ("?", "bold yellow"), "stopped": ("■", "bold yellow")}


class Typed:
    """Lines as they are typed: to the robot while it works, otherwise to whoever waits for the next one."""

    def __init__(self) -> None:
        self.lines: queue.Queue[str | None] = queue.Queue()
        self.agent: Agent | None = None
        self.busy = threading.Event()

    def put(self, line: str) -> None:
        if self.busy.is_set() and self.agent is not None:
            self.agent.mailbox.put(line)
        else:
            self.lines.put(line)

    def read_stdin(self) -> None:
        """Feed from a pipe or a plain terminal in the background until it ends."""

        def feed() -> None:
            for line in sys.stdin:
                if line.strip():
                    self.put(line.strip())
            self.lines.put(None)

        threading.Thread(target=feed, daemon=True).start()

    def next(self) -> str | None:
        """The next line, or None when there will be none."""
        return self.lines.get()


def make_view(console: Console, typed: Typed, plain: bool) -> View:
    """A live screen where there is one, lines elsewhere."""
    live = console.is_terminal and sys.stdin.isatty() and not plain
    return LiveView(console, typed.put) if live else StoryView(console)


def tell(agent: Agent, typed: Typed, words: str) -> Result:
    """One instruction; while it runs, typed lines interrupt it."""
    typed.agent = agent
    typed.busy.set()
    try:
        return agent.tell(words)
    finally:
        typed.busy.clear()
        for late in agent.mailbox.take():
            typed.lines.put(late)


def show(console: Console, result: Result) -> None:
    """The verdict in one line, and where to look."""
    sign, style = SIGNS.get(result.status, ("✗", "bold red"))
    choices = f"  [{' / '.join(result.choices)}]" if result.choices else ""
    console.print(Text.assemble((f"{sign} {result.status}: ", style), result.why, (choices, "yellow")), soft_wrap=True)


def converse(agent: Agent, typed: Typed, console: Console, first: str | None, *, once: bool) -> Result | None:
    """Take turns until `bye` or the end of input; with `once`, until the first instruction is finished and nothing is asked."""
    result: Result | None = None
    words = first
    while True:
        if words is None:
            words = typed.next()
        if words is None or words.lower() in LEAVING:
            return result
        if is_stop(words):
            agent.context.robot.stop()
        result = tell(agent, typed, words)
        show(console, result)
        if once and result.status != "asked":
            return result
        words = None


def run_once(agent: Agent, words: str, show_result: Callable[[Result], Any]) -> Result:
    """One instruction with nobody to answer: a question ends the run with status `asked`."""
    result = agent.tell(words)
    show_result(result)
    return result
