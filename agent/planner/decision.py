"""What goes into a choice and what comes out of it: all of it words and facts, so that it can be stored, shown and scored again."""

from typing import Literal

from agent.types import Frozen, Outcome, Scene, Subtask

Kind = Literal["skill", "done", "ask", "none"]


class Said(Frozen):
    """A sentence of the person and when it was heard."""

    words: str
    tick: int


class Step(Frozen):
    """One subtask that was carried out, and what came of it."""

    subtask: Subtask
    outcome: Outcome
    since: int
    """The tick it began."""
    said: int
    """How many of the person's sentences were known when it was chosen."""


class Request(Frozen):
    """All that a choice may depend on."""

    words: tuple[str, ...]
    """What the person said, in order: the instruction, then corrections and answers."""
    scene: Scene
    history: tuple[Step, ...] = ()
    picture: bytes | None = None
    """The front camera as PNG or JPEG; only servers that take images are shown it."""


class Option(Frozen):
    """One thing that could be done next. say, can and score are probabilities; score sums to 1 over the options of a decision."""

    kind: Kind
    words: str
    subtask: Subtask | None = None
    say: float
    can: float
    score: float


class Decision(Frozen):
    """What to do next, and why."""

    options: tuple[Option, ...]
    """Best first."""
    chosen: Option
    runner_up: Option | None
    why: str
    """One plain sentence: why this, and why the runner-up lost."""
    score_source: str
    """Who answered: "decisions", "letters", "ratings" or "embedded"."""
    coverage: float
    """How much of the scorer's probability fell on the options, before they were made to sum to 1."""
    question: str | None = None
    """What to say to the person, if the choice is to ask or to decline."""
    choices: tuple[str, ...] = ()
    """Answers to offer, as buttons."""
    plan: tuple[str, ...] = ()
    """The instruction as understood, one line a clause: ✓ settled, → now, · later."""
    ms: float = 0.0
