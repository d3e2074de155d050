"""How a task may be asked for: a grammar of English for every template, in three disjoint halves, and what should be refused.

- *train*: the sentences that a policy is trained on; *typos*: the same with one slip of the finger.
- *phrasing*: sentences built otherwise, of the same words. *words*: sentences built the same, with words that training lacks.
- *intent*: what is wanted has to be guessed.

The tables are words.yaml, phrases.yaml and refusals.yaml; a new template needs an entry in phrases.yaml.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from agent.errors import ConfigError, hint
from agent.types import Scene
from sim.language.reference import refer
from sim.tasks.task import Task

SETS = ("train", "typos", "phrasing", "words", "intent")
SLOT = re.compile(r"\{([^}]+)\}")
LITERAL = ("times", "mark", "side", "way", "ones", "others")
"""Slots that are said as they are."""
UNSEEN = 0.5
"""How often a slot takes an unseen word in the set of new words; at least one always does."""


class Phrase(NamedTuple):
    """A sentence and how it was built."""

    words: str
    pattern: str
    """With its slots open, manners included."""
    unseen: tuple[str, ...]
    """The words in it that training does not have."""


@cache
def table(name: str) -> dict[str, Any]:
    """A table of this folder, read once."""
    read: dict[str, Any] = yaml.safe_load((Path(__file__).parent / f"{name}.yaml").read_text(encoding="utf-8"))
    return read


def say(task: Task, scene: Scene, kind: str, seed: int = 0) -> str:
    """One sentence for a task in a scene, from one of SETS; equal arguments give equal words."""
    return phrases(task, scene, kind, 1, seed)[0].words


def phrases(task: Task, scene: Scene, kind: str, count: int, seed: int = 0) -> list[Phrase]:
    """Up to `count` different sentences. ConfigError for a set or a template that the tables do not have."""
    if kind not in SETS:
        raise ConfigError(f"There is no set of phrases '{kind}'. Sets: {', '.join(SETS)}.{hint(kind, SETS)}")
    if task.template not in table("phrases"):
        raise ConfigError(f"The template '{task.template}' has no entry in sim/language/phrases.yaml. Add how people ask for it.")
    rng = np.random.default_rng([seed, *f"{task.template}/{kind}".encode()])
    found: dict[str, Phrase] = {}
    for _ in range(20 * count):
        phrase = Sentence(task, scene, kind, rng).build()
        found.setdefault(phrase.words, phrase)
        if len(found) == count:
            break
    return list(found.values())


class Sentence:
    """One draw from the grammar."""

    def __init__(self, task: Task, scene: Scene, kind: str, rng: np.random.Generator) -> None:
        self.task, self.scene, self.kind, self.rng = task, scene, kind, rng
        self.unseen: list[str] = []
        self.half = "phrasing" if kind == "phrasing" else "seen"

    def build(self) -> Phrase:
        options = table("phrases")[self.task.template]
        patterns = options[self.kind] if self.kind in options else options["train"]
        core = self.one([pattern for pattern in patterns if self.kind != "words" or SLOT.search(pattern)])
        order, core = not core.startswith("="), core.removeprefix("=")
        manners = table("words")["manners"]
        manner = self.one(["{}"] if self.kind == "intent" else manners[self.half] if order else manners["statement"])
        filled = SLOT.sub(lambda slot: self.fill(slot[1]), core)
        while self.kind == "words" and not self.unseen:
            filled = SLOT.sub(lambda slot: self.fill(slot[1]), core)
        text = manner.replace("{}", filled)
        if self.kind == "typos":
            correct, text = text, slip(text, self.rng)
            if text == correct:  # only short words: another sentence
                return self.build()
        return Phrase(text, manner.replace("{}", core), tuple(self.unseen))

    def one(self, options: list[str]) -> str:
        return options[int(self.rng.integers(len(options)))]

    def fill(self, slot: str) -> str:
        if slot == "relation":
            slot = self.task.template
        name = self.task.args.get(slot)
        if slot in LITERAL:
            return str(name)
        if name is None:
            return self.word("nouns" if slot in table("words")["nouns"] else "verbs and prepositions", slot, article=slot == "table")
        if name in table("words")["verbs and prepositions"]:
            return self.word("verbs and prepositions", name)
        others = tuple(value for value in self.task.args.values() if value != name)
        return refer(name, self.scene, table("words")["references"], self.half, self.word, self.rng, (*others, name))

    def word(self, group: str, slot: str, article: bool = False) -> str:
        """A word for a slot, from the half that this set may use."""
        options = table("words")[group][slot]
        new = self.kind == "words" and options["unseen"] and self.rng.random() < UNSEEN
        word = self.one(options["unseen"] if new else options["seen"])
        if new:
            self.unseen.append(word)
        return f"the {word}" if article else word


def slip(text: str, rng: np.random.Generator) -> str:
    """The text with two neighbouring letters of one longer word swapped, as fingers do; the first and last letter stay."""
    words = text.split(" ")
    long = [i for i, word in enumerate(words) if len(word) >= 4 and word.isalpha() and len(set(word[1:-1])) > 1]
    if not long:
        return text
    index = long[int(rng.integers(len(long)))]
    word = words[index]
    spots = [i for i in range(1, len(word) - 2) if word[i] != word[i + 1]]
    at = spots[int(rng.integers(len(spots)))]
    words[index] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)


def refusals(scene: Scene, seed: int = 0) -> list[tuple[str, str]]:
    """(why, sentence) for everything that should move nothing: irrelevant, about what is not there, impossible, nonsense."""
    rng, found = np.random.default_rng([seed, 5]), []
    absent = [name for name in table("refusals")["absent things"] if name.removeprefix("the ") not in scene.names()]
    blocks, bowls = scene.names("block"), scene.names("bowl")
    for why, sentences in table("refusals").items():
        for sentence in sentences if why != "absent things" else ():
            things = {"thing": f"the {rng.choice(blocks)}", "place": f"the {rng.choice(bowls)}", "absent": str(rng.choice(absent))}
            found.append((why, sentence.format(**things)))
    return found


__all__ = ["SETS", "Phrase", "phrases", "refusals", "say"]
