"""Referring expressions: what a thing may be called in a scene, so that nothing else there could be meant."""

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from agent.types import Fact, Scene

RELATIONS = ("in", "on", "left of", "right of", "in front of", "behind", "next to")
RELATED = 0.2
"""How often a thing is told by where it is, where that tells it."""
PLAIN = ("middle", "tight")
"""First words of names that there is no other way to say."""
Words = Callable[[str, str], str]
"""words(group, slot): one of the words for a slot."""


def refer(name: str, scene: Scene, forms: dict[str, Any], half: str, words: Words, rng: np.random.Generator, avoid: tuple[str, ...]) -> str:
    """What a thing is called: by size, colour and kind, or by where it is, if nothing else of its kind is there. Fixtures by their kind,
    and by their side where there are two.

    half: "seen" or "phrasing", the forms of sentences; avoid: things that it is not told by, because the sentence is about them.
    """
    *told, kind = name.split()
    noun = words("nouns", kind if told else name)
    if not told:
        return f"the {noun}"
    if told[0] in PLAIN:
        return f"the {told[0]} {noun}"
    if told == ["left"] or told == ["right"]:
        return one(forms["sides"][half], rng).format(side=told[0], noun=noun)
    landmarks = [found for found in told_by(name, scene) if found[1] not in avoid]
    if landmarks and rng.random() < RELATED:
        relation, landmark = landmarks[int(rng.integers(len(landmarks)))]
        form: str = forms["relations"][half]
        return form.format(noun=noun, relation=relation, landmark=f"the {landmark}")
    chosen = one(forms[half], rng)
    colour = words("colours", told[-1])
    if len(told) == 1:
        return chosen.format(colour=colour, noun=noun)
    size = words("sizes", told[0])
    colour_first = chosen.index("{colour}") < chosen.index("{noun}")
    return chosen.format(colour=f"{size} {colour}" if colour_first else colour, noun=noun if colour_first else f"{size} {noun}")


def one(options: list[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def told_by(name: str, scene: Scene) -> tuple[tuple[str, str], ...]:
    """(relation, landmark) that hold of this thing and of no other of its kind."""
    return _told_by(name, tuple(scene.names(scene.find(name).kind)), scene.facts)


@lru_cache(maxsize=256)
def _told_by(name: str, alike: tuple[str, ...], facts: tuple[Fact, ...]) -> tuple[tuple[str, str], ...]:
    """Kept, since many sentences are said in one scene."""
    there = Counter((fact[0], fact[2]) for fact in facts if len(fact) == 3 and fact[1] in alike)
    own = [(fact[0], fact[2]) for fact in facts if len(fact) == 3 and fact[1] == name and fact[0] in RELATIONS and fact[2] != "table"]
    return tuple(found for found in own if there[found] == 1)


def those(scene: Scene, kind: str, relation: str, landmark: str) -> list[str]:
    """Everything of a kind that stands in that relation to a landmark."""
    return [other for other in scene.names(kind) if (relation, other, landmark) in scene.facts]
