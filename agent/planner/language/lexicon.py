"""Words: how English sentences about a tabletop are brought to one spelling before they are compared with what skills say."""

import re
import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COLOURS = {
    "red": "crimson scarlet ruby maroon cherry reddish",
    "green": "emerald lime olive greenish",
    "blue": "azure navy cobalt indigo sapphire bluish",
    "yellow": "golden lemon yellowish gold",
    "orange": "tangerine",
    "purple": "violet lilac magenta lavender",
    "pink": "rose",
    "white": "",
    "black": "",
    "grey": "gray silver",
    "brown": "tan",
    "cyan": "turquoise teal",
}
COLOUR = {word: colour for colour, words in COLOURS.items() for word in [colour, *words.split()]}

KINDS = {
    "block": "cube brick box cuboid square die block",
    "bowl": "dish basin pot cup container plate vessel bowl",
    "drawer": "tray compartment drawer",
    "button": "key buzzer switch push-button button",
    "light": "led lamp bulb lightbulb light",
    "lamp": "lantern light bulb lamp",
    "lid": "cover hatch lid",
    "bay": "slot bin cubby bay",
    "lever": "tumbler lever",
    "knob": "dial selector knob",
    "bar": "stick rod beam plank bar",
    "cylinder": "tube roller drum can cylinder",
    "prism": "wedge triangle prism",
    "L": "corner ell angle bracket l-shape",
    "zone": "area region field patch zone",
    "peg": "post pin pole peg",
    "ring": "hoop ring",
    "fixture": "jig template mould fixture",
    "cup": "mug goblet tumbler beaker cup",
    "tray": "platter tray",
    "beads": "balls marbles pearls bead beads",
    "sponge": "scrubber brush sponge",
    "table": "tabletop desk surface counter workbench worktop floor table",
}
"""Words that may stand for a kind of thing; used only where no thing of the scene is called so itself."""
SIZE = {"big": "large", "huge": "large", "bigger": "large", "little": "small", "tiny": "small", "smaller": "small"}
GENERIC = words("thing object item one piece toy")

DETERMINERS = words("the a an this that these those my your our its their any some one's of whichever whatever")
ALL = words("all every each both everything")
NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "couple": 2, "pair": 2}
TIMES = {
    "once": 1,
    "twice": 2,
    "thrice": 3,
    **{f"{word} times": n for word, n in NUMBERS.items()},
    **{f"{n} times": n for n in range(1, 10)},
}
PRONOUNS = words("it this that")
PLURAL_PRONOUNS = words("them they these those")

RELATIONS = {
    "in": ("in", "into", "inside", "inside of", "within", "in to", "down into", "down in"),
    "on": ("on", "onto", "on top of", "upon", "atop", "atop of", "over", "on to", "above"),
    "left of": ("left of", "to the left of", "on the left of", "to the left side of", "on the left side of", "at the left of",
                "left from", "to the left-hand side of", "on the left-hand side of", "just left of"),
    "right of": ("right of", "to the right of", "on the right of", "to the right side of", "on the right side of", "at the right of",
                 "to the right-hand side of", "on the right-hand side of", "just right of"),
    "in front of": ("in front of", "to the front of", "at the front of", "ahead of", "on the front of", "on the near side of"),
    "behind": ("behind", "in back of", "to the back of", "at the back of", "back of", "on the back of", "past",
               "on the far side of", "beyond"),
    "next to": ("next to", "beside", "near", "near to", "by", "close to", "alongside", "adjacent to", "to the side of", "besides", "at",
                "right by"),
}  # fmt: skip
RELATION = {tuple(w for w in phrase.split() if w != "the"): value for value, phrases in RELATIONS.items() for phrase in phrases}
LONGEST_RELATION = max(map(len, RELATION))

POLITE = (
    "could you please|can you please|would you please|will you please|could you|can you|would you mind|would you|will you|"
    "i would like you to|i want you to|i need you to|i would like to|i want to|i would like|i want|i need|let us|let's|please|kindly|"
    "hey robot|hi robot|hello robot|dear robot|robot|hey there|hey|hi|hello|okay|ok|alright|just|simply|go ahead and|try to|"
    "for me|if you can|if possible|thank you|thanks|carefully|gently|slowly|quickly|softly|right now|immediately|"
    "make sure that you|make sure that|make sure to|make sure|ensure that|ensure|see to it that|see that|check that|be so kind as to|"
    "be so kind and|your task is to|the task is to|you should|you must|you have to|you need to|i'd like you to|do not forget to|"
    "remember to|so|um|uh|very|really|again|all the way|completely|fully|entirely|tell me|do you know|if needed|"
    "if necessary|if you have to|would you be so kind as to|be so kind as to|it would be great if you could|your job is to|"
    "if (?:it is|they are) not (?:\\w+ )?(?:already|yet)"
)
SPELLINGS = {
    "don't": "do not", "dont": "do not", "can't": "can not", "cannot": "can not", "won't": "will not", "i'd": "i would", "let's": "let us",
    "doesn't": "does not", "it's": "it is", "isn't": "is not", "shouldn't": "should not", "what's": "what is", "where's": "where is",
    "pls": "please", "plz": "please", "&": "and", "+": "and", "u": "you", "thx": "thanks",
}  # fmt: skip

BEYOND = words(
    "cut slice chop cook boil fry bake eat drink fly jump walk run drive swim sing dance break smash crush destroy burn melt paint "
    "draw write read wash clean wipe vacuum sweep fold bend tear rip throw kick punch catch juggle spin rotate twist flip shake "
    "pour fill stir sleep buy sell order call send phone email google play speak talk whistle kiss hug kill attack hurt explode "
    "unscrew screw hammer nail sew knit iron charge plug unplug dismantle repair fix build weld solder glue hide copy clone shrink "
    "grow teleport levitate vanish swallow roll slide sharpen inflate freeze heat warm cool water feed polish dust mop scrub dry"
)
"""Verbs people do use. Where no skill speaks of them, the answer is that it cannot be done, rather than that it was not understood."""

FUNCTION = words(
    "and then after before that first next finally lastly also too once when if not no never but except instead actually wait "
    "rather use do to from off out of up down is are be should must open closed shut lit dark pressed on in with at as well other "
    "rest remaining same matching corresponding respective colour color coloured colored their own bottom top leftmost rightmost "
    "nearest closest farthest furthest biggest smallest largest tallest together tower stack pile without touching moving leave "
    "alone where what which who how many you see here there nothing back away undo continue go stop yes yeah yep nope keep it them "
    "they both all every each everything until while sure make ensure turn switch put place set drop move take remove get bring "
    "pick grab lift empty unstack second third secondly thirdly firstly afterwards afterward inside into onto apart sort swap "
    "exchange handle knob middle centre center cap left right front behind beside near ones blocks cubes bowls drawers buttons "
    "lights lamps things objects items release hold push pull press touch said mean meant want anything something else than toward "
    "towards size forget skip step the a an this these those one two three four times twice held holding hand gripper stacked lying "
    "standing sitting grasped gripped carried i me has have needs need for goes belongs or my"
)


COURTESY = ("please", "could", "would", "thank", "thanks")


def plain(text: str) -> str:
    """Lower case, ASCII quotes, contractions written out, no accents, polite words without slips."""
    text = unicodedata.normalize("NFKD", text).replace("’", "'").replace("‘", "'").replace("`", "'")
    text = "".join(c for c in text if not unicodedata.combining(c)).lower()
    words = re.split(r"(\s+|[,.;:!?()\"])", text)
    words = [next((kind for kind in COURTESY if word != kind and swapped(word, kind)), word) for word in words]
    text = "".join(SPELLINGS.get(word, word) for word in words)
    text = re.sub(r"\b(that|there|this|he|she|everything)'s\b", r"\1 is", text)
    return re.sub(r"\bcolou?r(ed)?\b", "colour", text)


def tokens(text: str) -> list[str]:
    """Words and the marks that part clauses: ["open", "the", "drawer", ",", "then", …]; polite words are gone."""
    text = plain(text).replace("left-most", "leftmost").replace("right-most", "rightmost")
    text = re.sub(r"(?:^|(?<=\s))\(?\d+[.):]\s+", " ; ", text)
    text = re.sub(r"[.;:!?\n]+|\s+-+\s+|—|–", " ; ", text)
    text = re.sub(rf"(?<![\w'])({POLITE})(?![\w'])", " ", text)
    found = re.findall(r"[^\W_]+(?:['-][^\W_]+)*|[,;]", text)
    marked: list[str] = []
    for token in found:
        if (token in ",;" and (not marked or marked[-1] in ",;")) or (token == "and" and marked[-1:] == ["and"]):
            continue
        if token == "and" and marked[-2:] == ["and", ","]:
            marked.pop()
            continue
        marked.append(token)
    while marked and marked[-1] in ",;":
        marked.pop()
    return marked


def mend(word: str, known: Iterable[str]) -> str:
    """The known word that this is a slip of the finger for, else the word itself."""
    known = list(known)
    if len(word) < 3 or word in known or not word.isascii() or not word.isalpha():
        return word
    if len(word) == 3:
        known = [other for other in known if sorted(other) == sorted(word) or (other in COLOUR and other[:3] == word and len(other) == 4)]
    close = [(closeness(word, other), other) for other in known if abs(len(other) - len(word)) <= 2 and len(other) >= 3]
    best = max(close, default=(0.0, word))
    return best[1] if best[0] >= 0.78 else word


def closeness(a: str, b: str) -> float:
    """Likeness of two words from 0 to 1. One slip (a letter changed, missing, doubled, or two swapped) in a word of four is close enough;
    a changed first letter is not, as it mostly makes another word (bold, fold, hold)."""
    if a[0] != b[0]:
        return 0.0
    if sorted(a) == sorted(b) and sum(x != y for x, y in zip(a, b, strict=True)) == 2:
        return 0.95
    ratio = SequenceMatcher(None, a, b).ratio()
    return ratio if abs(len(a) - len(b)) == 1 or (len(a) >= 5 and ratio >= 0.8) else 0.0


def swapped(a: str, b: str) -> bool:
    """The same word but for two letters that changed places."""
    return len(a) == len(b) and sorted(a) == sorted(b) and sum(x != y for x, y in zip(a, b, strict=True)) == 2


def singular(word: str) -> str:
    if word.endswith(("ss", "us")) or len(word) < 4:
        return word
    if word.endswith(("xes", "shes", "ches", "sses")):
        return word[:-2]
    return word[:-1] if word.endswith("s") else word


def without_ing(word: str, known: Iterable[str]) -> str:
    """opening → open, putting → put, closing → close, if that is a known word."""
    if not word.endswith("ing") or len(word) < 6:
        return word
    stem, known = word[:-3], set(known)
    return next((base for base in (stem, stem + "e", stem[:-1]) if base in known), word)


def listed(names: Iterable[str], last: str = "and") -> str:
    """ "a, b and c" """
    names = list(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}" if len(names) > 1 else "".join(names)
