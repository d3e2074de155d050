"""One clause → skill calls: the clause is laid against the sentences of every skill in the library, and its noun phrases are resolved."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from string import Formatter
from typing import Any

from agent.errors import SaydoError, nearest
from agent.planner.language.lexicon import ALL, BEYOND, DETERMINERS, GENERIC, PLURAL_PRONOUNS, RELATIONS, listed
from agent.planner.language.referring import Ref, Talk, refer, relation_at
from agent.skills.library import Library
from agent.skills.skill import Kind, Skill, literals
from agent.types import Fact, Scene


@dataclass(frozen=True)
class Clause:
    """One thing that the person wants: a skill call, and the fact it is for where the call itself does not say."""

    call: Skill
    said: int = 0
    """Which of the person's sentences it comes from, from 0."""
    goal: Fact | None = None
    """Wanted instead of call.done, e.g. ("lit", "light") with a call that presses the button."""
    times: int = 1
    loose: bool = False
    """May as well be done before the clause in front of it."""
    removal: bool = False
    """Takes a thing away from somewhere; where it ends up does not matter."""

    @property
    def words(self) -> str:
        times = {1: "", 2: " twice"}.get(self.times, f" {self.times} times")
        if self.goal:
            return f"make sure the {self.goal[1]} is {self.goal[0]}: {self.call.words}"
        return self.call.words + times

    @property
    def things(self) -> tuple[str, ...]:
        return things_of(self.call)


@dataclass(frozen=True)
class Doubt:
    """Why words cannot be followed as they are. kind "ask": an answer would help. kind "none": it cannot be done."""

    kind: str
    question: str
    choices: tuple[str, ...] = ()
    phrase: str = ""
    """The noun phrase that an answer replaces."""
    rank: int = 0
    """How much was understood: of several readings that fail, the one with the highest rank is spoken of."""
    guess: tuple[Skill, ...] = field(default=(), compare=False)
    """The calls it may be about."""
    sentence: str = ""
    """The sentence that an answer completes, where that is not the person's own."""


Reading = list[Clause] | Doubt
Slot = tuple[str]
"""A placeholder in a template: its field's name."""


class Grammar:
    """The sentences of a library, ready to be laid against clauses."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.templates = [(skill, parts_of(sentence)) for skill in library for sentence in (skill.say, *skill.also)]
        self.verbs = frozenset(parts[0] for _, parts in self.templates if isinstance(parts[0], str))
        self.words = frozenset(part for _, parts in self.templates for part in parts if isinstance(part, str))

    def match(self, text: str, talk: Talk) -> Reading | None:
        """The best reading of a clause; None if no sentence of any skill has its shape."""
        words = text.split()
        best: Doubt | None = None
        for skill, parts in self.templates:
            if isinstance(parts[0], str) and parts[0] not in words:
                continue
            for bound in unify(parts, words, skill):
                reading = resolve(skill, bound, talk)
                if isinstance(reading, list):
                    return reading
                if reading is not None and (best is None or reading.rank > best.rank):
                    best = reading
        return best

    def match_all(self, texts: Iterable[str], talk: Talk) -> Reading | None:
        """All of these clauses, one after the other; what is wrong with the first that is not understood, and None if there are none."""
        clauses: list[Clause] = []
        for text in texts:
            reading = self.match(text, talk)
            if not isinstance(reading, list):
                return reading
            clauses += reading
        return clauses or None

    def abilities(self) -> str:
        """What the robot can do, in words: "pick up a block, put a block in a thing, open a drawer"."""
        return ", ".join(example(skill) for skill in self.library)


def example(skill: type[Skill]) -> str:
    """A skill's sentence with kinds for things: "put a block in a thing"."""
    fields = {}
    for name, info in skill.model_fields.items():
        fields[name] = (literals(info) or kinds_of(skill, name) or ("thing",))[0]
    return re.sub(r"\bthe (?=\{)", "a ", skill.say).format(**fields)


def parts_of(sentence: str) -> tuple[str | Slot, ...]:
    """ "put the {thing} {relation} the {target}" → ("put", ("thing",), ("relation",), ("target",))"""
    parts: list[str | Slot] = []
    for text, name, _, _ in Formatter().parse(sentence.lower()):
        parts += [word for word in text.replace(",", " ").split() if word not in DETERMINERS]
        if name is not None:
            parts.append((name,))
    return tuple(parts)


def unify(parts: tuple[str | Slot, ...], words: list[str], skill: type[Skill]) -> Iterator[dict[str, Any]]:
    """Ways to lay a template against words: field → its words, or its value where it has fixed ones. Longest noun phrases first."""
    if not parts:
        if all(word in DETERMINERS for word in words):
            yield {}
        return
    part, rest = parts[0], parts[1:]
    if isinstance(part, str):
        while words and words[0] in DETERMINERS and words[0] != part:
            words = words[1:]
        if words and words[0] == part:
            yield from unify(rest, words[1:], skill)
        return
    name = next(field for field in skill.model_fields if field.lower() == part[0])
    if values := literals(skill.model_fields[name]):
        for value, used in choose(values, words):
            yield from ({name: value, **more} for more in unify(rest, words[used:], skill))
        return
    for end in range(len(words), 0, -1):
        yield from ({name: words[:end], **more} for more in unify(rest, words[end:], skill))


def choose(values: tuple[str, ...], words: list[str]) -> Iterator[tuple[str, int]]:
    """Values of a fixed choice that `words` may begin with, and how many words each takes."""
    if not words:
        return
    relation, used = relation_at(words, 0)
    if relation in values:
        yield relation, used
    if words[0] in {"to", "toward", "towards", "at"} and relation in (None, "next to"):
        yield from ((value, 1) for value in ("in", "on", "next to") if value in values and value != relation)
    lead = next((i for i, word in enumerate(words) if word not in DETERMINERS), 0)
    for value in values:
        spoken = value.replace("_", " ").lower().split()
        if value not in RELATIONS and words[lead : lead + len(spoken)] == spoken:
            yield value, lead + len(spoken)


def resolve(skill: type[Skill], bound: dict[str, Any], talk: Talk) -> Reading | None:
    """Turn bound noun phrases into calls; a Doubt if things are missing, unclear or do not go together; None if it is no noun phrase."""
    fixed = {name: value for name, value in bound.items() if isinstance(value, str)}
    refs: dict[str, Ref] = {}
    for name, words in bound.items():
        if not isinstance(words, str):
            if (ref := refer(words, replace(talk, kinds=kinds_of(skill, name)))) is None:
                return None
            refs[name] = ref
    for name, ref in refs.items():
        only = talk.scene.names(*kinds_of(skill, name)) if kinds_of(skill, name) else []
        if ref.mode == "it" and not ref.names and len(only) == 1:
            refs[name] = replace(ref, names=tuple(only))
    if missing := next((ref for ref in refs.values() if not ref.names), None):
        return unknown(missing, skill, talk)
    allowed: dict[str, list[str]] = {}
    for name, ref in refs.items():
        kinds = kinds_of(skill, name)
        allowed[name] = [one for one in ref.names if not kinds or talk.scene.find(one).kind in kinds]
        if not allowed[name]:
            return misfit(ref, skill, kinds, talk)
        if ref.mode == "all" and " and " in ref.text and len(allowed[name]) < len(ref.names):
            return None  # one of those that were named would be forgotten
    if vague := next((name for name, ref in refs.items() if ref.mode == "unclear"), None):
        return which(refs[vague], allowed[vague])
    for name, ref in refs.items():
        if ref.mode == "any" and ref.count > 1:
            allowed[name], refs[name] = allowed[name][: ref.count], replace(ref, mode="all")
    many = [name for name, ref in refs.items() if ref.mode == "all" and len(allowed[name]) > 1]
    if not many:
        call = settle(skill, fixed, refs, allowed, talk)
        return call if isinstance(call, Doubt) else [Clause(call)]
    if many != [next(iter(refs))]:
        phrase = refs[many[-1]]
        return Doubt("ask", f"Which one do you mean by '{phrase.text}'?", tuple(allowed[many[-1]]), phrase.text, 4)
    return spread(skill, fixed, refs, allowed, talk, many[0])


def spread(
    skill: type[Skill], fixed: dict[str, str], refs: dict[str, Ref], allowed: dict[str, list[str]], talk: Talk, over: str
) -> Reading:
    """One clause for each of several things; on top of a thing that bears only one, they make a tower."""
    clauses: list[Clause] = []
    goals = [name for name in refs if name != over]
    for one in allowed[over]:
        narrowed = {**allowed, over: [one], **{name: [n for n in allowed[name] if n != one] or allowed[name] for name in goals}}
        call = settle(skill, fixed, {**refs, over: Ref(one, (one,))}, narrowed, talk)
        if isinstance(call, Doubt):
            if any(allowed[name] == [one] for name in goals):
                continue
            return call
        clauses.append(Clause(call, loose=bool(clauses)))
    target = getattr(clauses[0].call, goals[0], None) if clauses and goals else None
    tower = target and talk.scene.find(target).kind == "block" and (skill.skill_name() == "stack" or fixed.get("relation") == "on")
    if tower and len(clauses) > 1:
        names = [clause.things[0] for clause in clauses]
        below = [target, *names]
        return [Clause(skill(**{**clause.call.args, goals[0]: below[i]})) for i, clause in enumerate(clauses)]
    return clauses


def settle(skill: type[Skill], fixed: dict[str, str], refs: dict[str, Ref], allowed: dict[str, list[str]], talk: Talk) -> Skill | Doubt:
    """The one call that is meant, or the Doubt which it is."""
    calls = []
    for names in product(*(allowed[name] for name in refs)):
        if len(set(names)) == len(names):
            calls.append(skill(**{**fixed, **dict(zip(refs, names, strict=True))}))
    sensible = [call for call in calls if feasible(call, talk.scene)] or [call for call in calls if conceivable(call, talk)]
    if not sensible:
        return senseless(skill, fixed, refs, calls)
    for name, ref in refs.items():
        values = list(dict.fromkeys(str(getattr(call, name)) for call in sensible))
        if len(values) == 1:
            continue
        if ref.mode == "any":
            near = [value for value in talk.recent if value in values] or [c.args[name] for c in sensible if c.can(talk.scene)] or values
            keep = near[0]
        elif ref.mode == "it":
            keep = values[0]
        elif (spoken := [value for value in talk.recent if value in values]) and not {"other", "another"} & set(ref.text.split()):
            keep = spoken[0]
        else:
            return replace(which(ref, values), guess=tuple(sensible))
        sensible = [call for call in sensible if getattr(call, name) == keep]
    return sensible[0]


def which(ref: Ref, values: list[str]) -> Doubt:
    """Several things fit: which one?"""
    there = listed(f"the {value}" for value in values)
    return Doubt("ask", f"Which one is '{ref.text}'? There are {there}.", tuple(values), ref.text, 4)


def unknown(ref: Ref, skill: type[Skill], talk: Talk) -> Doubt:
    """There is no such thing: say what is there instead, nearest first."""
    kinds = {kind for name in skill.model_fields for kind in kinds_of(skill, name)}
    there = [name for name in talk.scene.names() if not kinds or talk.scene.find(name).kind in kinds] or talk.scene.names()
    words = set(bare(ref.text).split())
    sharing = [name for name in talk.scene.names() if words & {*name.split(), talk.scene.find(name).kind}]
    close = nearest(bare(ref.text), talk.scene.names())
    choices = tuple(dict.fromkeys([*([close] if close in sharing else []), *sharing, *there]))[:6]
    if ref.mode == "it" or words <= PLURAL_PRONOUNS | ALL:
        return Doubt("ask", f"I do not know what '{ref.text}' stands for here. Which thing do you mean?", choices, ref.text, 3)
    what = bare(ref.text)
    everything = listed(f"the {name}" for name in talk.scene.names()) or "nothing"
    meant = f" The nearest is the {choices[0]}." if sharing else ""
    return Doubt("ask", f"There is no '{what}' here. What is there: {everything}.{meant} Which one do you mean?", choices, ref.text, 3)


def misfit(ref: Ref, skill: type[Skill], kinds: tuple[str, ...], talk: Talk) -> Doubt:
    """The thing exists, but is not of a kind that the skill takes."""
    there = listed((f"the {name}" for name in talk.scene.names(*kinds)), "or") or f"a {listed(kinds, 'or')}, and there is none here"
    return Doubt("none", f"I cannot do that with the {bare(ref.text)}: I can {example(skill)}, that is {there}.", rank=2)


def senseless(skill: type[Skill], fixed: dict[str, str], refs: dict[str, Ref], calls: list[Skill]) -> Doubt:
    spoken = skill.say.format(**{**{name: bare(ref.text) for name, ref in refs.items()}, **fixed})
    doc = " ".join((skill.__doc__ or "").split())
    why = "a thing cannot go with itself" if not calls else doc
    return Doubt("none", f"I cannot {spoken}: {why}", rank=2)


def bare(text: str) -> str:
    """A noun phrase without its articles, for error messages."""
    words = text.split()
    while len(words) > 1 and words[0] in DETERMINERS:
        words = words[1:]
    return " ".join(words)


def feasible(call: Skill, scene: Scene) -> bool:
    """Is it done, possible, or is there something that would help?"""
    try:
        return bool(call.done(scene)) or call.can(scene) or bool(call.needs(scene))
    except SaydoError:
        return False


def conceivable(call: Skill, talk: Talk) -> bool:
    """Would it be possible if things stood at their best: all on the table, all open, the right thing in the hand?"""
    return any(feasible(call, at_best(talk.scene, held)) for held in dict.fromkeys([None, *things_of(call), *talk.recent]))


def at_best(scene: Scene, held: str | None) -> Scene:
    """The scene with everything open, and whatever lay in or on something set on the table."""
    table = next(iter(scene.names("table")), None)
    moved = {fact[1] for fact in scene.facts if len(fact) == 3 and fact[0] in ("in", "on")} | {scene.holding}
    facts: set[Fact] = {fact for fact in scene.facts if fact[0] not in ("in", "on", "closed", "home")}
    facts |= {("open", fact[1]) for fact in scene.facts if fact[0] == "closed"}
    facts |= {("on", name, table) for name in moved if table and name and name != held}
    return scene.model_copy(update={"facts": tuple(sorted(facts)), "holding": held})


def kinds_of(skill: type[Skill], name: str) -> tuple[str, ...]:
    return tuple(kind for mark in skill.model_fields[name].metadata if isinstance(mark, Kind) for kind in mark.names)


def things_of(call: Skill) -> tuple[str, ...]:
    """The things a call names, in the order of its fields."""
    return tuple(str(getattr(call, name)) for name, info in type(call).model_fields.items() if not literals(info))


def not_understood(text: str, grammar: Grammar) -> Doubt:
    """Neither a skill's sentence nor a known paraphrase: a verb that is beyond the skills, or plain words that mean nothing here."""
    words = [word for word in text.split() if word not in DETERMINERS | GENERIC]
    verb = next((word for word in words[:2] if word in BEYOND and word not in grammar.words), None)
    if verb:
        return Doubt("none", f"I cannot {verb} things or myself. What I can do: {grammar.abilities()}.", rank=2)
    return Doubt("ask", f"I do not understand '{text[:120]}'. What I can do: {grammar.abilities()}. What shall I do?", rank=1)
