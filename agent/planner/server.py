"""What a model server can do, found out by asking it once, and the scorer that follows from it: decisions, else letters, else ratings."""

import struct
import zlib
from collections.abc import Callable
from math import exp
from typing import Any

from agent.config import PlannerConfig
from agent.errors import ModelServerError
from agent.planner import prompts
from agent.planner.connection import ModelServer, Unsupported
from agent.planner.scorers import decisions, letters, ratings
from agent.planner.scorers.scorer import Choice, Say, Scorer
from agent.types import Frozen

Row = tuple[str, bool, str]
"""Capability, does it work, and what was seen."""


class Abilities(Frozen):
    """Capabilities of one server with one model."""

    decisions: bool
    top: int
    """Log-probabilities a token comes with; 0: none."""
    chat: bool
    schema_kept: bool
    images: bool


KNOWN: dict[tuple[str, str], Abilities] = {}
"""By URL and model, for this process."""


class LadderScorer:
    """Asks on the highest rung the server has; one rung lower for a choice where the letters were not answered with letters."""

    def __init__(self, config: PlannerConfig) -> None:
        self.server = ModelServer(config)

    def score(self, choice: Choice) -> Say:
        """Raises ModelServerError; never answers by other means than the server."""
        reason = ""
        for rung in rungs(self.server, abilities(self.server)):
            try:
                return rung.score(choice)
            except Unsupported as error:
                reason = str(error)
        KNOWN.pop((self.server.url, self.server.model), None)
        raise self.server.garbage("choose the next step", reason)

    def look(self, statement: str, picture: bytes) -> float | None:
        """Probability that a statement about a picture is true; None if this server cannot tell."""
        able = abilities(self.server)
        if not (able.images and (able.decisions or able.top)):
            return None
        try:
            return witness(self.server, able, statement, picture)
        except Unsupported:
            return None

    def close(self) -> None:
        self.server.close()


def rungs(server: ModelServer, able: Abilities) -> list[Scorer]:
    """The scorers this server can serve, best first."""
    found: list[Scorer] = []
    if able.decisions:
        found.append(decisions.DecisionsScorer(server, able.images))
    if able.top > 1:
        found.append(letters.LettersScorer(server, able.top, able.images))
    if able.chat:
        found.append(ratings.RatingsScorer(server, able.schema_kept, able.images))
    return found


def witness(server: ModelServer, able: Abilities, statement: str, picture: bytes) -> float | None:
    """One predicate about one picture."""
    if able.decisions:
        given: Any = [{"role": "user", "content": [{"type": "input_image", "image_url": letters.data_url(picture)}]}]
        question = {"type": "predicate", "name": "seen", "instructions": statement}
        return decisions.ask(server, given, question, decisions.read_predicate)
    text = f"{statement}\nIs that true?\n{prompts.menu('AB', ('yes', 'no'))}\n{prompts.LETTER}\nAnswer:"
    found = letters.read_letters(letters.ask_letter(server, text, picture, able.top), "AB")
    yes, no = (exp(found[label]) if label in found else 0.0 for label in "AB")
    return yes / (yes + no) if yes + no >= letters.COVERED else None


def abilities(server: ModelServer) -> Abilities:
    """Probed on first use, then remembered. Raises ModelServerError if the server does not answer at all."""
    key = (server.url, server.model)
    if key not in KNOWN:
        KNOWN[key] = found_out(server)
    return KNOWN[key]


def found_out(server: ModelServer) -> Abilities:
    """Asks for one capability after the other, down to the first rung that holds."""
    has_decisions = probe_decisions(server)
    top = 0 if has_decisions else probe_letters(server)
    schema = not has_decisions and probe_ratings(server, schema=True)
    can_chat = top > 0 or schema or (not has_decisions and probe_ratings(server, schema=False))
    if not (has_decisions or can_chat):
        raise server.garbage(
            "choose the next step", "neither /v1/decisions nor /v1/chat/completions is there, or the model is unknown to it"
        )
    return Abilities(decisions=has_decisions, top=top, chat=can_chat, schema_kept=schema, images=probe_images(server, has_decisions))


def supported(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except Unsupported:
        return False


def probe_decisions(server: ModelServer) -> bool:
    choices = [{"value": option} for option in prompts.PROBE_OPTIONS]
    question = {"type": "choice", "name": "probe", "instructions": prompts.CHOICE, "choices": choices}
    return supported(lambda: len(decisions.ask(server, prompts.PROBE, question, decisions.read_choice)) == 2)


def probe_letters(server: ModelServer) -> int:
    """How many log-probabilities a token comes with: 20 are asked for, then 5; 0 if the server gives none."""
    for top in (20, 5):
        try:
            return len(letters.ask_letter(server, prompts.PROBE_LETTER, None, top))
        except Unsupported:
            continue
    return 0


def probe_ratings(server: ModelServer, schema: bool) -> bool:
    return supported(lambda: len(ratings.read_ratings(ratings.ask_ratings(server, prompts.PROBE_RATING, "AB", None, schema), "AB")) == 2)


def probe_images(server: ModelServer, by_decisions: bool) -> bool:
    picture = letters.data_url(SQUARE)
    if by_decisions:
        given: Any = [{"role": "user", "content": [{"type": "input_image", "image_url": picture}]}]
        question = {"type": "predicate", "name": "probe", "instructions": "The picture is grey."}
        return supported(lambda: decisions.ask(server, given, question, decisions.read_predicate) >= 0)

    def send(client: Any) -> Any:
        return client.chat.completions.create(model=server.model, messages=letters.chat(prompts.PROBE_IMAGE, SQUARE), temperature=0)

    return supported(lambda: server.ask("look at a picture", send, lambda completion: completion.choices[0].message is not None))


def probe(config: PlannerConfig) -> list[Row]:
    """What the configured server can do, asked live: one row a capability. For `saydo doctor`; raises nothing."""
    if config.model is None:
        return [("model server", True, "none configured: the embedded scorer reads English, with no key and no network")]
    server = ModelServer(config)
    rows: list[Row] = []
    try:
        rows.append(models_row(server))
        tests: list[tuple[str, Callable[[], tuple[bool, str]]]] = [
            ("decisions endpoint", lambda: told(probe_decisions(server), "a probability for each option")),
            ("log-probabilities", lambda: letters_row(probe_letters(server))),
            ("JSON schema", lambda: told(probe_ratings(server, True), "answers keep to a schema")),
            ("images", lambda: told(probe_images(server, False) or probe_images(server, True), "pictures are accepted")),
        ]
        for capability, test in tests:
            rows.append((capability, *test()))
        able = found_out(server)
        name = type(rungs(server, able)[0]).__name__.removesuffix("Scorer").lower()
        rows.append(("scoring", True, f"'{name}' will be used, with {server.name}"))
    except ModelServerError as error:
        rows.append(("model server", False, str(error)))
    finally:
        server.close()
    return rows


def models_row(server: ModelServer) -> Row:
    """Is it there, and does it know the model? Some servers list none and answer all the same."""
    try:
        names = server.ask("list its models", lambda client: [model.id for model in client.models.list()], list)
    except Unsupported as error:
        return ("reachable", True, f"yes, but it does not list its models ({error})")
    if server.model in names:
        return ("reachable", True, f"yes; it has '{server.model}' among {len(names)} models")
    return ("reachable", not names, f"yes; '{server.model}' is not among its models: {', '.join(names[:8]) or 'it lists none'}")


def letters_row(top: int) -> tuple[bool, str]:
    return (True, f"the best {top} of each token") if top > 1 else (False, "none come with an answer")


def told(works: bool, yes: str) -> tuple[bool, str]:
    return works, yes if works else "not offered"


def square(side: int = 32) -> bytes:
    """A grey PNG, made here."""
    rows = b"".join(b"\x00" + b"\x80" * side for _ in range(side))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


SQUARE = square()
