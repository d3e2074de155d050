"""Towers: "stack a on b on c", "a tower of red, blue and green with the green one on top", "stack all blocks by size"; and down again."""

import re
from collections.abc import Collection
from dataclasses import replace
from itertools import pairwise
from math import prod

from agent.planner.language.clauses import Doubt, Grammar, Reading, unknown, which
from agent.planner.language.lexicon import COLOUR
from agent.planner.language.referring import Talk, refer

TOWER = re.compile(
    r"^(?:build|make|create|construct|stack|pile|erect|form|assemble)(?: me)?(?: up)? (?:(?:a|the|one|another) )?(?:\w+ )?"
    r"(?:tower|stack|pile)(?: (?:of|from|with|out of|using|out|containing)(?: of)? (.+))?$"
)
STACK_MANY = re.compile(
    r"^(?:stack|pile)(?: up)? (.+?)(?: up| together| on top of each other| on each other| in a tower| into a tower| in a stack)?$"
)
ORDER = re.compile(
    r" ?,? ?(?:with|where|so that|and)? ?(?:the )?(\w+)(?: block| one| cube)?(?: is| being| should be)? "
    r"(?:at|on) (?:the )?(top|bottom)(?: of it)?$"
)
"""The end of "a tower with the green block at the bottom"."""
BY_SIZE = re.compile(
    r" ?,?(?: (?:ordered|sorted|arranged))? (?:by|in order of|according to) (?:the |their )?size$"
    r"| ?,?(?: from)?(?: the)? (?:large|largest|big|biggest) to (?:the )?(?:small|smallest)$"
)
STANDING = r"(?:the )?(?:\w+ )?(?:tower|stack|pile)(?: (?:on|on top of|above|over|of) (.+?))?"
TAKE_DOWN = re.compile(
    rf"^(?:take down|take apart|tear down|pull down|get down|unstack|undo) {STANDING}$|^(?:take|pull|tear|get) {STANDING} (?:down|apart)$"
)


def tower(text: str, talk: Talk, grammar: Grammar) -> Reading | None:
    """A tower: named from the bottom up, or "a on b on c" from the top down."""
    order: dict[str, str] = {}
    while found := ORDER.search(text):
        order[found[2]] = COLOUR.get(found[1], found[1])
        text = text[: found.start()]
    sized, text = BY_SIZE.search(text), BY_SIZE.sub("", text)
    if (parts := re.split(r" (?:on top of|onto|on) ", re.sub(r"^(stack|put|place|pile|set) ", "", text))) and len(parts) > 2:
        refs = [refer(part.split(), replace(talk, kinds=("block", "table"))) for part in parts]
        names = [ref.names[0] for ref in refs if ref and len(ref.names) == 1]
        kinds = {talk.scene.find(name).kind for name in names[:-1]}
        return chain(names[::-1], grammar, talk) if len(names) == len(parts) and kinds == {"block"} else None
    many = STACK_MANY.match(text)
    if found := TOWER.match(text):
        what = found[1] or "all blocks"
    elif many and not re.search(r" (?:on|onto|in|into|to) ", many[1]):
        what = many[1]
    else:
        return None
    ref = refer(what.split(), replace(talk, kinds=("block",)))
    if ref is None:
        return None
    if ref.mode == "unclear":
        return which(ref, list(ref.names)) if ref.names else unknown(ref, next(iter(grammar.library)), talk)
    if len(ref.names) < 2 and ref.mode == "all" and ref.names:
        return Doubt("ask", f"A tower needs two blocks or more; which ones, besides the {ref.names[0]}?", rank=3)
    if not ref.names:
        return unknown(ref, next(iter(grammar.library)), talk)
    names = [name for name in ref.names if talk.scene.find(name).kind == "block"]
    if ref.mode == "any":
        names = names[: ref.count]
    if len(names) < 2 or ref.mode in ("one", "it"):
        return None
    if sized:
        return chain(sorted(names, key=lambda name: -prod(talk.scene.find(name).size)), grammar, talk)
    return chain(ordered(names, order, ref.text, talk), grammar, talk)


def ordered(names: list[str], order: dict[str, str], text: str, talk: Talk) -> list[str]:
    """Bottom first: as asked for ({"bottom": "red"}), as listed, and where no order was given as they stand already."""
    if order:
        ends = {end: [name for name in names if word in name.split()] for end, word in order.items()}
        rest = [name for name in names if not any(name in found for found in ends.values())]
        return [*ends.get("bottom", []), *rest, *ends.get("top", [])]
    if " and " in text or "," in text:
        return names

    return sorted(names, key=lambda name: height(name, names, talk))


def height(name: str, names: Collection[str], talk: Talk) -> int:
    """How many of `names` are under it."""
    under = [below for below in talk.scene.where(name, "on") if below in names]
    return 1 + height(under[0], names, talk) if under else 0


def taken_down(text: str, talk: Talk, grammar: Grammar) -> Reading | None:
    """ "take down the tower on the red block": all that stands on it, from the top; "take down the tower": all that stands on a block."""
    if not (found := TAKE_DOWN.match(text)):
        return None
    blocks = talk.scene.names("block")
    base, said = list(blocks), found[1] or found[2]
    if said:
        ref = refer(said.split(), replace(talk, kinds=("block",)))
        if ref is None or len(ref.names) != 1:
            return None
        base = list(ref.names)
    above: list[str] = []
    while more := [name for name in talk.within(base, ("on",)) if name not in above]:
        above, base = [*above, *more], more
    if not above:
        return Doubt("none", "Nothing stands on it, so there is nothing to take down." if said else "There is no tower here.", rank=3)
    return to_table(sorted(above, key=lambda name: -height(name, blocks, talk)), talk, grammar)


def to_table(names: list[str], talk: Talk, grammar: Grammar) -> Reading | None:
    """These things onto the table, in whatever order."""
    reading = grammar.match_all((f"put the {name} on the {table}" for table in talk.scene.names("table")[:1] for name in names), talk)
    if not isinstance(reading, list):
        return reading
    return [replace(clause, loose=number > 0, removal=True) for number, clause in enumerate(reading)]


def chain(names: list[str], grammar: Grammar, talk: Talk) -> Reading | None:
    """Each on the one before."""
    cubes = talk.scene.names("block")
    steps = (f"{'stack' if below in cubes else 'put'} the {above} on the {below}" for below, above in pairwise(names))
    return grammar.match_all(steps, talk)
