"""What each skill changes when it works, reckoned without physics: EFFECTS, which reckoning.py rolls forward.

What a thing's spot on the table is after it was put down or pushed cannot be reckoned; such a thing gets the fact ("somewhere", thing).
"""

from collections.abc import Callable
from functools import partial

from agent.types import Fact, Scene, Thing
from sim import loose
from sim.tasks.task import BESIDE

CARRIED_M = 0.2
CARRIERS = (*loose.BLOCKS, "bowl")
"""Kinds of things that are clear while nothing is on or in them."""
PUSHED_M, PUSHED_EVENTS, TURNED_EVENTS = 0.12, 12, 13
"""How far a push goes, and what is told of a push and of a turn."""
Args = dict[str, str]
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
    own = {fact for fact in scene.facts if len(fact) == 3 and (fact[1] == thing or (fact[0] in BESIDE and fact[2] == thing))}
    left = [fact for fact in scene.facts if fact not in own and fact != ("somewhere", thing)]
    full = {fact[2] for fact in left if fact[0] in ("in", "on")}
    return [fact for fact in left if fact[0] != "clear"] + [("clear", name) for name in scene.names(*CARRIERS) if name not in full]


def _pick(scene: Scene, args: Args) -> Scene:
    thing = scene.find(args["thing"])
    x, y, _ = thing.position
    facts = tuple(_cleared(scene, thing.name))
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
    x, y, z = scene.find(target if inside else thing).position
    high = z + (scene.find(target).size[2] + tall) / 2 if inside and relation == "on" else z if inside and not zone else tall / 2
    return scene.model_copy(update={"facts": tuple(facts), "holding": None, "things": _at(scene, thing, x, y, high)})


def _stack(scene: Scene, args: Args) -> Scene:
    return _place(_pick(scene, args), {**args, "relation": "on"})


def _between(scene: Scene, args: Args) -> Scene:
    return _place(scene, {"thing": args["thing"], "relation": "on", "target": "table"})


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


def _rotate(scene: Scene, args: Args) -> Scene:
    return _told(_displaced(scene, args["thing"], 0.0, 0.0), ("turned", args["thing"], args["side"]), TURNED_EVENTS)


def _align(scene: Scene, args: Args) -> Scene:
    turned = _displaced(scene, args["thing"], 0.0, 0.0)
    yaw = scene.find(args["other"]).yaw
    things = tuple(item.model_copy(update={"yaw": yaw}) if item.name == args["thing"] else item for item in turned.things)
    return turned.model_copy(update={"things": things})


def _drawer(now: str, scene: Scene, args: Args) -> Scene:
    """Open, closed or half open."""
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


EFFECTS: dict[str, Callable[[Scene, Args], Scene]] = {
    "home": lambda scene, args: _with(scene, ("home", "gripper")),
    "pick": _pick, "place": _place, "stack": _stack, "between": _between,
    "push": _push, "push_into": _push_into, "rotate": _rotate, "align": _align,
    "open": partial(_drawer, "open"), "close": partial(_drawer, "closed"), "open_half": partial(_drawer, "half open"),
    "press": _press, "uncover": _uncover, "cover": _cover, "slide": _slide, "turn": _turn,
    "switch": lambda scene, args: _lever(args["way"] == "on", scene), "flip": lambda scene, args: _lever(args["way"] == "up", scene),
}  # fmt: skip
"""What each skill changes when it works; a new skill that plans use is one more entry."""
