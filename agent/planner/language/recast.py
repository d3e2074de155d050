"""Sentences that say the same another way round, turned into orders before they are read: "the red block should be put in the bowl",
"in the bowl, put the red block", "I would like to see the drawer open", "it is too dark in here"."""

import re
from collections.abc import Callable

from agent.planner.language.lexicon import COLOUR, NUMBERS, RELATION

IRREGULAR = {
    "put": "put", "set": "set", "shut": "shut", "taken": "take", "brought": "bring", "held": "hold", "found": "find", "hidden": "hide",
    "thrown": "throw", "gotten": "get", "laid": "lay", "swept": "sweep", "slid": "slide", "spun": "spin", "built": "build", "drawn": "draw",
    "stuck": "stick", "kept": "keep", "given": "give", "driven": "drive", "sent": "send", "fed": "feed", "tidied": "tidy",
}  # fmt: skip
PLAIN = ("press", "push", "stack", "open", "turn", "lift", "insert", "cover", "uncover", "align", "pour", "sort", "clear", "deposit",
         "toss", "transfer", "gather", "load", "unload", "collect", "fetch", "pick", "flip", "switch")  # fmt: skip
"""Stems that take no e."""
PARTICLES = {"turn": ("on", "off"), "switch": ("on", "off"), "pick": ("up",), "lift": ("up",), "put": ("away", "down"), "stand": ("up",)}
VERBS = "put|place|move|set|bring|stack|drop|push|slide|lay|take|get|pour|insert"
ORDINAL = {"first": 1, "second": 2, "third": 3}
WHERE = sorted({*(" ".join(words) for words in RELATION), "out of", "from", "between"}, key=len, reverse=True)
PLACE = f"(?:{'|'.join(re.sub(r' (?=left|right|near|far|back|front|side)', ' (?:the )?', words) for words in WHERE)})"
"""A relation as it is spoken."""
WANTED = r"(?:should|must|shall|ought to|has to|have to|needs to|need to|is to|are to|is supposed to|could|can)"
PASSIVE = re.compile(
    rf"^(?P<what>.+?) {WANTED}(?: each| all| both| now| then)* be (?P<verb>\w+ed|{'|'.join(IRREGULAR)})(?P<rest>(?: .*)?)$"
)
FRONTED = re.compile(
    rf"^(?P<place>{PLACE} [^;,]+?) (?:, )?(?P<verb>{VERBS}) (?P<what>[^;]+?)(?P<more> ,? ?and (?:in|on|into|onto) [^;]+)?$"
)
BY_NAME = re.compile(r"^(?:somewhere )?there is (.+?) , (?:and )?(.*\bit\b.*)$")
THEREFORE = re.compile(r"^((?:the|that|a) [^,]+?) is (?:in|on|under|behind|hidden) ?[^,]* , (.*\bit\b.*)$")

Order = str | Callable[[re.Match[str]], str]
SHAPES: tuple[tuple[str, Order], ...] = (
    (r"\b(\w+)-colour\b", r"\1"),
    (rf"\b(\w+) (?:that|which) is ({'|'.join(COLOUR)})\b", r"\2 \1"),
    (r"\bsliding lid\b", "lid"),
    (r"\b(bay|bin|slot|cubby|peg|post|pin|pole)(?: that is)? (?:on|to|at) the (left|right|middle)(?! side| hand)(?! of)\b", r"\2 \1"),
    (r"\b(?:in between|halfway between|half way between|in the middle between|in the middle of(?= .+ and ))\b", "between"),
    (r" (?:along the table(?: top)?|without lifting it|where it stands|where it is|by sixty degrees|on the spot|under the lid|"
     r"with the lever)\b", ""),
    (r"^(?:push|shove|slide|nudge) (.+?) (?:towards|toward|to) (.+?) until they touch$", r"push \1 against \2"),
    (r"^(push|shove|slide|nudge) (.+?) until it is (in|inside|out of|outside) (.+)$",
     lambda m: f"push {m[2]} {'into' if m[3].startswith('in') else 'out of'} {m[4]}"),
    (r"^(push|shove|slide|nudge) (.+?) (?:in|inside) (.*(?:zone|area|patch|region|field))$", r"push \2 into \3"),
    (r"^(push|shove|slide|nudge) (.+?) from (.*(?:zone|area|patch|region|field))$", r"push \2 out of \3"),
    (r"^(?:pick up|lift|grab) (.+?) and (?:put|set|place|bring) it outside (.+)$", r"take \1 out of \2"),
    (r"^(take|get|remove|move|fetch) (.+) and (?:put|set|place|bring) it (?:somewhere else|elsewhere)$", r"take \2"),
    (r"^(?:put|set|place|move|bring|lay) (.+?) outside (?:of )?(.+)$", r"take \1 out of \2"),
    (r"^(?:hold|lift|raise) (.+) in the air$", r"pick up \1"),
    (r"^(.+?) (?:is|goes|parallel to) ?parallel to (.+)$|^((?:the |that )?\w+(?: \w+)?) parallel to (.+)$",
     lambda m: f"align {m[1] or m[3]} with {m[2] or m[4]}"),
    (r"^(?:set|put|place|stand) (.+?) on (?:its|the) (?:end|short side)$", r"stand \1 up"),
    (r"^stow (.+?) (into|in|inside) ", r"put \1 \2 "),
    (r"\ba (?:little|bit)(?: further)? (?:to the )?(?=left|right|away|near)", ""),
    (r"\boutwards?$", "away"),
    (r"\binwards?$", "near"),
    (r"^give (.+?) a (?:push|shove|nudge) (?:to the )?(.+)$", r"push \1 \2"),
    (r"\b(?:mark|position) (one|two|three)\b", lambda m: f"mark {NUMBERS[m[1]]}"),
    (r"\b(?:the )?(first|second|third) (?:mark|position)\b", lambda m: f"mark {ORDINAL[m[1]]}"),
    (r"\b(?:counter-?clockwise|anti-?clockwise|counter clockwise|against the clock)\b", "to the left"),
    (r"\bclockwise\b", "to the right"),
    (r"\b(?:towards|toward|closer to|nearer to) (?:you|yourself|the robot|the base)\b", "near"),
    (r"^(?:push|shove|flick|move|throw) (the )?(lever|tumbler) (?:away(?: from you)?|forwards?|to the back)$", r"flip \1\2 up"),
    (r"^(?:pull|push|flick|move|throw) (the )?(lever|tumbler) (?:near|towards you|backwards?|to the front)$", r"flip \1\2 down"),
    (r"^(?:push|press|pull|flick) (up|down) (.*(?:lever|tumbler))$", r"flip \2 \1"),
    (r"^(up|down) with (.*(?:lever|tumbler))$", r"flip \2 \1"),
    (r"^(?:get|let|have|make) (.*(?:lever|tumbler)) (?:to )?be (up|down)$", r"flip \1 \2"),
    (r"^(?:let |get |make )?(.+?) (?:should |must |to )?(?:stand|be) (?:upright|vertical|on end|on its end)$", r"stand \1 up"),
    (r"^(?:let |get |make )?(.+?) (?:should |must |to )?(?:lie|be) (?:flat|horizontal|on its side)$", r"lay \1 down"),
    (r"\b(knob|dial|selector) (to|at|on) ([123])$", r"\1 \2 mark \3"),
    (r"^down with (.+)$", r"put \1 on the table"),
    (r"^((?:the |that )?(?:knob|dial|selector))(?: should show| should be| belongs)? ?(?:to|at|on)? (mark \d)$", r"turn \1 to \2"),
    (r"^(?:to|at) (mark \d) with (.+)$", r"turn \2 to \1"),
    (r"^(?:turn|rotate|twist|dial|spin|set) (.+?) (?:until it (?:is|shows|points)(?: to| at)?) (mark \d)$", r"turn \1 to \2"),
    (r"^(?:to|on) the (left|right) with (.*\blid)$", r"slide \2 to the \1"),
    (r"^(?:the )?(lid) belongs (?:on|to|at) the (left|right)$", r"slide the \1 to the \2"),
    (r"^(?:shift|drag|get) (the )?(lid) (?:over )?to", r"slide \1\2 to"),
    (r"^(?:shift|drag|get|move|push|pull) (the )?(lid) (?:off|away from) ", r"uncover "),
    (r"^(?:shift|drag|get|move|push|pull|slide) (the )?(lid) (?:over|onto|on) (?!to)", r"cover "),
    (r"^(?:make|build) a bridge (?:with|of) (.+?) (?:over|across|on) (.+ and .+)$", r"put \1 across \2"),
    (r"^((?:the |a )?\w+ \w+) (?:over|across|athwart) (.+ and .+)$", r"put \1 across \2"),
    (r"^(empty .+?) (?:and|by) (?:put|place|set|move|bring)\w* (?:all|everything)(?: that is)?(?: in it)? "
     r"(?:in|on|onto|on top of) the table(?: top)?$", r"\1"),
    (r"^((?:push|shove|nudge|slide) .+) (?:away from (?:you|yourself|the robot)|forwards?|to the far side|further away)$", r"\1 away"),
    (r"^((?:push|shove|nudge|slide) .+) (?:backwards?|closer|nearer|to the near side)$", r"\1 near"),
    (r"\b(?:on top of|onto|on|upon|over|to|at) ((?:the |a )?(?:\w+ )?(?:zone|area|patch|region|field|tray|platter))\b", r"in \1"),
    (r" (?:in a row|in succession|one after the other)$", ""),
    (r",? from (?:the )?bottom to (?:the )?top$", ""),
    (r"^(?:let me see you|time to|feel free to|how about you) (.+)$", r"\1"),
    (r"^see (.+)$", r"\1"),
    (r"^(?:get|let|have|make) (.+?) (?:to )?be (open|opened|closed|shut|on|off|lit|dark)$", r"\1 be \2"),
    (r"^(?:get|let|have) (.+?) (?:to )?be (\w+ed)(| .+)$", lambda m: f"{active(m[2])} {m[1]}{m[3]}"),
    (rf"^(?:make|let|have) (.+?) (?:to )?(?:stand|sit|rest|lie|be|go) ({PLACE} .+)$", r"put \1 \2"),
    (r"^let (.+?) have (.+)$", r"put \2 in \1"),
    (r"^let (.+?) (?:carry|bear|support) (.+)$", r"put \2 on \1"),
    (r"^fill (.+?) with (.+)$", r"put \2 in \1"),
    (r"^make (.+?) (close|open)$", r"\2 \1"),
    (r"^(?:make|let) (.+?) (?:light up|shine|glow)$", r"turn on \1"),
    (r"^(.+?) , (?:up|into the air)$", r"pick up \1"),
    (r"^what (?:should be )?in the air is (.+)$", r"pick up \1"),
    (r"^(out of|from|off) (.+?) with (.+)$", r"take \3 \1 \2"),
    (r"^with (.+) (?:in|inside) it , (close|shut) (.+)$", r"put \1 in \3 ; \2 \3"),
    (r"^hide (.+) (?:in|inside) (.+)$", r"put \1 in \2 ; close \2"),
    (rf"^(?:find|locate|look for|search for|hunt for|dig out) (.+?) ,? ?and (?:{VERBS}|transfer) it (.+)$", r"put \1 \2"),
    (r"\bdo the same (?:with|for|to) ", ""),
    (r"^give (.+?) a (?:push|press|tap)\b", r"press \1"),
    (r"^((?:the |a )?(?:\w+ )?(?:button|buzzer|push-button)) , (\w+(?: times)?)$", r"press \1 \2"),
    (r"^(?:the |your )?arm home$|^(?:back )?home with (?:the|your) arm$|^home is where (?:the|your) arm should go$", "move the arm home"),
    (r"^((?:the |that )?(?:\w+ )?(?:light|lamp|bulb|led)) (on|off)$", r"turn \2 \1"),
    (r"^(?:it is )?too dark(?: in)?(?: here)?$|^i can not see (?:a thing|anything)$|^(?:let )?there be light$|^make it bright$",
     "make it bright"),
    (r"^(?:it is )?too bright(?: in)?(?: here)?$|^save (?:some )?(?:electricity|energy|power)$|^(?:i )?sleep(?: now)?$", "make it dark"),
    (r"^you can rest(?: now)?$|^(?:we are (?:done|finished) , )?get into your resting (?:pose|position)$|^give me some room(?: to work)?$",
     "move the arm home"),
    (rf"^the (?:right )?(?:place|spot) (?:for|of) (.+?) is ({PLACE} .+)$", r"put \1 \2"),
    (rf"^(.+?) wants (.+?) ({PLACE}) it$", r"put \2 \3 \1"),
    (rf"^(.+?) (?:is hidden but )?belongs ({PLACE} .+)$", r"put \1 \2"),
    (r"^(.+?) is where (.+?) (?:lives|is kept|belongs|goes)$", r"put \2 in \1"),
    (r"^serve (.+)$", r"put \1"),
    (r"^(.+?) does not belong (?:in|into|inside) (.+)$", r"take \1 out of \2"),
    (r"^((?:the|that) .+?) without (the .+)$", r"take \2 out of \1"),
    (r"^(.+?) is in the way on (.+)$", r"take \1 off \2"),
    (r"^use (.+?) as (?:a|the) (?:stand|base|support) for (.+)$", r"stack \2 on \1"),
    (r"^show me (the .+)$", r"pick up \1"),
    (r"^(.+?) in your hand$|^(.+?) should leave the table$", lambda m: f"pick up {m[1] or m[2]}"),
    (r"^(?:give me access to|(?:i )?(?:need to )?reach into) (.+)$", r"open \1"),
    (r"^(.+?) has been open (?:for )?(?:too long|long enough)$|^do not leave (.+?) open$|^nobody should see what is in (.+)$",
     lambda m: f"close {m[1] or m[2] or m[3]}"),
    (r"^i do not (.+?) lying around , use (.+)$", r"put \1 in \2"),
    (r"^knock on (.+)$", r"press \1"),
    (r"^ring (\w+(?: times)?) with (.+)$", r"press \2 \1"),
)  # fmt: skip
"""Patterns over one part of a sentence, in lower case and with marks as words, and what they become; all are tried in turn. First other
ways to give an order, then what somebody says who tells what is wrong rather than what to do."""


def recast(text: str) -> str:
    """The sentence with each of its parts as an order; parts that are one already stay as they are."""
    text = re.sub(r" ,? ?which should (?:then )?(?:also )?be (\w+)", lambda found: f" ; {active(found[1])} it", text)
    text = re.sub(r"^make a (?:stack|tower) ; first (.+?) , then (.+?) , then (.+)$", r"build a tower of \1 , \2 and \3", text)
    text = re.sub(r"^from bottom to top ; ", "build a tower of ", text)
    return " ; ".join(part for segment in text.split(" ; ") for part in [ordered(segment.strip(" ,"))] if part)


def ordered(text: str) -> str:
    """One part."""
    for pattern, order in SHAPES:
        text = re.sub(pattern, order, text)
    if found := BY_NAME.match(text) or THEREFORE.match(text):
        return ordered(re.sub(r"\bit\b", found[1], found[2], count=1))
    if found := PASSIVE.match(text):
        return passive(found["what"], active(found["verb"]), found["rest"].strip())
    if found := FRONTED.match(text):
        return fronted(found)
    return text


def passive(what: str, verb: str, rest: str) -> str:
    """ "the lamp should be switched off" → "switch off the lamp"; "found and put in the bowl" → "find it and put it in the bowl"."""
    if more := re.match(rf"^(.*?),? ?and (.+ {WANTED}(?: then| also)? be .+)$", rest):
        return f"{passive(what, verb, more[1].strip())} ; {ordered(more[2])}"
    if more := re.match(r"^and (?:then )?(\w+) (.+)$", rest):
        return ordered(f"{verb} {what} and {active(more[1])} it {more[2]}")
    particle, _, beyond = rest.partition(" ")
    if particle in PARTICLES.get(verb, ()) and not beyond:
        return f"{verb} {particle} {what}"
    return f"{verb} {what.removeprefix('both ')} {rest}".strip()


def fronted(found: re.Match[str]) -> str:
    """ "in the bowl, put the red block" → "put the red block in the bowl", and so for what comes after an "and"."""
    more = re.sub(r"^ ,? ?and ", "", found["more"] or "")
    rest = found["what"].strip(" ,")
    order = f"{found['verb']} {rest} {found['place']}"
    if cut := re.match(r"^(.+?) ,? ?and then (.+)$", rest):
        order = f"{found['verb']} {cut[1]} {found['place']} ; {cut[2]}"
    return f"{order} ; {ordered(more)}" if more else order


def active(participle: str) -> str:
    """placed → place, stopped → stop, taken → take."""
    if participle in IRREGULAR or not participle.endswith("ed"):
        return IRREGULAR.get(participle, participle)
    stem = participle[:-2]
    if stem in PLAIN:
        return stem
    if stem.endswith(("c", "s", "g", "v", "z", "u", "at", "in", "ar", "or", "id")) and not stem.endswith("ss"):
        return stem + "e"
    return stem[:-1] if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "lsz" else stem
