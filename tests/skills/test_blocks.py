"""Skills that move things on the table: when they can be tried, what helps, and when they are done; and the words for them."""

import pytest

from agent.planner.decision import Request
from agent.planner.memory import Memory
from agent.planner.saycan import Planner
from agent.skills.blocks import Across, Align, Between, InLine, Rotate, net
from agent.skills.library import gather
from agent.skills.postures import LayDown
from agent.skills.pushes import Push, PushAgainst, PushInto, PushOut
from agent.skills.tabletop import Pick, Place
from agent.types import Fact, Scene, Thing
from tests.planner.symbolic import settings

SIZES = {"block": (0.04, 0.04, 0.04), "bar": (0.09, 0.03, 0.03), "cylinder": (0.04, 0.04, 0.05), "prism": (0.05, 0.046, 0.04)}
FOLLOWED: Fact = ("followed", "table")


def scene(*facts: Fact, holding: str | None = None, events: tuple[tuple[int, Fact], ...] = (), yaw: float = 0.0) -> Scene:
    """Four blocks and a zone in a row, all on the table but what is held."""
    names = ("red block", "yellow bar", "cyan cylinder", "large pink prism")
    things = [Thing(name="table", kind="table", position=(0.5, 0.0, -0.02)), Thing(name="blue zone", kind="zone", position=(0.3, 0.3, 0.0))]
    for index, name in enumerate(names):
        kind = name.split()[-1]
        things.append(Thing(name=name, kind=kind, position=(0.45, 0.12 * index, 0.02), size=SIZES[kind], yaw=yaw * (index == 0)))
    on = tuple(("on", name, "table") for name in names if name != holding)
    return Scene(tick=50, things=tuple(things), facts=(*on, *facts), holding=holding, events=events)


def told(verb: str, way: str, count: int) -> tuple[tuple[int, Fact], ...]:
    return tuple((40, (verb, "red block", way)) for _ in range(count))


@pytest.mark.parametrize(("left", "right", "done"), [(10, 0, True), (9, 0, False), (14, 5, False), (0, 12, False)])
def test_a_push_is_ten_centimetres_net(left: int, right: int, done: bool) -> None:
    world = scene(FOLLOWED, events=told("moved", "left", left) + told("moved", "right", right))
    assert net(world, "moved", "red block", "left") == left - right == -net(world, "moved", "red block", "right")
    assert Push(thing="red block", direction="left").done(world) is done
    assert not Push(thing="red block", direction="left").done(world.model_copy(update={"holding": "red block"}))


def test_a_rotation_stays_where_it_is() -> None:
    turned = told("turned", "left", 12)
    assert Rotate(thing="red block", side="left").done(scene(FOLLOWED, events=turned))
    assert not Rotate(thing="red block", side="left").done(scene(FOLLOWED, events=turned[1:]))
    assert not Rotate(thing="red block", side="left").done(scene(FOLLOWED, events=turned + told("moved", "away", 10)))


@pytest.mark.parametrize(("yaw", "done"), [(0.1, True), (0.3, False), (1.5, True), (-0.17, True)])
def test_aligned_is_modulo_what_looks_the_same(yaw: float, done: bool) -> None:
    assert Align(thing="red block", other="yellow bar").done(scene(FOLLOWED, yaw=yaw)) is done


def test_what_carries_something_is_cleared_first_and_a_full_hand_is_emptied() -> None:
    buried = scene(FOLLOWED, ("on", "yellow bar", "red block"))
    push = Push(thing="red block", direction="away")
    assert not push.can(buried) and push.needs(buried) == [Pick(thing="yellow bar")]
    full = scene(FOLLOWED, holding="cyan cylinder")
    assert not push.can(full) and push.needs(full) == [Place(thing="cyan cylinder", relation="on", target="table")]
    assert push.can(scene(FOLLOWED)) and not push.can(scene()), "where nothing tells of motion, nobody could know"


def test_what_stands_on_its_end_is_laid_down_before_it_is_pushed() -> None:
    upright = scene(FOLLOWED, ("standing", "yellow bar"))
    for call in (Push(thing="yellow bar", direction="left"), PushInto(thing="yellow bar", zone="blue zone"),
                 PushAgainst(thing="red block", other="yellow bar")):  # fmt: skip
        assert not call.can(upright) and call.needs(upright) == [LayDown(thing="yellow bar")]
        assert call.can(scene(FOLLOWED, ("lying", "yellow bar")))


def test_between_is_on_the_line_and_on_the_table() -> None:
    call = Between(thing="yellow bar", one="red block", other="cyan cylinder")
    assert call.done(scene(FOLLOWED)) and not Between(thing="red block", one="yellow bar", other="cyan cylinder").done(scene(FOLLOWED))
    assert call.can(scene(FOLLOWED, holding="yellow bar")) and call.needs(scene(FOLLOWED)) == [Pick(thing="yellow bar")]
    offered = list(Between.calls(scene(FOLLOWED, holding="yellow bar")))
    assert len(offered) == 3 and not list(Between.calls(scene(FOLLOWED)))


WORDS = [
    ("push the red block to the left", "push(direction=left, thing=red block)"),
    ("please push the red cube away", "push(direction=away, thing=red block)"),
    ("shove the stick to the right", "push(direction=right, thing=yellow bar)"),
    ("push the cylinder into the blue zone", "push_into(thing=cyan cylinder, zone=blue zone)"),
    ("rotate the bar to the right", "rotate(side=right, thing=yellow bar)"),
    ("turn the red block left", "rotate(side=left, thing=red block)"),
    ("align the bar with the red block", "align(other=red block, thing=yellow bar)"),
    ("put the red block in the blue area", "pick(thing=red block)"),
    ("pick up the big prism", "pick(thing=large pink prism)"),
    ("put the red block between the bar and the cylinder", "pick(thing=red block)"),
]


@pytest.mark.parametrize(("words", "key"), WORDS)
def test_plain_words_lead_to_the_skill(words: str, key: str) -> None:
    world = scene(FOLLOWED, yaw=0.5)
    chosen = Planner(gather(), settings(), Memory(None)).decide(Request(words=(words,), scene=world, history=())).chosen
    assert chosen.subtask is not None and chosen.subtask.key == key


def test_a_push_into_a_zone_is_done_when_it_lies_there() -> None:
    call = PushInto(thing="red block", zone="blue zone")
    assert call.can(scene()) and not call.done(scene())
    there = scene(("in", "red block", "blue zone"))
    assert call.done(there) and not call.can(there)


def test_a_push_against_needs_both_on_the_table_and_ends_in_touch() -> None:
    call = PushAgainst(thing="red block", other="yellow bar")
    assert call.can(scene(FOLLOWED)) and not call.can(scene()) and not call.done(scene(FOLLOWED))
    there = scene(FOLLOWED, ("touching", "red block", "yellow bar"), ("touching", "yellow bar", "red block"))
    assert call.done(there) and not call.can(there)
    assert not call.can(scene(FOLLOWED, holding="yellow bar"))


@pytest.mark.parametrize(("y", "out"), [(0.3, False), (0.21, False), (0.19, True), (0.12, True)])
def test_out_of_a_zone_is_all_of_it_however_it_is_turned(y: float, out: bool) -> None:
    world = scene(FOLLOWED)
    square = (0.14, 0.14, 0.001)
    size = {"red block": (0.45, 0.3, 0.0), "blue zone": (0.45, y, 0.0)}
    things = tuple(thing.model_copy(update={"position": size.get(thing.name, thing.position),
                                            "size": square if thing.kind == "zone" else thing.size}) for thing in world.things)  # fmt: skip
    world, call = world.model_copy(update={"things": things}), PushOut(thing="red block", zone="blue zone")
    assert call.done(world) is out and call.can(world) is not out


def test_a_row_goes_on_beyond_the_second() -> None:
    """Blocks stand at 0, 12 and 24 cm: each is in line with the two before it, and not with the two after."""
    assert InLine(thing="cyan cylinder", one="red block", other="yellow bar").done(scene(FOLLOWED))
    assert not InLine(thing="yellow bar", one="red block", other="cyan cylinder").done(scene(FOLLOWED))
    offered = list(InLine.calls(scene(FOLLOWED, holding="yellow bar")))
    assert len(offered) == 6, "which of the two comes first makes a difference"


def test_across_two_of_one_height_that_are_near() -> None:
    near = scene(FOLLOWED, holding="yellow bar")
    sized = {"red block": (0.45, 0.0, 0.02), "cyan cylinder": (0.45, 0.08, 0.02)}
    things = tuple(thing.model_copy(update={"position": sized[thing.name], "size": (0.04, 0.04, 0.04)}) if thing.name in sized else thing
                   for thing in near.things)  # fmt: skip
    call = Across(thing="yellow bar", one="red block", other="cyan cylinder")
    assert call.can(near.model_copy(update={"things": things})) and not call.can(near), "24 cm are too far, and the heights differ"
    on = tuple(("on", "yellow bar", name) for name in sized)
    assert call.done(scene(FOLLOWED, *on)) and not call.done(scene(FOLLOWED, on[0]))


def test_beside_a_tower_there_is_room_and_on_it_there_is_not() -> None:
    world = scene(("on", "yellow bar", "red block"), holding="cyan cylinder")
    assert Place(thing="cyan cylinder", relation="left of", target="red block").can(world)
    assert not Place(thing="cyan cylinder", relation="on", target="red block").can(world)
