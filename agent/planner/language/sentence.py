"""One sentence → clauses in order: where it is cut, what "before", "then", "and" mean, what is left out, what must not be touched."""

import re
from dataclasses import dataclass, replace
from itertools import pairwise

from agent.planner.language.clauses import Clause, Doubt, Grammar, Reading, not_understood
from agent.planner.language.lexicon import (
    BEYOND,
    COLOUR,
    DETERMINERS,
    FUNCTION,
    KINDS,
    NUMBERS,
    RELATION,
    mend,
    singular,
    tokens,
    without_ing,
)  # fmt: skip
from agent.planner.language.paraphrase import PICK, PUT, paraphrases, removal, times_of
from agent.planner.language.recast import recast
from agent.planner.language.referring import GENERIC, Talk, refer
from agent.types import Scene

MOST_CLAUSES = 40
MOST_WORDS = 40
"""In one clause."""
THEN = re.compile(
    r"\s*,?\s*(?:;|\b(?:and then|then|after that|after this|after which|afterwards|afterward|and finally|finally|lastly|and lastly|"
    r"next(?! to\b)|and next(?! to\b)|at the end|in the end|first of all|first(?! (?:block|one|bowl|drawer)\b)|firstly|secondly|thirdly|"
    r"followed by|once done|when done|when you are done|once you are done|when finished|once finished|to start|to begin with|subsequently|"
    r"once that is done|when that is done|before that|from there)\b)\s*,?\s*"
)
AND = re.compile(r" (?:, and|and also|and|, but|but|, while|while|,) ")
FIRST = re.compile(r"^(?:before|prior to)(?: you| doing that)? (.+?) , (.+)$")
LATER = re.compile(r"^(.+?) ,? ?(?:before|prior to)(?: you)? (.+)$")
AFTER = re.compile(r"^(?:after|once|when|as soon as|having)(?: you have| you)? (.+?) ,(?: then)? (.+)$")
SINCE = re.compile(r"^(.+?) ,? ?(?:after|once|as soon as|when)(?: you have| you)? (.+)$")
WITHOUT = re.compile(
    r"^(.+?) ,? ?(?:without|but do not|and do not|, do not|do not)(?: ever)? (?:touch|move|use|disturb|pick|take|shift|knock)(?: up)? (.+)$"
)
STILL = r"(?: (?:alone|there|as is|in place|untouched|where (?:it|they|that) (?:is|are)|as it is|out of it|out|be))"
LEAVE = re.compile(rf"^(?:leave|keep) (.+?){STILL}?$")
FORBID = re.compile(
    r"^(?:do not|never|not|avoid|no|do not ever)(?: ever)? "
    r"(?:touch|move|use|disturb|pick|take|go near|grab|lift|touching|moving|using)(?: up| with)? (.+)$"
)
KEEP = re.compile(r"^(?:leave|keep) (.+?) (open|closed|shut|on|off|lit|dark)$")
TOWARDS = re.compile(r"^(?:go|move|drive|reach|head|walk)(?: over)? (?:to|toward|towards|for) ([\w ]+?) ?(?:,|and|,? and then) (.+)$")
NOT_DO = re.compile(r"^(?:do not|never|no need to|you need not|there is no need to)(?: ever)? (.+)$")
BUT = re.compile(r"^(.+?) ,? ?(?:but not|not|except for|except|apart from|other than|excluding|besides|leaving out) ([\w' ]+)$")


@dataclass(frozen=True)
class Sentence:
    """What was made of one sentence."""

    clauses: tuple[Clause, ...] = ()
    avoid: frozenset[str] = frozenset()
    """Names of things that must be left alone, and keys of calls that must not be made."""
    doubt: Doubt | None = None


class SentenceReader:
    """Reads sentences with the words of one library."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        verbs = {word for phrase in f"{PUT}|{PICK}".split("|") for word in phrase.split()} | {"stack", "open", "close", "press", "turn"}
        self.verbs = frozenset({*grammar.verbs, *verbs, "move"} - {"light", "rest", "me", "up", "one"})
        self.whole_verbs = {parts[0] for _, parts in grammar.templates if len(parts) == 2 and isinstance(parts[0], str)}
        self.known = FUNCTION | BEYOND | set(COLOUR) | GENERIC | DETERMINERS | set(NUMBERS) | self.verbs | grammar.words
        self.known |= {word for phrase in RELATION for word in phrase} | {"mark", "ell"}
        self.known |= {word for words in KINDS.values() for word in words.split()}

    def spell(self, text: str, scene: Scene) -> str:
        """The sentence in one spelling: lower case, politeness gone, slips of the finger mended, gerunds as verbs; marks are words."""
        known = self.known | {word for thing in scene.things for word in thing.name.lower().split()}
        known_plural = known | {word + "s" for word in known}
        words = []
        for word in recast(" ".join(tokens(text))).split():
            base = without_ing(word, known) if word not in known else word
            words.append(base if base in known_plural or singular(base) in known else mend(base, known))
        return " ".join(words)

    def read(self, text: str, talk: Talk) -> Sentence:
        """`text` as `spell` leaves it."""
        talk = replace(talk, verbs=self.verbs)
        avoid: set[str] = set()
        clauses: list[Clause] = []
        if but_first := re.match(r"^(.+?) ,? ?but (?:before that|first) (.+)$", text):
            text = f"{but_first[2]} then {but_first[1]}"
        for segment in filter(None, THEN.split(self.plain_and(text))):
            segment = segment.strip(" ,")
            if not segment:
                continue
            found = self.segment(segment, talk, tuple(clauses))
            avoid |= found.avoid
            if found.doubt:
                return Sentence(tuple(clauses), frozenset(avoid), found.doubt)
            fresh = [replace(clause, loose=False) if i == 0 else clause for i, clause in enumerate(found.clauses)]
            clauses += fresh
            talk = told(talk, fresh)
            if len(clauses) > MOST_CLAUSES:
                return Sentence((), frozenset(), Doubt("ask", f"That is more than {MOST_CLAUSES} things at once. What shall I do first?"))
        clauses = merged(clauses, talk.scene)
        return Sentence(tuple(clauses), frozenset(avoid), hands_full(clauses))

    def plain_and(self, text: str) -> str:
        """ "put the red block and then the green block in the bowl", "pick up and place the red block there": one clause, not two."""
        text = re.sub(r"\b(turn|switch) (on|off) and (?:then )?(?:back )?(on|off) ([\w ]+)", r"\1 \2 \4 and \1 \3 \4", text)
        text = re.sub(r"\b(turn|switch) ([\w ]+?) (on|off),? (?:and |and then |then )(?:back )?(on|off)\b", r"\1 \2 \3 and \1 \2 \4", text)
        words = "|".join(sorted(self.verbs | {"go", "do", "leave", "make", "it", "if", "finally"}))
        text = re.sub(rf"(?:,? and then|,? then|,? and finally) (?!(?:{words}|and|then|,|;)\b)(?=\w)", " and ", text)
        text = re.sub(rf"^(?:go|come) and (?={words})", "", text)
        found = re.match(rf"^({words})(?: up)? and (?:then )?({words}) (.+)$", text)
        if found and found[1] != found[2]:
            first, second, rest = found.groups()
            alone = f"{first} {rest}"
            return f"{alone} and {second} it" if first in self.whole_verbs and second in self.whole_verbs else f"{second} {rest}"
        return text

    def segment(self, text: str, talk: Talk, before: tuple[Clause, ...]) -> Sentence:
        """What stands between two "then": clauses joined by "and" or a comma, perhaps with a "before" or an exception."""
        if re.match(r"(if|unless|whenever|until|while)\b", text):
            word = text.split()[0]
            return Sentence(doubt=Doubt("ask", f"I cannot wait for conditions ('{word} …') by myself. What shall I do now?", rank=3))
        text = re.sub(r"^(?:go|come) (?:and )?(?=(?:open|close|shut|press|push|pick|put|get|take|turn|stack|place)\b)", "", text)
        if found := TOWARDS.match(text):
            return self.approached(found[1], found[2], talk, before)
        if found := WITHOUT.match(text):
            return self.forbid(found[1], found[2], talk, before)
        if found := re.match(r"^(.+?) ,? ?without (.+)$", text):
            done, no = self.segment(found[1], talk, before), self.segment(found[2], talk, before)
            if not done.doubt and not no.doubt:
                return replace(done, avoid=done.avoid | {clause.call.subtask.key for clause in no.clauses})
        for pattern, swapped in ((FIRST, True), (AFTER, False), (LATER, False), (SINCE, True)):
            if found := pattern.match(text):
                one = self.segment(found[1], talk, before)
                two = self.segment(found[2], told(talk, one.clauses), (*before, *one.clauses))
                if not one.doubt and not two.doubt:
                    ordered = (*two.clauses, *one.clauses) if swapped else (*one.clauses, *two.clauses)
                    return Sentence(tuple(replace(clause, loose=False) for clause in ordered), one.avoid | two.avoid)
        if found := KEEP.match(text):
            verb = {"open": "open", "closed": "close", "shut": "close", "on": "turn on", "lit": "turn on"}.get(found[2], "turn off")
            return self.segment(f"{verb} {found[1]}", talk, before)
        if found := FORBID.match(text) or LEAVE.match(text):
            return self.forbid("", found[1], talk, before)
        if found := NOT_DO.match(text):
            no = self.segment(found[1], talk, before)
            return no if no.doubt else Sentence(avoid=frozenset(clause.call.subtask.key for clause in no.clauses))
        reading = self.joined(text, talk, before)
        if isinstance(reading, Doubt) and (found := BUT.match(text)):
            but = refer(found[2].split(), talk)
            if but and but.names:
                left = self.segment(found[1], replace(talk, without=talk.without | set(but.names)), before)
                if not left.doubt:
                    return replace(left, avoid=left.avoid | set(but.names))
        return Sentence(doubt=reading) if isinstance(reading, Doubt) else Sentence(tuple(reading))

    def approached(self, place: str, text: str, talk: Talk, before: tuple[Clause, ...]) -> Sentence:
        """ "go to the drawer and place the block": going there is a part of what is done there."""
        ref = refer(place.split(), talk)
        near = talk.mention(*ref.names) if ref and len(ref.names) == 1 else talk
        found = self.segment(text, near, before)
        if found.doubt is None or near is talk:
            return found
        there = self.segment(f"{text} there", near, before)
        return there if there.doubt is None else found

    def forbid(self, text: str, what: str, talk: Talk, before: tuple[Clause, ...]) -> Sentence:
        """The clause without the things that must be left alone."""
        rest = ""
        if cut := AND.search(what):
            ref = refer(what.split(), talk)
            what, rest = (what, "") if ref and ref.names else (re.sub(f"{STILL}$", "", what[: cut.start()]), what[cut.end() :])
        ref = refer(what.split(), talk)
        if ref is None or not ref.names:
            return Sentence(doubt=Doubt("ask", f"What shall I leave alone? There is no '{what}' here.", tuple(talk.scene.names()), what, 3))
        names = frozenset(ref.names)
        left = " and ".join(filter(None, (text.strip(" ,"), rest)))
        if not left:
            return Sentence(avoid=names)
        found = self.segment(left, replace(talk, without=talk.without | names), before)
        return replace(found, avoid=found.avoid | names)

    def joined(self, text: str, talk: Talk, before: tuple[Clause, ...]) -> Reading:
        """The whole as one clause, else cut at the first "and" or comma where the left part stands by itself."""
        text = text.strip(" ,")
        whole = self.clause(text, talk, before)
        if not isinstance(whole, Doubt):
            return whole
        for cut in AND.finditer(text):
            left = self.clause(text[: cut.start()].strip(" ,"), talk, before)
            if isinstance(left, Doubt):
                whole = left if isinstance(whole, Doubt) and left.rank > whole.rank == 1 else whole
                continue
            right = self.segment(text[cut.end() :].strip(" ,"), told(talk, left), (*before, *left))
            if right.doubt is None:
                return [*left, *(replace(clause, loose=True) for clause in right.clauses)]
            return right.doubt if right.doubt.rank >= whole.rank or whole.rank <= 3 else whole
        return self.run_on(text, talk, before) or whole

    def run_on(self, text: str, talk: Talk, before: tuple[Clause, ...]) -> list[Clause] | None:
        """ "open drawer put red in it": no marks at all; cut before a verb, if everything can be read that way."""
        words = text.split()
        for i in range(2, len(words) - 1) if len(words) <= MOST_WORDS else ():
            if words[i] in self.whole_verbs | {"put", "place", "stack", "pick", "turn"}:
                left = self.clause(" ".join(words[:i]), talk, before)
                right = None if isinstance(left, Doubt) else self.joined(" ".join(words[i:]), told(talk, left), (*before, *left))
                if isinstance(left, list) and isinstance(right, list):
                    return [*left, *right]
        return None

    def clause(self, text: str, talk: Talk, before: tuple[Clause, ...]) -> Reading:
        """One clause, by a skill's own sentence, by a paraphrase, or by what it leaves out."""
        text = re.sub(r"^(?:also|too|and|now|finally|but|to|it is|there|that) (?=\w)", "", text)
        if " " in text and not re.match(r"(?:push|shove|nudge|slide) .+ away$", text):
            text = re.sub(r" (?:too|as well|also|now|once more|please|away)$", "", text)
        text, times = times_of(text)
        if text.count(" ") >= MOST_WORDS:
            return not_understood(text, self.grammar)
        text = re.sub(r"^(?:second|third|fourth|last) (?=\w)", "", text)
        readings: list[Doubt] = []
        for reading in self.readings(text, talk, before):
            if isinstance(reading, list):
                if times > 1:
                    return [replace(clause, times=times) for clause in reading]
                return reading
            readings.append(reading)
        return max(readings, key=lambda doubt: doubt.rank, default=not_understood(text, self.grammar))

    def readings(self, text: str, talk: Talk, before: tuple[Clause, ...]) -> list[Reading]:
        """Readings of a clause, up to the first that leaves no doubt."""
        found: list[Reading] = []
        away = removal(text, talk, self.grammar) if re.match(r"(take|get|bring|fetch|retrieve) .+ (off|from) ", text) else None
        for reading in (away, self.grammar.match(text, talk)):
            if reading is not None:
                found.append(reading)
            if isinstance(reading, list):
                return found
        for reading in paraphrases(text, talk, self.grammar):
            found.append(reading)
            if isinstance(reading, list):
                return found
        if not (set(text.split()[:1]) & self.verbs):
            found += self.elided(text, talk, before[-1]) if before else []
            if (reading := self.grammar.match(f"put {text}", talk)) is not None:
                found.append(reading)
        return found

    def elided(self, text: str, talk: Talk, last: Clause) -> list[Reading]:
        """ "…, and the green one in the red bowl": the verb of the clause before; "and the green one": all of it but the thing."""
        verb = last.words.split()[0] if not last.goal else "press"
        found: list[Reading] = []
        if len(last.things) > 1 and (after := re.match(r"^(.+) it$", text)):
            text = f"{after[1]} the {last.things[-1]}"  # where the first went, not the first itself
        if (reading := self.grammar.match(f"{verb} {text}", talk)) is not None:
            found.append(reading)
        if len(last.things) > 1 and (ref := refer(text.split(), talk)) is not None:
            field = next(name for name, value in last.call.args.items() if value == last.things[0])
            spoken = [last.call.words.replace(f"the {last.things[0]}", f"the {name}", 1) for name in ref.names if name != last.things[0]]
            if ref.mode == "one" and len(ref.names) == 1 and field:
                found += [reading for words in spoken if (reading := self.grammar.match(words, talk)) is not None]
        return found


def told(talk: Talk, clauses: list[Clause] | tuple[Clause, ...]) -> Talk:
    """The talk after these clauses were said."""
    for clause in clauses:
        talk = talk.mention(*clause.things, *([clause.goal[1]] if clause.goal else []))
        if len(clause.things) > 1:
            placed = tuple(fact for fact in talk.placed if fact[1] != clause.things[0])
            fact = (clause.call.args.get("relation", "on"), clause.things[0], clause.things[1])
            talk = replace(talk, placed=(*placed, fact))
    together = tuple(dict.fromkeys(clause.things[0] for clause in clauses if clause.things))
    return replace(talk, group=together) if len(together) > 1 else talk


def merged(clauses: list[Clause], scene: Scene) -> list[Clause]:
    """Without the clauses that a later one brings along anyway: "take it out of the drawer and put it in the bowl" is one move."""
    clauses = [clause for clause, left in zip(clauses, [None, *clauses], strict=False) if left is None or not repeated(left, clause)]
    kept = []
    for i, clause in enumerate(clauses):
        after = clauses[i + 1 : i + 2]
        if (clause.removal or is_pick(clause)) and any(moves(clause, later) and not later.call.done(scene) for later in after):
            continue
        if is_pick(clause) and any(is_pick(later) for later in after) and any(moves(clause, later) for later in clauses[i + 1 :]):
            continue
        kept.append(clause)
    return kept


def moves(clause: Clause, later: Clause) -> bool:
    """Does `later` do something with what `clause` took?"""
    return not later.removal and not is_pick(later) and later.things[:1] == clause.things[:1]


def is_pick(clause: Clause) -> bool:
    return clause.call.skill_name() == "pick"


def hands_full(clauses: list[Clause]) -> Doubt | None:
    """Two things are to be picked up, and nothing is said about where the first is to go."""
    for one, two in pairwise(clauses):
        if is_pick(one) and is_pick(two) and one.things != two.things:
            return Doubt("ask", f"I can hold one thing at a time. Where shall I put the {one.things[0]}?", ("table",), rank=4)
    return None


def repeated(clause: Clause, after: Clause) -> bool:
    """ "pick up the block and hold it" is one thing; "press it and press it" is two."""
    return (
        clause.call == after.call and clause.goal == after.goal and clause.call.skill_name() in ("pick", "place", "stack", "open", "close")
    )
