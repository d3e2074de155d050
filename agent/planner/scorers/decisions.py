"""Rung one: the decisions endpoint (POST /v1/decisions). One request, a probability for every option, nothing to parse."""

from collections.abc import Callable
from typing import Any, TypeVar

from agent.planner import prompts
from agent.planner.connection import Client, ModelServer
from agent.planner.decision import Request
from agent.planner.scorers.letters import data_url
from agent.planner.scorers.scorer import Choice, Say, logs, shortlist, spread

Answer = TypeVar("Answer")
MOST = 100
"""Options in one question; the endpoint takes up to 255, but long menus cost accuracy."""
ASKED = "choose the next step (decisions endpoint)"


class DecisionsScorer:
    def __init__(self, server: ModelServer, images: bool) -> None:
        self.server, self.images = server, images

    def score(self, choice: Choice) -> Say:
        kept = shortlist(choice, MOST)
        words = unique([choice.candidates[i].words for i in kept])
        values = [{"value": word, "description": describe(choice, i)} for word, i in zip(words, kept, strict=True)]
        question: Any = {"type": "choice", "name": "next", "instructions": prompts.CHOICE, "choices": values}
        picture = choice.request.picture if self.images else None
        found = ask(self.server, messages(choice.request, picture), question, read_choice)
        weights = [found.get(word, 0.0) for word in words]
        coverage = sum(weights)
        if not coverage > 0:
            raise self.server.garbage(ASKED, f"probabilities of {list(found)[:5]}")
        return Say(spread(logs(weights), kept, len(choice.candidates)), "decisions", min(1.0, coverage))


def ask(server: ModelServer, given: Any, question: Any, read: Callable[[Any], Answer]) -> Answer:
    """One question; `read` makes something of its answer."""

    def send(client: Client) -> Any:
        return client.decisions.create(model=server.model, input=given, questions=[question])

    return server.ask(ASKED, send, lambda decision: read(decision.answers[0]))


def read_choice(answer: Any) -> dict[str, float]:
    """Option → probability."""
    if answer.type != "choice":
        raise ValueError(f"the model answered with a {answer.type}")
    found = {str(item.value): float(item.probability) for item in answer.probabilities}
    if not all(0 <= p <= 1.001 for p in found.values()):
        raise ValueError("probabilities outside of 0 to 1")
    return found


def read_predicate(answer: Any) -> float:
    if answer.type != "predicate":
        raise ValueError(f"the model answered with a {answer.type}")
    return min(1.0, max(0.0, float(answer.probability)))


def messages(request: Request, picture: bytes | None) -> Any:
    parts: list[dict[str, str]] = [{"type": "input_text", "text": prompts.situation(request)}]
    if picture:
        parts.append({"type": "input_image", "image_url": data_url(picture)})
    return [{"role": "developer", "content": prompts.ROLE}, {"role": "user", "content": parts}]


def describe(choice: Choice, i: int) -> str:
    candidate = choice.candidates[i]
    if candidate.call is None:
        return prompts.DESCRIPTIONS[candidate.words]
    return " ".join((type(candidate.call).__doc__ or "").split())


def unique(words: list[str]) -> list[str]:
    """Options must differ: a sentence that two skills share is numbered."""
    seen: dict[str, int] = {}
    out = []
    for word in words:
        seen[word] = seen.get(word, 0) + 1
        out.append(word if seen[word] == 1 else f"{word} (way {seen[word]})")
    return out
