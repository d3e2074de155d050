"""Rung two: options as lettered lines, one token asked for, the letters' log-probabilities read off it (chat completions).

Models have favourite letters (Zheng et al. 2023, arXiv 2309.03882), so where the best two are close the menu is asked a second time in
another cyclic order and the log-probabilities are averaged.
"""

import base64
from math import exp, log
from typing import Any

from agent.planner import prompts
from agent.planner.connection import Client, ModelServer, Unsupported
from agent.planner.scorers.scorer import Choice, Say, logs, shortlist, softmax, spread

LABELS = "ABCDEFGHIJKLMNOPQRST"
CLOSE = 0.25
"""Best two nearer than this in probability: ask in a second order."""
COVERED = 0.5
"""Less probability than this on the letters, and the answer is not to be trusted."""
ASKED = "choose the next step (letters)"


class LettersScorer:
    """top: how many log-probabilities the server gives for a token."""

    def __init__(self, server: ModelServer, top: int, images: bool) -> None:
        self.server, self.top, self.images = server, top, images

    def score(self, choice: Choice) -> Say:
        """Raises Unsupported where the letters get less than half of the probability: then ratings are the better question."""
        kept = shortlist(choice, len(LABELS))
        words = [choice.candidates[i].words for i in kept]
        first, coverage = self.once(choice, words, 0)
        ranked = sorted(softmax(first), reverse=True)
        note = "one order"
        if len(ranked) > 1 and ranked[0] - ranked[1] < CLOSE:
            second, other = self.once(choice, words, len(words) // 2)
            first, coverage = [(a + b) / 2 for a, b in zip(first, second, strict=True)], (coverage + other) / 2
            note = "two orders averaged"
        if coverage < COVERED:
            raise Unsupported(f"{self.server.name} put only {coverage:.0%} of its probability on the letters")
        return Say(spread(logs(softmax(first)), kept, len(choice.candidates)), "letters", coverage, note)

    def once(self, choice: Choice, words: list[str], shift: int) -> tuple[list[float], float]:
        """Log-probability of each option with the menu turned by `shift` lines, and the probability that fell on letters at all."""
        order = [(i + shift) % len(words) for i in range(len(words))]
        labels = LABELS[: len(words)]
        text = prompts.letter_question(choice.request, labels, [words[i] for i in order])
        picture = choice.request.picture if self.images else None
        found = read_letters(ask_letter(self.server, text, picture, self.top), labels)
        least = min([*found.values(), log(1e-4)])
        result = [least] * len(words)
        for place, i in enumerate(order):
            result[i] = found.get(labels[place], least)
        return result, min(1.0, sum(exp(value) for value in found.values()))


def ask_letter(server: ModelServer, text: str, picture: bytes | None, top: int) -> dict[str, float]:
    """Token → log-probability for the first token of the answer. Raises Unsupported if the answer comes without log-probabilities.

    Newer servers say max_completion_tokens, older ones max_tokens: both are tried.
    """
    given = chat(text, picture)

    def send(client: Client, **limit: int) -> Any:
        create: Any = client.chat.completions.create
        return create(model=server.model, messages=given, temperature=0, logprobs=True, top_logprobs=top, **limit)

    try:
        found = server.ask(ASKED, lambda client: send(client, max_completion_tokens=1), read_tokens)
    except Unsupported:
        found = server.ask(ASKED, lambda client: send(client, max_tokens=1), read_tokens)
    if found is None:
        raise Unsupported(f"{server.name} gives no log-probabilities")
    return found


def read_tokens(completion: Any) -> dict[str, float] | None:
    """The alternatives of the first token; None if the server silently gives none."""
    logprobs = completion.choices[0].logprobs
    if logprobs is None or not logprobs.content:
        return None
    first = logprobs.content[0]
    return {str(item.token): min(0.0, float(item.logprob)) for item in (first.top_logprobs or [first])}


def read_letters(tokens: dict[str, float], labels: str) -> dict[str, float]:
    """Letter → log-probability, its spellings ("A", " A", "a") taken together."""
    mass: dict[str, float] = {}
    for token, logprob in tokens.items():
        label = token.strip().strip("().").upper()
        if len(label) == 1 and label in labels:
            mass[label] = mass.get(label, 0.0) + exp(logprob)
    return {label: log(max(p, 1e-12)) for label, p in mass.items()}


def chat(text: str, picture: bytes | None) -> Any:
    """Chat messages, with the picture where there is one."""
    content: Any = text
    if picture:
        content = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": data_url(picture)}}]
    return [{"role": "system", "content": prompts.ROLE}, {"role": "user", "content": content}]


def data_url(picture: bytes) -> str:
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
