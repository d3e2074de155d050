"""What the person says while the robot works. Typed lines, a web page and demo scripts all put their words here."""

import re
from collections import deque
from threading import Lock

STOP = re.compile(
    r"(please )?(stop|halt|freeze|abort|cancel|enough|emergency|don't move|do not move|stand still|hold on|wait|pause)"
    r"( (now|it|that|there|please|moving|right now|immediately|everything|the robot|the arm))*"
)
GO_ON = re.compile(r"(ok(ay)? |please |now )*(go on|continue|carry on|resume|proceed|keep going|go ahead)( please| now)?")
QUESTION = re.compile(r"(what|where|which|who|how|why|do you|are you|is|are|did|does|has|have you) ")
CORRECTION = re.compile(
    r"(no|nope|not|instead|rather|actually|i meant|i mean|sorry|wrong|also|then|and|but|after that|as well|skip|first)\b"
)


def plain(words: str) -> str:
    return re.sub(r"[\s.!,…]+", " ", words.lower()).strip()


def is_stop(words: str) -> bool:
    """An order to stand still, and nothing more: "stop!", "please stop now". "Stop, take the green one" is a correction."""
    return STOP.fullmatch(plain(words)) is not None


def is_go_on(words: str) -> bool:
    """An order to take up what was interrupted."""
    return GO_ON.fullmatch(plain(words)) is not None


def is_question(words: str) -> bool:
    """Something to be answered, not done: "where is the red block?"."""
    return QUESTION.match(plain(words)) is not None


def is_correction(words: str) -> bool:
    """Changes or adds to what was said before: "no, the green one", "and then close it". Anything else stands for itself."""
    return CORRECTION.match(plain(words)) is not None or plain(words).endswith((" instead", " too", " as well"))


class Mailbox:
    """A thread-safe queue of sentences. The executor peeks at every tick; the graph takes them when it looks."""

    def __init__(self) -> None:
        self._words: deque[str] = deque()
        self._lock = Lock()

    def put(self, words: str) -> None:
        with self._lock:
            self._words.append(words)

    def waiting(self) -> str | None:
        """The first sentence not yet taken: a reason to interrupt what is going on."""
        with self._lock:
            return self._words[0] if self._words else None

    def take(self) -> list[str]:
        """All that was said, oldest first."""
        with self._lock:
            words = list(self._words)
            self._words.clear()
        return words
