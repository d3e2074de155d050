"""Towers: "stack a on b on c", "a tower of red, blue and green with the green one on top", "stack all the blocks"."""

import re
from dataclasses import replace
from itertools import pairwise

from agent.planner.language.clauses import Clause, Doubt, Grammar, Reading, unknown, which
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


def tower(text: str, talk: Talk, grammar: Grammar) -> Reading | None:
    """A tower: named from the bottom up, or "a on b on c" from the top down."""
    order: dict[str, str] = {}
    while found := ORDER.search(text):
        order[found[2]] = COLOUR.get(found[1], found[1])
        text = text[: found.start()]
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
    return chain(ordered(names, order, ref.text, talk), grammar, talk)


def ordered(names: list[str], order: dict[str, str], text: str, talk: Talk) -> list[str]:
    """Bottom first: as asked for ({"bottom": "red"}), as listed, and where no order was given as they stand already."""
    if order:
        ends = {end: [name for name in names if word in name.split()] for end, word in order.items()}
        rest = [name for name in names if not any(name in found for found in ends.values())]
        return [*ends.get("bottom", []), *rest, *ends.get("top", [])]
    if " and " in text or "," in text:
        return names

    def depth(name: str) -> int:
        under = [below for below in talk.scene.where(name, "on") if below in names]
        return 1 + depth(under[0]) if under else 0

    return sorted(names, key=depth)


def chain(names: list[str], grammar: Grammar, talk: Talk) -> Reading | None:
    """Each on the one before."""
    clauses: list[Clause] = []
    for below, above in pairwise(names):
        verb = "put" if talk.scene.find(below).kind != "block" else "stack"
        reading = grammar.match(f"{verb} the {above} on the {below}", talk)
        if reading is None or isinstance(reading, Doubt):
            return reading
        clauses += reading
    return clauses or None
