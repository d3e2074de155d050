"""All that a person has said in one run → what is wanted now: an instruction, then corrections, answers and afterthoughts."""

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.planner.decision import Request, Step
from agent.planner.language.clauses import Clause, Doubt, Grammar, bare, things_of, which
from agent.planner.language.lexicon import listed, plain
from agent.planner.language.referring import Ref, Talk, belongs, refer, relation_at
from agent.planner.language.sentence import THEN, Sentence, SentenceReader, told
from agent.planner.plan import clash, make_plan
from agent.skills.library import Library
from agent.skills.skill import Skill
from agent.types import Fact, Scene

LONGEST, MOST_WORDS = 2000, 160
"""Characters and words. What is longer is hardly one instruction."""
REMEMBERED = 64
CANCEL = re.compile(
    r"(never mind|forget it|forget about it|forget that|cancel|cancel it|cancel that|that is all|that is it|that is enough|that will do|"
    r"abort|do not do anything|do not move|do not|nothing|nothing else|enough|stop|"
    r"stop it|stop that|halt|do nothing|leave it)( that| it| everything| thing)?"
)
SKIP = re.compile(r"(skip|skip it|skip that|skip this|skip this step|skip the step|skip that step)")
GO_ON = re.compile(r"(go on|continue|resume|carry on|keep go|keep going|go ahead|try|retry|try it|proceed|yes|yeah|yep|sure|do it|do that)")
NO = re.compile(r"^(?:(?:no|nope|not that|not that one|wrong|wrong one|not it|not this|instead|rather|sorry)\b[ ,;]*)+")
BUT_NOW = re.compile(r"^(?:(?:actually|wait|hold on|stop|oh|hmm|oops|change of plan|scratch that)\b[ ,;]*)+")
MEANT = re.compile(r"^(?:i (?:meant|mean|said|want|wanted)(?: to)?|make (?:it|that)|use|take|choose|it is|that is|with|do)[ ,]+(?=\S)")
AT_ONCE = re.compile(r"^(?:first|before that|but first|now first)\b[ ,;]*")
AND_THEN = re.compile(
    r"^(?:and|then|also|after that|afterwards|finally|at last|when (?:you are |that is )?done)\b|\b(?:at the end|afterwards|in the end)$"
)
"""Adds to what was said, rather than taking it back: "and close the drawer at the end"."""
NOT = re.compile(r"^(?:not|do not use|do not take|anything but) (?:in |on |into )?(.+)$")
UNDO = re.compile(
    r"^(?:undo|revert|take that back|put (?:it|them|that|everything|the [\w ]+) back(?: where .*)?|go back to .*)"
    r"(?: (?:it|that|this|the last step|.*move))?$"
)
HELP = re.compile(r"^\s*(?:help\b\W*$|(?:what|how|which).*\b(?:can|could|able|do) (?:you|i|we) (?:do|say|ask|help|to do))")
ASKING = re.compile(r"^(what|where|which|who|how|why|do you|are you|is|are|did|does|has|have you) ")


@dataclass(frozen=True)
class Understanding:
    """What is wanted, as of the last sentence."""

    clauses: tuple[Clause, ...] = ()
    avoid: frozenset[str] = frozenset()
    """Names of things to be left alone, and keys of calls not to be made."""
    doubt: Doubt | None = None
    pending: str = ""
    """The sentence that the doubt is about, in one spelling."""
    over: str = ""
    """Why there is nothing left to do, if the person called it off."""


class Reader:
    """Understands English by the sentences of the skills, without a model. What a phrase like "the block in the drawer" stands for is
    settled when it is said, and kept while the robot works on it."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.grammar = Grammar(library)
        self.sentences = SentenceReader(self.grammar)
        self.settled: OrderedDict[tuple[str, ...], Understanding] = OrderedDict()

    def read(self, request: Request) -> Understanding:
        """Never raises for words, whatever they are."""
        understood = Understanding()
        for k, words in enumerate(request.words):
            key = request.words[: k + 1]
            acted = any(step.said > k for step in request.history)
            if not acted or key not in self.settled:
                self.settled[key] = self.hear(words, k, request, understood)
                self.settled.move_to_end(key)
                while len(self.settled) > REMEMBERED:
                    self.settled.popitem(last=False)
            understood = self.settled[key]
        return understood

    def hear(self, words: str, k: int, request: Request, before: Understanding) -> Understanding:
        """One more sentence."""
        if len(words) > LONGEST or len(words.split()) > MOST_WORDS:
            much = f"{len(words)} characters and {len(words.split())} words"
            doubt = Doubt("ask", f"That is {much}; I read up to {LONGEST} and {MOST_WORDS} at a time. What shall I do first?")
            return replace(before, doubt=doubt, pending="")
        scene, earlier = request.scene, [step for step in request.history if step.said <= k]
        text = self.sentences.spell(words, scene)
        letters = [char for char in words if char.isalpha()]
        foreign = sum(not char.isascii() for char in letters) > 0.3 * len(letters)
        if not text or foreign:
            return replace(before, doubt=self.nothing_said(words, before), pending="")
        talk = self.talk(before, earlier, scene)
        if HELP.match(plain(words)):
            return replace(before, doubt=Doubt("none", f"I can: {self.grammar.abilities()}."), pending="")
        if before.doubt and before.pending and (answered := self.answer(text, before, talk, k)):
            return answered
        base = replace(before, doubt=None, pending="", over="")
        if all(re.fullmatch(CANCEL, part.strip()) for part in re.split("[,;]", text)):
            return Understanding(avoid=before.avoid, over="you called it off")
        if re.fullmatch(GO_ON, text) and before.clauses:
            return base
        return self.corrected(text, k, base, talk, earlier)

    def nothing_said(self, words: str, before: Understanding) -> Doubt:
        if any(char.isalpha() and not char.isascii() for char in words):
            return Doubt(
                "ask", "Without a language model I read English only (set planner.model in config.yaml for others). What shall I do?"
            )
        return Doubt("ask", f"I heard nothing that I can do. I can: {self.grammar.abilities()}. What shall I do?")

    def talk(self, before: Understanding, earlier: Sequence[Step], scene: Scene) -> Talk:
        """What was spoken of and handled before this sentence."""
        talk = Talk(scene, verbs=self.sentences.verbs)
        for step in earlier:
            talk = talk.mention(*(value for value in step.subtask.args.values() if value in scene.names()))
        if scene.holding:
            talk = talk.mention(scene.holding)
        here = tuple(clause for clause in before.clauses if set(clause.things) <= set(scene.names()))
        return told(talk, here)

    def answer(self, text: str, before: Understanding, talk: Talk, k: int) -> Understanding | None:
        """The reply to a question: a noun phrase takes the place of the one that was unclear."""
        doubt = before.doubt
        assert doubt is not None
        if re.fullmatch(r"(yes|yeah|yep|sure|that one|that|this one|correct|right)", text) and len(doubt.choices) == 1:
            text = doubt.choices[0]
        reply = NO.sub("", text)
        reply = MEANT.sub("", reply)
        ref = refer(reply.split(), replace(talk, recent=()))
        if ref is None or not doubt.phrase or not ref.names or doubt.phrase not in (doubt.sentence or before.pending):
            return None
        if len(ref.names) > 1 and ref.mode == "one" and (left := [name for name in ref.names if name in doubt.choices]):
            ref = replace(ref, names=tuple(left))
        if len(ref.names) == 1:
            reply = f"the {ref.names[0]}"
        sentence = re.sub(rf"(?<!\w){re.escape(doubt.phrase)}(?!\w)", reply, doubt.sentence or before.pending, count=1)
        base = replace(before, doubt=None, pending="")
        return self.added(sentence, k, base, self.sentences.read(sentence, talk), front=False)

    def corrected(self, text: str, k: int, base: Understanding, talk: Talk, earlier: Sequence[Step]) -> Understanding:
        """A first instruction, or one that changes or adds to what is wanted."""
        again = bool(base.clauses)
        refused = bool(again and NO.match(text)) or bool(again and re.search(r" instead$| instead of ", text))
        core = re.sub(r" instead$", "", BUT_NOW.sub("", NO.sub("", BUT_NOW.sub("", text)) if again else text)).strip(" ,;")
        core = re.sub(r" ?,? (?:instead of|rather than) .+$", "", core) if again else core
        current = self.current(base, talk.scene, earlier) if again else None
        if UNDO.match(core):
            return replace(base, doubt=self.undo(base, talk), pending=self.undo_words(base, talk))
        if again and SKIP.fullmatch(core):
            skipped = make_plan(base.clauses, talk.scene, earlier, base.avoid, self.library, {}).current
            return replace(base, clauses=tuple(c for i, c in enumerate(base.clauses) if i != skipped), over="the rest was skipped")
        if again and not core:
            said = base.clauses[current].words if current is not None else "it"
            return replace(base, doubt=Doubt("ask", f"You said no to '{said}'. What shall I do instead?", ("skip it",)), pending="")
        if ASKING.match(core):
            return replace(base, doubt=self.reply(core, talk), pending="")
        if again and current is not None:
            first, *rest = THEN.split(not_this_but_that(core), maxsplit=1)
            if changed := self.exchanged(first.strip(" ,"), base, talk, current, k):
                return self.corrected(rest[0], k, changed, talk, ()) if rest and not changed.doubt else changed
        front = bool(AT_ONCE.match(core)) or bool(BUT_NOW.match(text))
        found = self.sentences.read(AT_ONCE.sub("", core) or core, talk)
        if refused and current is not None and not found.doubt and found.clauses:
            base = replace(base, clauses=tuple(c for i, c in enumerate(base.clauses) if i != current))
        return self.added(AT_ONCE.sub("", core), k, base, found, front)

    def current(self, base: Understanding, scene: Scene, earlier: Sequence[Step]) -> int | None:
        """The clause that was being worked on when the sentence was said: the one the last step was for, else the first unsettled."""
        if mine := [step for step in earlier if step.said]:
            last = mine[-1].subtask
            named = [v for v in last.args.values() if v in scene.names()]
            same = [i for i, c in enumerate(base.clauses) if c.call.subtask.key == last.key]
            about = [i for i, c in enumerate(base.clauses) if named and named[0] in c.things]
            if same or about:
                return (same or about)[-1]
        plan = make_plan(base.clauses, scene, earlier, base.avoid, self.library, {})
        return plan.current if plan.current is not None else len(base.clauses) - 1

    def exchanged(self, text: str, base: Understanding, talk: Talk, current: int, k: int) -> Understanding | None:
        """ "no, the green one", "in the red bowl", "not the red one": the same clause with another thing."""
        clause = base.clauses[current]
        short = MEANT.sub("", text)
        relation, used = relation_at(short.split(), 0)
        if found := NOT.match(short):
            ref = refer(found[1].split(), talk)
            if ref is None or not ref.names or ref.mode == "it":
                return None
            return self.without(ref, base, clause, current)
        ref = refer(
            short.split()[used:] if relation else short.split(),
            replace(talk, recent=tuple(n for n in talk.recent if n not in clause.things)),
        )
        if ref is None or ref.mode == "it":
            return None
        if not ref.names and not any(belongs(word, talk.scene) for word in ref.text.split()):
            return None
        if not ref.names:
            words = f"What is there: {listed(f'the {name}' for name in talk.scene.names())}."
            doubt = Doubt(
                "ask", f"There is no '{bare(ref.text)}' here. {words} Which one do you mean?", tuple(talk.scene.names()), ref.text
            )
            return replace(base, doubt=doubt, pending=text)
        for name in reversed(clause.things) if relation else clause.things:
            kind = talk.scene.find(name).kind
            fitting = [n for n in ref.names if n not in clause.things and (relation or talk.scene.find(n).kind == kind)]
            if len(fitting) > 1 and ref.mode == "one":
                return replace(base, doubt=which(ref, fitting), pending=text)
            for new in fitting:
                reading = self.grammar.match(exchange(clause.call, name, new, relation), talk)
                if isinstance(reading, list):
                    return replace(base, clauses=self.instead(base.clauses, current, name, new, relation, k, talk))
        return None

    def instead(
        self, clauses: tuple[Clause, ...], current: int, old: str, new: str, relation: str | None, k: int, talk: Talk
    ) -> tuple[Clause, ...]:
        """The clauses with `new` for `old` in the current one; a new place is meant for all that go to the old one."""
        here = clauses[current]
        out = []
        for i, clause in enumerate(clauses):
            along = (
                old == here.things[-1] == clause.things[-1] and len(here.things) > 1 and clause.call.skill_name() == here.call.skill_name()
            )
            reading = self.grammar.match(exchange(clause.call, old, new, relation), talk) if i == current or along else None
            out.append(replace(reading[0], said=k, times=clause.times, loose=clause.loose) if isinstance(reading, list) else clause)
        return tuple(out)

    def without(self, ref: Ref, base: Understanding, clause: Clause, current: int) -> Understanding:
        """Something that was wanted is not: drop its clauses; if that leaves nothing, ask what instead."""
        gone = frozenset(ref.names)
        left = tuple(c for c in base.clauses if not gone & set(c.things))
        left_base = replace(base, clauses=left, avoid=base.avoid | gone)
        if left or not gone & set(clause.things):
            return left_base
        return replace(
            base, clauses=(), avoid=base.avoid | gone, doubt=Doubt("ask", f"Not the {bare(ref.text)}, then. What shall I do instead?")
        )

    def added(self, text: str, k: int, base: Understanding, found: Sentence, front: bool) -> Understanding:
        """What was wanted before and still can be, and what the sentence adds."""
        if found.doubt:
            return replace(base, doubt=found.doubt, pending=text)
        avoid = base.avoid | found.avoid
        fresh = tuple(replace(clause, said=k) for clause in found.clauses)
        avoid -= {name for clause in fresh for name in (*clause.things, clause.call.subtask.key)} - found.avoid
        more = bool(AND_THEN.search(text)) and not front
        kept_clauses = [c for c in base.clauses if more or not any(opposed(c, new) for new in fresh)]
        kept_clauses = [c for c in kept_clauses if not found.avoid & {*c.things, c.call.subtask.key}]
        if not fresh and not kept_clauses and (base.clauses or found.avoid):
            kept = listed(f"the {name}" for name in sorted(found.avoid) if "(" not in name)
            leave = f"I will leave {kept} alone." if kept else "I will not do that."
            return Understanding(avoid=avoid, doubt=Doubt("ask", f"{leave} What shall I do?"))
        wanted = (*fresh, *kept_clauses) if front else (*kept_clauses, *fresh)
        return Understanding(clauses=tuple(wanted), avoid=avoid)

    def undo(self, base: Understanding, talk: Talk) -> Doubt:
        thing = next(iter(talk.recent), None)
        what = f"the {thing}" if thing else "it"
        return Doubt(
            "ask",
            f"I do not remember where {what} was before. Where shall I put {what}?",
            tuple(talk.scene.names("bowl", "drawer", "table")),
            "there",
        )

    def undo_words(self, base: Understanding, talk: Talk) -> str:
        thing = next(iter(talk.recent), None)
        return f"put the {thing} to there" if thing else ""

    def reply(self, text: str, talk: Talk) -> Doubt:
        """Questions about the scene get an answer in words."""
        scene = talk.scene
        where = re.match(r"where (?:is|are) (.+)$", text)
        ref = refer(where[1].split(), talk) if where else None
        if ref and ref.names:
            places = {
                name: [f"{f[0]} the {f[2]}" for f in scene.facts if len(f) == 3 and f[1] == name and f[0] in ("in", "on")]
                for name in ref.names
            }
            told_places = (
                f"the {name} is {listed(place) or ('in my hand' if scene.holding == name else 'here')}" for name, place in places.items()
            )
            return Doubt("none", f"{listed(told_places).capitalize()}.")
        named = [name for name in scene.names() if re.search(rf"\b{re.escape(name)}\b", text)]
        told_of: list[Fact] = [f for f in scene.facts if len(f) == 3 and f[0] in ("in", "on") and f[2] in named]
        told_of = told_of or [f for f in scene.facts if f[1] in named and f[0] in ("in", "on", "open", "closed", "lit", "dark")]
        facts = [f"the {f[1]} is {f[0]}" + (f" the {f[2]}" if len(f) == 3 else "") for f in told_of]
        if named and facts:
            return Doubt("none", f"{listed(facts[:6]).capitalize()}.")
        held = f"I hold the {scene.holding}" if scene.holding else "my hand is empty"
        return Doubt("none", f"I see {listed(f'the {name}' for name in scene.names())}; {held}.")


def exchange(call: Skill, old: str, new: str, relation: str | None) -> str:
    """The call's sentence with another thing in it, and perhaps in another relation."""
    if relation and "relation" in call.args and old == things_of(call)[-1]:
        return call.words.replace(f"{call.args['relation']} the {old}", f"{relation} the {new}")
    return call.words.replace(f"the {old}", f"the {new}", 1)


def not_this_but_that(text: str) -> str:
    """ "not the red one, the green one", "the green one, not the red one" → "the green one" """
    if found := re.match(r"^not (?:in |on |into )?[^,]+? ,? ?(?:but|use|take|,) ?(.+)$", text):
        return found[1]
    return (
        re.sub(r" ,? ?(?:and |but )?not (?:in |on |into )?(?:the |a )?[\w ]+$", "", text)
        if not text.startswith(("not", "do not"))
        else text
    )


def opposed(old: Clause, new: Clause) -> bool:
    """Does a later sentence take back an older one: the same thing elsewhere, open against closed, lit against dark?"""
    from_scratch = Scene(tick=0, things=())
    if old.call.skill_name() == "pick" and new.call.skill_name() not in ("place", "stack", "pick"):
        return False
    return clash(old, new, from_scratch)
