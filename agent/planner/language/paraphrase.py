"""Ways people say things that no skill's sentence has: "turn on the light", "take it out of the drawer", "build a tower of …"."""

import re
from collections.abc import Iterator
from dataclasses import replace

from agent.planner.language.clauses import Clause, Doubt, Grammar, Reading, bare, unknown
from agent.planner.language.lexicon import COLOUR, TIMES, listed
from agent.planner.language.referring import Ref, Talk, refer
from agent.planner.language.towers import taken_down, to_table, tower
from agent.types import Scene

PUT = (
    "place set drop move bring lay stick insert toss deposit stash store shift transfer position slide push load leave deliver carry "
    "arrange relocate settle fit pop dump plop throw get take rest add send pull hide keep balance slip park"
).replace(" ", "|")
PICK = ("fetch|retrieve|seize|clutch|raise|catch|collect|hoist|snatch|lift|grab|take|get|grasp|hold|choose|select|hand me|give me|pick|"
        "bring me|lift up")
ALWAYS = (
    (r"^(?:press|push) (.+) (?:in|down)$", r"press \1"),
    (r"^put (?:away )?(.+?)(?: away)? (in|into|inside) (.+)$", r"put \1 \2 \3"),
    (rf"^(?:{PICK}) (.+) up$", r"pick up \1"),
    (rf"^(?:{PICK})(?: up)? (.+)$", r"pick up \1"),
    (r"^(?:put|set|lay|place|drop|bring|take|move) (.+) down$", r"put \1 on the table"),
    (r"^(?:put|set|lay|place) down (.+)$", r"put \1 on the table"),
    (r"^(?:let go of|release|drop|ungrasp|let go|lay aside|set aside) (.+)$", r"put \1 on the table"),
    (rf"^(?:{PUT}) (.+)$", r"put \1"),
    (r"^put (.+) up (on|in) (.+)$", r"put \1 \2 \3"),
    (rf"^(?:{PUT}|put) (.+) (?:back|down|over) (in|on|into|onto|to|inside|next to|beside|behind|left of|right of) (.+)$",
     r"put \1 \2 \3"),
    (rf"^(?:{PUT}|put) (.+?) (?:inside|in there|in|there|into)$", r"put \1 in it"),
    (rf"^(?:{PUT}|put) (.+?) (?:on top|on there|on)$", r"put \1 on it"),
    (r"^put (.+) from (?:the )?(?:\w+ )?\w+ (to|into|in|on|onto) (.+)$", r"put \1 \2 \3"),
    (r"^put (in|on|into|onto|inside|behind|next to|beside) (the \w+(?: \w+)?) (the .+)$", r"put \3 \1 \2"),
    (rf"^(?:{PUT}|put) ((?:in|on|into|onto|inside|next to|beside|behind|on top of) .+)$", r"put it \1"),
    (r"^(?:in|into|inside) (.+?) (?:put|place) (.+)$", r"put \2 in \1"),
    (r"^on (.+?) (?:put|place) (.+)$", r"put \2 on \1"),
    (r"^(.+?) (?:goes|go|belongs|belong|should go|should be|must be|must go|has to be|needs to be|needs to go|is|are) "
     r"((?:in|on|into|onto|inside|behind|next to|beside|left of|right of|to the|on top of|in front of) .+)$", r"put \1 \2"),
    (r"^(?:is|are|be|get|have|keep|make) ?(.+) (?:opened|open)$", r"open \1"),
    (r"^(.+?) (?:is|are|should be|must be|needs to be|has to be|be|stays|stay) (?:opened|open)$", r"open \1"),
    (r"^(.+?) (?:is|are|should be|must be|needs to be|has to be|be|stays|stay) (?:closed|shut)$", r"close \1"),
    (r"^(the .+?) (?:opened|open)$", r"open \1"),
    (r"^(the .+?) (?:closed|shut)$", r"close \1"),
    (r"^(?:have|get|keep|make|push|slide) (.+) (?:closed|shut|close|in|back in)$", r"close \1"),
    (r"^(?:slam|seal|push in|slide in|slam shut|shut|push shut|push close|close up) (.+)$", r"close \1"),
    (r"^(?:slide|draw|yank|pull|open up|slide out|pull open|draw open|unlock|unclose) (?:out )?(.+?)(?: out| open)?$", r"open \1"),
    (r"^(?:grasp|grab|take|hold|pull|use) (?:the )?(?:handle of the )?(drawer|[\w ]+ drawer)(?: handle)?$", r"open the \1"),
    (r"^(?:click|poke|punch|push down|press down|push down on|press on|push on|depress|activate|trigger|hit|tap|touch|use|toggle) (?:on )?"
     r"(.+?)(?: down)?$", r"press \1"),
    (r"^(?:go|return|move|come|drive|retreat|travel|get)(?: yourself| the arm| your arm| the robot| the gripper)?(?: back)?(?: to)? "
     r"(?:the |your )?(?:home|start|starting|rest|resting|neutral|initial|safe|park)(?: position| pose)?$", r"move the arm home"),
    (r"^(?:home|go back|relax|rest|park|reset your arm|home the arm|retract|park the arm|reset the arm)$", r"move the arm home"),
    (r"^(?:stack|pile|mount|balance|perch) (.+?) (?:on|onto|on top of|atop|upon|over) (.+)$", r"stack \1 on \2"),
    (r"^(.+?) on top of (.+)$", r"stack \1 on \2"),
)  # fmt: skip
"""A shape of clause → the same in the words of the skills. Used only where the clause itself matches no skill's sentence."""

LIGHT = re.compile(
    r"^(?:turn|switch|put|make|set|get|have|flip) (on|off) (?P<a>.+)$"
    r"|^(?:turn|switch|put|make|set|get|flip|have) (?P<b>.+?) (on|off|dark|lit|bright)$"
    r"|^(?P<c>.+?) (?:is|should be|must be|are|be) (on|off|dark|lit)$|^(light|illuminate|extinguish|darken|dim)(?: up)? (?P<d>.+)$"
    r"|^(?P<e>lights?|lamp|led) (on|off)$"
)
LIGHTS = ("light", "led", "lamp")
REMOVE = re.compile(
    r"^(?:take|remove|withdraw|tug|get|bring|pull|unload|unstack|clear|move|slide|push|lift|fetch|extract|retrieve|empty|put) (.+?)"
    r"(?: back)? (?:out of|off of|off|out from|from within|from|away from|outside of|out) (.+)$"
)
ASIDE = re.compile(
    r"^(?:unstack|take off|remove|take out|get out|clear away|take down|unload) (.+)$|^(?:take|get|pull) (.+) (?:off|out|down)$"
)
EMPTY = re.compile(
    r"^(?:empty|empty out|clear out|clear|unload|take everything out of|take all out of)(?: everything from)? (.+?)(?: out)?$"
)
BESIDE = re.compile(
    rf"^(?:{PUT}|put) (.+?)(?: over)?(?: a bit| a little| further)? (?:to |towards? )?(?:the )?"
    r"(left|right|front|back|forward|backward|side)s?$"
)
TIDY = re.compile(r"^(?:clean|clear|tidy)(?: up)?(?: the)?(?: table| desk| place| workspace| everything| blocks| mess)?(?: up)?$")
MATCH = re.compile(
    r"^(?:put|place|move|drop|sort|bring|arrange|match|set|get|throw)(?: up)? (.+?) ?(?:(in|into|on|onto|to|with|inside|by)(?: .*?)?"
    r"(?:same|matching|corresponding|respective|own|like|colour|right|its|their)(?:.*?)( bowls?| blocks?| dish(?:es)?| colours?)?.*)$"
)


HOMES = {"bowl": "bowl", "dish": "bowl", "drawer": "drawer", "zone": "zone", "area": "zone"}


def paraphrases(text: str, talk: Talk, grammar: Grammar) -> Iterator[Reading]:
    """Other readings of a clause, likeliest first."""
    for reader in (light, tower, taken_down, matching, tidy, empty, removal, aside, beside, where_to, swap):
        if (reading := reader(text, talk, grammar)) is not None:
            yield reading
    for pattern, words in ALWAYS:
        changed = re.sub(pattern, words, text)
        reading = None if changed == text else grammar.match(changed, talk) or removal(changed, talk, grammar)
        if reading is not None:
            yield reading
    reading = grammar.match(re.sub(r"\b(on top of|on|onto|upon|at)\b", "in", text), talk)
    if isinstance(reading, list) and all(talk.scene.find(clause.things[-1]).kind == "bowl" for clause in reading):
        yield reading


def times_of(text: str) -> tuple[str, int]:
    """ "press the button three times" → ("press the button", 3)"""
    for words, count in sorted(TIMES.items(), key=lambda item: -len(item[0])):
        if text.endswith(" " + words):
            return text[: -len(words) - 1].strip(), count
        if text.startswith(words + " "):
            return text[len(words) + 1 :].strip(), count
    return text, 1


def light(text: str, talk: Talk, grammar: Grammar) -> Reading | None:
    """ "turn on the light": press its button, if it is dark; a lamp with a skill of its own is turned on by that."""
    if re.fullmatch(r"(make|get) it dark", text):
        text = f"turn off the {shining(talk.scene, 'lit')}"
    elif re.fullmatch(r"(make|get) it (bright|light)", text):
        text = f"turn on the {shining(talk.scene, 'dark')}"
    text = re.sub(r"^(?:press|push|toggle|use|hit|click|move|tap)\b.*? to (?=(?:turn|switch) )", "", text)
    if found := re.match(r"^(?:toggle|flip|switch|press|push|change) (.+)$", text):
        ref = refer(found[1].split(), talk)
        one = ref.names[0] if ref and len(ref.names) == 1 and ref.mode == "one" else None
        if one in talk.scene.names("button"):
            return grammar.match(f"press the {one}", talk)
        if one in talk.scene.names("light", "led") and (button := button_of(str(one), talk.scene)):
            return grammar.match(f"press the {button}", talk)
    if not (found := LIGHT.match(text)):
        return None
    what = next(part for name, part in found.groupdict().items() if part)
    on = bool({"on", "lit", "bright", "light", "illuminate"} & {part for part in found.groups() if part not in (None, what)})
    ref = refer(what.split(), talk)
    lights = talk.scene.names(*LIGHTS)
    if ref is None:
        return None
    named = [name for name in ref.names if name in lights]
    if not named and ref.mode == "it":
        named = lights
    if not named and any(talk.scene.find(name).kind == "button" for name in ref.names) and ref.mode != "it":
        named = lights
    if not named:
        if set(what.split()) & {"light", "lights", "lamp", "led", "bulb"}:
            return unknown(Ref(what, ()), next(iter(grammar.library)), talk)
        return None
    if len(named) > 1 and ref.mode not in ("it", "all"):
        return Doubt("ask", f"Which light do you mean? There are {listed(f'the {name}' for name in named)}.", tuple(named), what, 4)
    clauses: list[Clause] = []
    for name in named if ref.mode == "all" else named[:1]:
        own = grammar.match(f"turn {'on' if on else 'off'} the {name}", talk)
        if isinstance(own, list):
            clauses += own
            continue
        button = button_of(name, talk.scene)
        reading = grammar.match(f"press the {button}", talk) if button else None
        if not isinstance(reading, list):
            return Doubt("none", f"I cannot switch the {name}: I know of no button that does it.", rank=2)
        clauses.append(replace(reading[0], goal=("lit" if on else "dark", name)))
    return clauses


def shining(scene: Scene, state: str) -> str:
    """What "make it dark" is about: the light that is lit (or dark), if there are several."""
    return next((name for name in scene.names(*LIGHTS) if scene.has(state, name)), "light")


def button_of(light_name: str, scene: Scene) -> str | None:
    """The button that switches a light: the only one, else the one standing nearest to it."""
    here = scene.find(light_name).position
    buttons = [scene.find(name) for name in scene.names("button")]
    near = min(buttons, key=lambda thing: sum((a - b) ** 2 for a, b in zip(thing.position, here, strict=True)), default=None)
    return near.name if near else None


def matching(text: str, talk: Talk, grammar: Grammar) -> Reading | None:
    """ "put the blocks in the bowls of the same colour": each with its own."""
    if not (found := MATCH.match(text)) or not re.search(
        r"\b(same|matching|corresponding|respective|own|colour|colours|like|its|their)\b", text
    ):
        return None
    ref = refer(found[1].split(), talk)
    kinds = [kind for word, kind in HOMES.items() if word in text] or ["bowl"]
    if ref is None or not ref.names:
        return None
    clauses: list[Clause] = []
    alone = []
    for name in ref.names:
        if talk.scene.find(name).kind in (*kinds, "table", "button", "light", "drawer"):
            continue
        colours = {word for word in name.split() if word in COLOUR}
        homes = [home for home in talk.scene.names(*kinds) if colours & set(home.split())]
        reading = grammar.match(f"put the {name} in the {homes[0]}", talk) if homes else None
        if isinstance(reading, list):
            clauses += [replace(clause, loose=bool(clauses)) for clause in reading]
        else:
            alone.append(name)
    if alone:
        there = listed(f"the {name}" for name in alone)
        return Doubt(
            "ask",
            f"There is no {kinds[0]} of the same colour for {there}. What shall I do with it?",
            tuple(talk.scene.names(*kinds)),
            rank=3,
        )
    return clauses or None


def removal(text: str, talk: Talk, grammar: Grammar) -> Reading | None:
    """ "take the red block out of the drawer": onto the table with it."""
    if not (found := REMOVE.match(text)):
        return None
    what, place = found[1], refer(found[2].split(), talk)
    if bare(found[2]) in ("stack", "tower", "pile"):
        place = Ref(found[2], tuple(talk.scene.names("block")), "all")
    if place is None:
        return None
    scene = talk.scene
    inside = talk.within(place.names)
    if not place.names:
        return unknown(place, next(iter(grammar.library)), talk)
    if not inside:
        return Doubt("ask", f"There is nothing in or on the {bare(found[2])}. What shall I take?", tuple(scene.names("block")), what, 3)
    base = refer(what.split(), talk)
    if base is None:
        return None
    names = sorted((name for name in base.names if name in inside), key=lambda name: bool(talk.within([name])))
    if base.names and not names:
        held = listed(f"the {name}" for name in inside)
        return Doubt("ask", f"The {bare(what)} is not in or on the {bare(found[2])}; {held} is. What shall I take?", inside, what, 3)
    if len(names) > 1 and base.mode == "one":
        there = listed(f"the {name}" for name in names)
        return Doubt("ask", f"Which one is '{what}'? There are {there}.", tuple(names), what, 4)
    if not names:
        return unknown(base, next(iter(grammar.library)), talk)
    chosen = names if base.mode == "all" else names[: base.count]
    return to_table(chosen, talk, grammar)


def aside(text: str, talk: Talk, grammar: Grammar) -> Reading | None:
    """ "unstack the red block", "take it off" """
    if not (found := ASIDE.match(text)) or (ref := refer((found[1] or found[2]).split(), talk)) is None:
        return None
    off_table = [thing.name for thing in talk.scene.things if thing.kind != "table"]
    away = [name for name in ref.names if name in talk.within(off_table)]
    if ref.mode == "it":
        away = away[:1]
    if not away or (len(away) > 1 and ref.mode in ("one", "unclear")):
        return None
    return to_table(away if ref.mode == "all" else away[: ref.count], talk, grammar)


def empty(text: str, talk: Talk, grammar: Grammar) -> Reading | None:
    """ "empty the drawer": everything out of it. Nothing to do where it is empty already."""
    if not (found := EMPTY.match(text)) or (ref := refer(found[1].split(), talk)) is None:
        return None
    places = [name for name in ref.names if talk.scene.find(name).kind in ("bowl", "drawer", "bay")]
    if len(places) > 1 and ref.mode == "one":
        there = listed(f"the {name}" for name in places)
        return Doubt("ask", f"Which one is '{found[1]}'? There are {there}.", tuple(places), found[1], 4)
    inside = list(talk.within(places))
    if places and not inside:
        return Doubt("none", f"There is nothing in the {bare(found[1])}, so there is nothing to take out.", rank=3)
    return to_table(inside, talk, grammar) if inside else None


def tidy(text: str, talk: Talk, grammar: Grammar) -> Reading | None:
    """ "tidy up": where to?"""
    if not TIDY.match(text):
        return None
    places = tuple(talk.scene.names("bowl", "drawer"))
    return Doubt("ask", "Where shall I put the blocks?", places, "there", 4, sentence="put all the blocks in there")


def beside(text: str, talk: Talk, grammar: Grammar) -> Reading | None:
    """ "push the red block to the left": of what?"""
    if not (found := BESIDE.match(text)) or not (ref := refer(found[1].split(), talk)) or len(ref.names) != 1:
        return None
    relation = {"left": "left of", "right": "right of", "front": "in front of", "forward": "behind", "side": "next to"}.get(
        found[2], "behind"
    )
    others = tuple(name for name in talk.scene.names("block", "bowl") if name not in ref.names)
    sentence = f"put the {ref.names[0]} {relation} there"
    question = f"I can put the {ref.names[0]} {relation} another thing, not just anywhere on that side. {relation.capitalize()} what?"
    return Doubt("ask", question, others, "there", 4, sentence=sentence)


def where_to(text: str, talk: Talk, grammar: Grammar) -> Reading | None:
    """ "move the red block": where to?"""
    found = re.match(rf"^(?:{PUT}|put) (.+)$", text)
    ref = refer(found[1].split(), talk) if found else None
    if found is None or ref is None or not ref.names or ref.mode == "all":
        return None
    pick = grammar.match(f"pick up {found[1]}", talk)
    if not isinstance(pick, list):
        return pick
    name = pick[0].things[0]
    places = tuple(talk.scene.names("bowl", "drawer", "table"))
    return Doubt("ask", f"Where shall I put the {name}?", places, "there", 3, sentence=f"put the {name} to there")


def swap(text: str, talk: Talk, grammar: Grammar) -> Reading | None:
    """ "swap a and b": each to where the other lies; the first waits on the table meanwhile."""
    found = re.match(r"^(?:swap|exchange|switch)(?: (?:the )?(?:places|positions) of)? (.+?) (?:and|with|for) (.+)$", text)
    if not found:
        return None
    refs = [refer(part.split(), talk) for part in found.groups()]
    names = [ref.names[0] for ref in refs if ref and len(ref.names) == 1]
    homes = [home for name in names for home in talk.scene.where(name, "in")]
    if len(names) == 2 and len(homes) == 2 and homes[0] != homes[1]:
        onto_table = to_table(names[:1], talk, grammar)
        across = grammar.match_all((f"put the {name} in the {home}" for name, home in zip(names[::-1], homes, strict=True)), talk)
        if not isinstance(onto_table, list) or not isinstance(across, list):
            return across if isinstance(onto_table, list) else onto_table
        return [*onto_table, *across]
    return Doubt("ask", "I can swap what lies in two places, like zones or bowls. Otherwise tell me where each of them goes.", rank=3)
