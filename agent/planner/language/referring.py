"""Referring expressions: "the red one", "both cubes", "it", "everything but the green block", "the block left of the bowl" → names."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from math import dist
from typing import Literal

from agent.planner.language.lexicon import (
    ALL,
    COLOUR,
    DETERMINERS,
    FUNCTION,
    GENERIC,
    KINDS,
    LONGEST_RELATION,
    NUMBERS,
    PLURAL_PRONOUNS,
    PRONOUNS,
    RELATION,
    SIZE,
    singular,
)  # fmt: skip
from agent.types import Scene, Thing


@dataclass(frozen=True)
class Talk:
    """What a phrase is read against: the scene, and what was spoken of before."""

    scene: Scene
    recent: tuple[str, ...] = ()
    """Things spoken of or handled, the latest first."""
    group: tuple[str, ...] = ()
    """The latest things that were spoken of together."""
    without: frozenset[str] = frozenset()
    """Things the person has excluded."""
    kinds: tuple[str, ...] = ()
    """The kinds that make sense where the phrase stands, if that is known."""
    placed: tuple[tuple[str, str, str], ...] = ()
    """(relation, thing, place): where earlier clauses put things, by the time this one is carried out."""
    verbs: frozenset[str] = frozenset()
    """Words that begin a skill's sentence: they do not belong to a noun phrase."""

    def mention(self, *names: str) -> "Talk":
        """The same talk after `names` were spoken of, the most telling first."""
        recent = tuple(dict.fromkeys([*names, *self.recent]))
        return replace(self, recent=recent)

    def within(self, places: Collection[str], relations: Collection[str] = ("in", "on")) -> tuple[str, ...]:
        """What stands in or on one of `places`, now or by then."""
        now = [(fact[0], fact[1], fact[2]) for fact in self.scene.facts if len(fact) == 3]
        there = [thing for relation, thing, place in (*now, *self.placed) if place in places and relation in relations]
        return tuple(dict.fromkeys(there))


@dataclass(frozen=True)
class Ref:
    """What a noun phrase may stand for."""

    text: str
    names: tuple[str, ...]
    """The things that fit; none if there is no such thing."""
    mode: Literal["one", "all", "any", "it", "unclear"] = "one"
    """one: exactly one of the names is meant. all: every one. any: whichever, `count` of them. it: the first that makes sense.
    unclear: a part of the phrase stands for several of the names, and the rest is lost if that part is taken for the whole."""
    count: int = 1
    head: str | None = field(default=None, compare=False)
    """The kind of thing spoken of, where the phrase says it."""


def refer(words: list[str], talk: Talk) -> Ref | None:
    """The reading of a noun phrase; None if the words are not one."""
    text = " ".join(words)
    if not words or len(words) > 24 or words[-1] in {"and", ",", "of", "the", "a"} or words[0] in {"and", ","}:
        return None
    if (found := special(words, talk, text)) is not None:
        return found
    for mark in ("except for", "except", "but not", "apart from", "other than", "excluding", "but"):
        if f" {mark} " in f" {text} ":
            left, right = (part.split() for part in f" {text} ".split(f" {mark} ", 1))
            base, without = refer(left, talk), refer(right, talk)
            if base and without and without.names:
                names = tuple(name for name in base.names if name not in without.names)
                return replace(base, text=text, names=names)
    if " or " in text and (either := [refer(part.split(), talk) for part in text.split(" or ")]) and all(either):
        names = tuple(dict.fromkeys(name for ref in either if ref for name in ref.names))
        return Ref(text, names, "any")
    if (joined := together(words, talk, text)) is not None:
        return joined
    if described := re.match(r"^(.+?) (?:that|which) (?:is|are) (\w+)$", text):
        return refer([described[2], *(word for word in described[1].split() if word not in {"the"})], talk)
    return nearest_to(text, talk) or narrowed(words, talk, text) or simple(words, talk, text)


def nearest_to(text: str, talk: Talk) -> Ref | None:
    """ "the block closest to the blue bowl" """
    found = re.match(r"^(.+?) (?:that is |which is )?(?:closest|nearest) to (.+)$", text)
    base, place = (refer(found[1].split(), talk), refer(found[2].split(), talk)) if found else (None, None)
    if base is None or place is None or not base.names or len(place.names) != 1:
        return None
    here = talk.scene.find(place.names[0]).position
    others = [name for name in base.names if name not in place.names]
    return Ref(text, tuple(sorted(others, key=lambda name: dist(talk.scene.find(name).position, here))[:1]))


HELD = frozenset({"hand", "gripper", "hold", "holding", "held", "grasped", "gripped", "carried"})


def special(words: list[str], talk: Talk, text: str) -> Ref | None:
    """Pronouns, and what is in the hand."""
    bare = [word for word in words if word not in {"of", "the"}]
    if bare[0] in PRONOUNS and bare[1:] in ([], ["one"], ["thing"]):
        return Ref(text, talk.recent, "it")
    if bare == ["same"] or bare == ["same", "one"]:
        return Ref(text, talk.recent, "it")
    if set(bare) <= PLURAL_PRONOUNS | ALL and (set(bare) & PLURAL_PRONOUNS or bare == ["both"]):
        together = talk.group or talk.recent[:2] or (tuple(talk.scene.names(*talk.kinds)) if set(bare) & ALL else ())
        return Ref(text, together, "all", max(1, len(together)))
    if bare in (["something"], ["anything"], ["any", "thing"], ["something", "else"]):
        return Ref(text, tuple(talk.scene.names(*talk.kinds)), "any")
    if bare in (
        ["everything"],
        ["all"],
        ["all", "things"],
        ["all", "objects"],
        ["everything", "else"],
        ["rest"],
        ["all", "rest"],
        ["it", "all"],
    ):
        names = [name for name in talk.scene.names() if name not in talk.without]
        left = [name for name in names if name not in (talk.recent if bare[-1] in {"else", "rest"} else ())]
        return Ref(text, tuple(left), "all", len(left))
    if set(bare) & HELD and talk.scene.holding:
        return Ref(text, (talk.scene.holding,))
    if bare in (["stack"], ["tower"], ["pile"]):
        piled = [fact[1] for fact in talk.scene.facts if fact[0] == "on" and talk.scene.find(fact[2]).kind != "table"]
        return Ref(text, tuple(name for name in piled if not talk.within([name])))
    return None


def together(words: list[str], talk: Talk, text: str) -> Ref | None:
    """ "the red and the blue block", "red, green and blue cubes" """
    if not {"and", ","} & set(words):
        return None
    parts: list[list[str]] = [[]]
    for word in words:
        if word in {"and", ","}:
            parts.append([])
        else:
            parts[-1].append(word)
    parts = [part for part in parts if part]
    head = parts[-1][-1]
    refs = []
    for part in parts:
        bare = [word for word in part if word not in DETERMINERS]
        shared = bool(bare) and all(word in COLOUR for word in bare) and head not in COLOUR and part is not parts[-1]
        refs.append(simple([*part, singular(head)] if shared else part, talk, " ".join(part)) or narrowed(part, talk, " ".join(part)))
    if any(ref is None for ref in refs):
        return None
    known = [ref for ref in refs if ref is not None]
    if wrong := next((ref for ref in known if not ref.names or (len(ref.names) != 1 and ref.mode != "all")), None):
        return replace(wrong, mode="unclear")
    names = tuple(dict.fromkeys(name for ref in known for name in ref.names))
    return Ref(text, names, "all", len(names))


def narrowed(words: list[str], talk: Talk, text: str) -> Ref | None:
    """A phrase with a place: "the block in the drawer", "the cube that is left of the bowl", "the block from the drawer"."""
    for start in range(1, len(words)):
        relation, after = relation_at(words, start)
        if relation is None:
            continue
        head = words[:start]
        while head and head[-1] in {"that", "which", "is", "are", "lying", "standing", "sitting", "currently", "one's", "lies", "sits"}:
            head = head[:-1]
        base, place = simple(head, talk, text) if head else None, refer(words[after:], talk)
        if base is None or place is None:
            continue
        there = talk.within(place.names, ("in", "on") if relation == "from" else (relation,))
        names = tuple(name for name in base.names if name in there)
        return replace(base, text=text, names=names, count=len(names) if base.mode == "all" else base.count)
    return None


def relation_at(words: list[str], start: int) -> tuple[str | None, int]:
    """The relation that begins at `start`, articles aside, and the position after it: (None, start) if none does."""
    if start < len(words) and words[start] in {"from", "off"}:
        return "from", start + 1
    best: tuple[str | None, int] = (None, start)
    seen: list[str] = []
    for end in range(start, min(len(words), start + LONGEST_RELATION + 2)):
        if words[end] != "the":
            seen.append(words[end])
            if tuple(seen) in RELATION:
                best = RELATION[tuple(seen)], end + 1
    return best


def simple(words: list[str], talk: Talk, text: str) -> Ref | None:
    """Determiners, a number, adjectives and a noun."""
    if not words:
        return None
    bare = [word for word in words if word not in DETERMINERS and word not in {"handle", "knob", "cap"}]
    indefinite = words[0] in {"a", "an", "any", "some", "whichever", "whatever"} or words[:2] == ["one", "of"]
    if bare in (["others"], ["other", "ones"]):
        names = [name for name in talk.scene.names(*talk.kinds) if name not in talk.recent and name not in talk.without]
        return Ref(text, tuple(names), "all", max(1, len(names)))
    many, count, extremes, rest = False, 0, [], []
    for word in bare or [words[-1]]:
        if word in ALL:
            many = True
        elif word in NUMBERS and len(bare) > 1 and word != bare[-1]:
            count = NUMBERS[word]
        elif word in EXTREMES or word in {"other", "remaining"}:
            extremes.append(word)
        elif word in talk.verbs | FUNCTION and not belongs(word, talk.scene):
            return None
        else:
            rest.append(word)
    if len(rest) > 5 or not rest:
        return None
    plural = bool(rest) and rest[-1] != singular(rest[-1]) and not any(rest[-1] in thing.name.split() for thing in talk.scene.things)
    rest = [*rest[:-1], singular(rest[-1])] if plural else rest
    names = [thing.name for thing in talk.scene.things if all(fits(word, thing, talk.scene) for word in rest)]
    names = [name for name in names if name not in talk.without] or names
    names = [name for name in names if not talk.kinds or talk.scene.find(name).kind in talk.kinds] or names
    head = next((thing.kind for thing in talk.scene.things if rest and fits(rest[-1], thing, talk.scene) and rest[-1] not in GENERIC), None)
    for word in extremes:
        names = pick_extreme(word, names, talk)
    if count > 1:
        return Ref(text, tuple(names), "all" if len(names) == count else "any", count, head)
    if many or (plural and not indefinite):
        return Ref(text, tuple(names), "all", max(1, len(names)), head)
    return Ref(text, tuple(names), "any" if indefinite else "one", 1, head)


def belongs(word: str, scene: Scene) -> bool:
    """Does the word say something about a thing that is there?"""
    return word in GENERIC or word in COLOUR or any(fits(singular(word), thing, scene) for thing in scene.things)


def fits(word: str, thing: Thing, scene: Scene) -> bool:
    """May `word` be said of `thing`: part of its name, its kind, a colour by another name, or a synonym that names nothing else here."""
    own = {*thing.name.lower().split(), thing.kind}
    if word in own or word in GENERIC or COLOUR.get(word, "") in own or SIZE.get(word, "") in own:
        return True
    taken = any(word in {*other.name.lower().split(), other.kind} for other in scene.things)
    return not taken and word in KINDS.get(thing.kind, "").split()


EXTREMES = {
    "leftmost": lambda thing: -thing.position[1],
    "rightmost": lambda thing: thing.position[1],
    "nearest": lambda thing: thing.position[0],
    "closest": lambda thing: thing.position[0],
    "farthest": lambda thing: -thing.position[0],
    "furthest": lambda thing: -thing.position[0],
    "biggest": lambda thing: -thing.size[0] * thing.size[1] * thing.size[2],
    "largest": lambda thing: -thing.size[0] * thing.size[1] * thing.size[2],
    "smallest": lambda thing: thing.size[0] * thing.size[1] * thing.size[2],
    "top": lambda thing: -thing.position[2],
    "topmost": lambda thing: -thing.position[2],
    "bottom": lambda thing: thing.position[2],
}


def pick_extreme(word: str, names: list[str], talk: Talk) -> list[str]:
    if word in {"other", "remaining"}:
        return [name for name in names if name not in talk.recent]
    order = sorted((talk.scene.find(name) for name in names), key=EXTREMES[word])
    clear = len(order) < 2 or EXTREMES[word](order[0]) < EXTREMES[word](order[1]) - 1e-6
    return [order[0].name] if order and clear else [thing.name for thing in order]
