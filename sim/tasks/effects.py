"""What each skill changes when it works, reckoned without physics: EFFECTS, which reckoning.py rolls forward.

Where on the table a thing is after it was put down or pushed can only be guessed, and how it is turned not at all: it is reckoned to be
where the oracle would put it, and gets the fact ("somewhere", thing).
"""

from collections.abc import Callable
from functools import partial
from math import cos, hypot, sin

from agent.types import Fact, Scene, Thing
from sim import fits, loose
from sim.oracle.clearance import apart
from sim.oracle.imagined import Refused
from sim.oracle.pushes import DIRECTIONS, to_leave
from sim.oracle.spots import Spot, across, find_spot, in_between, in_line
from sim.tasks.task import BESIDE

CARRIED_M = 0.2
CARRIERS = (*loose.HELD, *loose.HOLLOW)
"""Kinds of things that are clear while nothing is on or in them."""
PUSHED_M, PUSHED_EVENTS, TURNED_EVENTS = 0.12, 12, 13
"""How far a push goes, and what is told of a push and of a turn."""
MUTUAL = (*BESIDE, "touching")
"""Relations that end when either thing is moved."""
Args = dict[str, str]
SpotFor = Callable[[Scene, Thing, Thing, Thing], Spot]
OUT_M = {"open": 0.136, "closed": 0.0, "half open": 0.07}
"""How far a drawer is out."""
WAYS = {"left": (0.0, 1.0), "right": (0.0, -1.0), "away": (1.0, 0.0), "near": (-1.0, 0.0)}


def _with(scene: Scene, *added: Fact, without: tuple[Fact, ...] = ()) -> Scene:
    """With some facts more and some less."""
    return scene.model_copy(update={"facts": (*(fact for fact in scene.facts if fact not in without), *added)})


def _at(scene: Scene, name: str, x: float, y: float, z: float) -> tuple[Thing, ...]:
    """The things, with one of them somewhere else."""
    return tuple(item.model_copy(update={"position": (x, y, z)}) if item.name == name else item for item in scene.things)


def _told(scene: Scene, fact: Fact, times: int = 1) -> Scene:
    """With an event that happened so often."""
    return scene.model_copy(update={"events": (*scene.events, *(((scene.tick - 1, fact),) * times))})


def _cleared(scene: Scene, thing: str) -> list[Fact]:
    """Facts once a thing is taken from where it is; what carried it becomes clear, if nothing else is on or in it."""
    own = {fact for fact in scene.facts if len(fact) == 3 and (fact[1] == thing or (fact[0] in MUTUAL and fact[2] == thing))}
    left = [fact for fact in scene.facts if fact not in own and fact != ("somewhere", thing)]
    full = {fact[2] for fact in left if fact[0] in ("in", "on")}
    return [fact for fact in left if fact[0] != "clear"] + [("clear", name) for name in scene.names(*CARRIERS) if name not in full]


def _pick(scene: Scene, args: Args) -> Scene:
    thing = scene.find(args["thing"])
    x, y, _ = thing.position
    facts = tuple(_cleared(scene, thing.name))
    if scene.has("followed", "table") and ("on", thing.name, "table") in scene.facts:
        scene = _told(scene, ("lifted", thing.name))
    return scene.model_copy(update={"facts": facts, "holding": thing.name, "things": _at(scene, thing.name, x, y, CARRIED_M)})


def _place(scene: Scene, args: Args) -> Scene:
    """In a zone, a thing stands on the table as well."""
    thing, relation, target = args["thing"], args["relation"], args["target"]
    tall = scene.find(thing).size[2]
    inside = relation in ("in", "on") and target != "table"
    zone = target in scene.names("zone")
    facts = [fact for fact in _cleared(scene, thing) if not (inside and fact == ("clear", target))]
    if not inside or zone:
        facts += [("on", thing, "table"), ("somewhere", thing)]
    facts += [(relation, thing, target)] * (inside or relation in BESIDE)
    x, y, z = scene.find(target).position
    if inside and not zone:
        at = (x, y, z + (scene.find(target).size[2] + tall) / 2 if relation == "on" else z)
    else:
        at = _guess(scene, thing, lambda: find_spot(scene, scene.find(thing), relation, scene.find(target)))
    return scene.model_copy(update={"facts": tuple(facts), "holding": None, "things": _at(scene, thing, *at)})


def _stack(scene: Scene, args: Args) -> Scene:
    return _place(_pick(scene, args), {**args, "relation": "on"})


def _by_two(spot_for: SpotFor, scene: Scene, args: Args) -> Scene:
    """Put down on the table at a spot that two things tell."""
    put = _place(scene, {"thing": args["thing"], "relation": "on", "target": "table"})
    spot = _guess(scene, args["thing"], lambda: spot_for(scene, *(scene.find(args[name]) for name in ("thing", "one", "other"))))
    return put.model_copy(update={"things": _at(put, args["thing"], *spot)})


def _across(scene: Scene, args: Args) -> Scene:
    """Put on both of two things."""
    thing, pair = args["thing"], (args["one"], args["other"])
    spot = _guess(scene, thing, lambda: across(scene, scene.find(thing), *(scene.find(name) for name in pair)))
    facts = [fact for fact in _cleared(scene, thing) if fact not in [("clear", name) for name in pair]]
    facts += [("on", thing, name) for name in pair]
    return scene.model_copy(update={"facts": tuple(facts), "holding": None, "things": _at(scene, thing, *spot)})


def _guess(scene: Scene, thing: str, spot: Callable[[], Spot]) -> tuple[float, float, float]:
    """Where a spot is, m; if there is none, under where the thing is held."""
    try:
        return spot()[:3]
    except Refused:
        x, y, _ = scene.find(thing).position
        return x, y, scene.find(thing).size[2] / 2


def _insert(scene: Scene, args: Args) -> Scene:
    return _place(_pick(scene, args), {"thing": args["thing"], "relation": "in", "target": args["fixture"]})


def _thread(scene: Scene, args: Args) -> Scene:
    """Over the rings that are there."""
    thing, peg = args["thing"], args["peg"]
    taken = _pick(scene, args)
    below = [fact[1] for fact in taken.facts if len(fact) == 3 and fact[0] == "on" and fact[2] == peg]
    x, y, _ = scene.find(peg).position
    top = [name for name in below if ("clear", name) in taken.facts]
    placed = _with(taken, ("on", thing, peg), *(("on", thing, name) for name in top), without=tuple(("clear", name) for name in top))
    return placed.model_copy(update={"holding": None, "things": _at(placed, thing, x, y, fits.rest_height(len(below)))})


def _posed(now: str, scene: Scene, args: Args) -> Scene:
    """A bar that stands or lies: by its longest extent; where its middle is then nobody knows."""
    thing = scene.find(args["thing"])
    short, middle, long = sorted(thing.size)
    size = (short, middle, long) if now == "standing" else (long, middle, short)
    x, y, _ = thing.position
    things = tuple(item.model_copy(update={"size": size, "position": (x, y, size[2] / 2)}) if item.name == thing.name else item
                   for item in scene.things)  # fmt: skip
    moved = _displaced(scene.model_copy(update={"things": things}), thing.name, 0.0, 0.0)
    return _with(moved, (now, thing.name), without=(("standing", thing.name), ("lying", thing.name)))


def _displaced(scene: Scene, thing: str, dx: float, dy: float) -> Scene:
    """Pushed along the table, out of the zone that it was in."""
    x, y, z = scene.find(thing).position
    facts = (*_cleared(scene, thing), ("on", thing, "table"), ("somewhere", thing))
    return scene.model_copy(update={"facts": facts, "things": _at(scene, thing, x + dx, y + dy, z)})


def _push(scene: Scene, args: Args) -> Scene:
    dx, dy = WAYS[args["direction"]]
    moved = _displaced(scene, args["thing"], PUSHED_M * dx, PUSHED_M * dy)
    return _told(moved, ("moved", args["thing"], args["direction"]), PUSHED_EVENTS)


def _push_into(scene: Scene, args: Args) -> Scene:
    (x, y, _), (zx, zy, _) = scene.find(args["thing"]).position, scene.find(args["zone"]).position
    return _with(_displaced(scene, args["thing"], zx - x, zy - y), ("in", args["thing"], args["zone"]))


def _push_out(scene: Scene, args: Args) -> Scene:
    """By the shortest way, free or not."""
    thing, zone = scene.find(args["thing"]), scene.find(args["zone"])
    angle = min(DIRECTIONS.values(), key=lambda angle: to_leave(thing, zone, angle))
    gone = to_leave(thing, zone, angle)
    return _displaced(scene, thing.name, gone * cos(angle), gone * sin(angle))


def _push_against(scene: Scene, args: Args) -> Scene:
    thing, other = args["thing"], args["other"]
    (x, y, _), (ox, oy, _) = scene.find(thing).position, scene.find(other).position
    gap, length = apart(scene.find(thing), scene.find(other)), hypot(ox - x, oy - y)
    pushed = _displaced(scene, thing, gap * (ox - x) / length, gap * (oy - y) / length)
    return _with(pushed, *((fact, *pair) for fact in ("touching", "next to") for pair in ((thing, other), (other, thing))))


def _rotate(scene: Scene, args: Args) -> Scene:
    return _told(_displaced(scene, args["thing"], 0.0, 0.0), ("turned", args["thing"], args["side"]), TURNED_EVENTS)


def _align(scene: Scene, args: Args) -> Scene:
    turned = _displaced(scene, args["thing"], 0.0, 0.0)
    yaw = scene.find(args["other"]).yaw
    things = tuple(item.model_copy(update={"yaw": yaw}) if item.name == args["thing"] else item for item in turned.things)
    return turned.model_copy(update={"things": things})


def _drawer(now: str, scene: Scene, args: Args) -> Scene:
    """Open, closed or half open; its front stands so far out."""
    drawer = scene.find(args["thing"])
    (x, y, z), out = drawer.position, OUT_M[now]
    drawn = drawer.model_copy(update={"position": (x + (drawer.joint or 0.0) - out, y, z), "joint": out})
    things = tuple(drawn if item.name == drawer.name else item for item in scene.things)
    scene = scene.model_copy(update={"things": things})
    return _with(scene, (now, args["thing"]), without=tuple((was, args["thing"]) for was in ("open", "closed", "half open")))


def _press(scene: Scene, args: Args) -> Scene:
    was, will = ("lit", "dark") if scene.has("lit", "light") else ("dark", "lit")
    return _with(_told(scene, ("pressed", args["thing"])), (will, "light"), without=((was, "light"),))


def _uncover(scene: Scene, args: Args) -> Scene:
    return _lid(scene, next(bay for bay in scene.names("bay") if bay != args["thing"]))


def _cover(scene: Scene, args: Args) -> Scene:
    return _lid(scene, args["thing"])


def _slide(scene: Scene, args: Args) -> Scene:
    return _lid(scene, f"{args['side']} bay")


def _lid(scene: Scene, covered: str) -> Scene:
    """The lid covers that bay."""
    bays = scene.names("bay")
    sides = {bay: bay.removesuffix(" bay") for bay in bays}
    gone = (*((fact, bay) for fact in ("covered", "uncovered") for bay in bays), *((f"at {side}", "lid") for side in sides.values()))
    now = [("covered" if bay == covered else "uncovered", bay) for bay in bays]
    return _with(scene, *now, (f"at {sides[covered]}", "lid"), without=gone)


def _lever(up: bool, scene: Scene) -> Scene:
    was, will = (("down", "dark"), ("up", "lit")) if up else (("up", "lit"), ("down", "dark"))
    return _with(scene, (will[0], "lever"), (will[1], "lamp"), without=((was[0], "lever"), (was[1], "lamp")))


def _turn(scene: Scene, args: Args) -> Scene:
    marks = tuple(fact for fact in scene.facts if fact[:2] == ("at", args["thing"]))
    return _with(scene, ("at", args["thing"], args["mark"]), without=marks)


def _poured(scene: Scene, args: Args) -> Scene:
    """The beads are there, and nowhere else."""
    beads, place = args["thing"], args.get("target") or args["zone"]
    left = tuple(("in", beads, was) for was in scene.where(beads, "in"))
    empty = tuple(("clear", was) for _, _, was in left if was not in scene.names("zone"))
    zone = place in scene.names("zone")
    on_table = (("on", beads, "table"),)
    gone = (*left, *(() if zone else (("clear", place), *on_table)))
    moved = _with(scene, ("in", beads, place), *empty, *(on_table if zone else ()), without=(*gone, *on_table))
    x, y, z = scene.find(place).position
    lot = scene.find(beads).model_copy(update={"position": (x, y, z), "pieces": ((x, y, z),) * len(scene.find(beads).pieces)})
    return moved.model_copy(update={"things": tuple(lot if item.name == beads else item for item in scene.things)})


EFFECTS: dict[str, Callable[[Scene, Args], Scene]] = {
    "home": lambda scene, args: _with(scene, ("home", "gripper")),
    "stand_up": partial(_posed, "standing"), "lay_down": partial(_posed, "lying"), "insert": _insert, "thread": _thread,
    "pick": _pick, "place": _place, "stack": _stack,
    "between": partial(_by_two, in_between), "in_line": partial(_by_two, in_line), "across": _across,
    "push": _push, "push_into": _push_into, "push_out": _push_out, "push_against": _push_against, "rotate": _rotate, "align": _align,
    "open": partial(_drawer, "open"), "close": partial(_drawer, "closed"), "open_half": partial(_drawer, "half open"),
    "pour": _poured, "sweep": _poured, "empty": lambda scene, args: _poured(scene, {**args, "thing": "beads"}),
    "press": _press, "uncover": _uncover, "cover": _cover, "slide": _slide, "turn": _turn,
    "switch": lambda scene, args: _lever(args["way"] == "on", scene), "flip": lambda scene, args: _lever(args["way"] == "up", scene),
}  # fmt: skip
"""What each skill changes when it works; a new skill that plans use is one more entry."""
