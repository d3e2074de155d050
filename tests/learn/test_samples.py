"""Labelled states: what is drawn, whether it is true, and whether the labels lead to success."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from agent.config import load_config
from agent.errors import ConfigError, PolicyError
from agent.executor.executor import Executor
from agent.executor.models.small_policy import shrink
from agent.learn.calls import another_pick, draw_call, draw_words, held_out, library
from agent.learn.dataset import KINDS, SIDE, VIEWS, decoded
from agent.learn.mind import Mind
from agent.learn.moments import chosen, handled, holding, let_go, misplaced, pushed, somewhere, worth
from agent.learn.recipe import Recipe, load_recipe
from agent.learn.samples import begin, draw_states, frames_at
from agent.learn.scenery import draw_layout, rearranged
from agent.learn.sight import Sight
from agent.learn.stage import Moment, Stage
from agent.skills.skill import Skill
from agent.types import Observation, Subtask
from sim import objects
from sim.camera import CAMERAS
from sim.language import table
from sim.looks import HELD_OUT
from sim.oracle import Oracle
from sim.oracle.imagined import span
from tests.learn.scenes import BENCH, EVERYTHING, PLAIN, TABLETOP, stage


def states(here: Stage, count: int, seed: int = 0, recipe: Recipe = EVERYTHING) -> Iterator[tuple[Skill, Moment, str, Observation]]:
    """(call, moment, kind, observation) of states that can be, two of each motion in the mind; each while it is put."""
    rng = np.random.default_rng(seed)
    while count > 0:
        here.arrange(rearranged(here.layout, rng), rng)
        begun = begin(recipe, here, None, rng)
        if begun is None:
            continue
        try:
            moments = Mind().imagine(begun[1], begun[0].subtask)
        except PolicyError:
            continue
        for moment, kind in list(chosen(begun[0], moments, here, rng))[: min(count, 2)]:
            if observation := here.put(moment):
                yield begun[0], moment, kind, observation
                count -= 1


def test_equal_seeds_give_equal_frames() -> None:
    one, other = (list(draw_states(TABLETOP, 7, 4)) for _ in range(2))
    assert len(one) == 4
    for a, b in zip(one, other, strict=True):
        assert a.images == b.images and a.words == b.words and a.args == b.args and a.kind == b.kind
        assert np.array_equal(a.chunk, b.chunk) and np.array_equal(a.state, b.state) and np.array_equal(a.points, b.points)
    assert next(draw_states(TABLETOP, 8, 1)).images != one[0].images


def test_frames_are_of_one_piece() -> None:
    for frame in draw_states(TABLETOP, 21, 8):
        assert frame.look != HELD_OUT and frame.kind in KINDS and frame.skill in TABLETOP.skills
        assert frame.chunk.shape == (32, 7) and np.isfinite(frame.chunk).all() and frame.chunk.dtype == np.float32
        assert np.linalg.norm(frame.chunk[0, :3] - frame.state[7:10]) < 0.04  # the first row begins where the hand is
        assert all(decoded(frame.images[view]).shape == (SIDE, SIDE, 3) for view in VIEWS)
        shown = frame.points[..., 2] == 1
        assert (frame.points[shown][:, :2] >= 0).all() and (frame.points[shown][:, :2] < 1).all() and (frame.points[~shown] == 0).all()


def test_what_is_seen_is_what_the_robot_would_see() -> None:
    with stage(PLAIN) as (here, robot):
        observation = here.put(somewhere(np.random.default_rng(1)))
        assert observation is not None
        robot._scene = None
        real = robot.observe(())
        assert np.array_equal(observation.state, real.state) and observation.scene == real.scene
        for view in VIEWS:
            assert np.array_equal(here.pictures.take(view)[0], robot._camera.take(view, SIDE))


def test_small_pictures_are_alike_with_large_ones_of_which_the_nearest_pixels_are_taken() -> None:
    with stage(PLAIN) as (here, robot):
        here.put(somewhere(np.random.default_rng(2)))
        for view in VIEWS:
            off = np.abs(shrink(robot._camera.take(view), SIDE).astype(int) - here.pictures.take(view)[0]).max(-1)
            assert (off > 40).mean() < 0.05  # along edges


def test_labels_are_the_oracles_answers() -> None:
    with stage(BENCH) as (here, _):
        for call, _, _, observation in states(here, 12):
            told = Mind().label(observation, call.subtask)
            assert np.array_equal(told.chunk, Oracle().predict(observation, call.subtask).actions), call.words


def test_a_remembered_spot_does_not_change_the_label() -> None:
    with stage(PLAIN) as (here, _):
        here.arrange(rearranged(here.layout, np.random.default_rng(4)), np.random.default_rng(4))
        mind, call = Mind(), None
        for seed in range(20):
            observation = here.put(holding(here, np.random.default_rng(seed)) or somewhere(np.random.default_rng(seed)))
            if observation is None or observation.scene is None or observation.scene.holding is None:
                continue
            call = library().skills["place"](thing=observation.scene.holding, relation="next to", target="blue bowl")  # type: ignore[call-arg]
            remembered = mind.label(observation, call.subtask)
            fresh = Mind().label(observation, call.subtask)
            assert np.allclose(remembered.chunk, fresh.chunk, atol=2e-3) and np.allclose(remembered.spot, fresh.spot, atol=2e-3)
        assert call is not None


HANDLES = ["open drawer", "close drawer", "open_half drawer", "turn knob, mark 1", "turn knob, mark 3", "switch lamp, on", "flip lever, up",
           "flip lever, down", "slide lid, left", "slide lid, right", "uncover left bay", "cover left bay", "uncover right bay",
           "cover right bay"]  # fmt: skip


@pytest.mark.parametrize("said", HANDLES)
def test_the_spot_of_a_handle_is_where_the_oracle_leaves_it(said: str) -> None:
    skill, _, args = said.partition(" ")
    needs = library().skills[skill].model_fields
    call = library().skills[skill](**dict(zip(needs, args.split(", "), strict=True)))
    with stage(BENCH) as (here, _):
        start = here.put(somewhere(np.random.default_rng(5)))
        assert start is not None and start.scene is not None
        told = Mind().label(start, call.subtask)
        last = Mind().imagine(start, call.subtask)[-1]
        name = handled(call.subtask, start.scene)[0] or ""
        end, spot = last.things.get(name, start.scene.find(name)), np.array(told.spot)
        if skill == "turn":
            assert np.isclose(np.arctan2(*(spot - end.position)[1::-1]), end.yaw, atol=0.15)
            there = here.put(last)
            assert there is not None and there.scene is not None and ("at", *args.split(", ")) in there.scene.facts
        else:
            assert np.allclose(spot, end.position, atol=0.02)


@pytest.mark.parametrize("way", ["left", "right", "away", "near"])
def test_the_spot_of_a_push_is_where_the_fingers_come_down(way: str) -> None:
    layout = {"things": [{"name": "yellow L", "at": [0.45, 0.0], "yaw": 0.3}], "drawer": "none", "button": False, "motion": True}
    call = library().skills["push"](thing="yellow L", direction=way)
    with stage(layout) as (here, _):
        start = here.put(somewhere(np.random.default_rng(5)))
        assert start is not None
        spot, moments = Mind().label(start, call.subtask).spot, Mind().imagine(start, call.subtask)
        begun = next(moment for moment, after in pairwise(moments) if pushed(moment, after, "yellow L"))
        assert spot is not None and np.allclose(spot, begun.tcp, atol=0.02)


def test_what_lies_in_a_drawer_lies_in_it_however_far_it_is_out() -> None:
    layout = {"things": ["blue bowl", {"name": "red block", "in": "drawer"}, "green block"], "drawer": "open", "look": "lab"}
    with stage(layout) as (here, _):
        outs = []
        for seed in range(12):
            here.arrange(here.layout, np.random.default_rng(seed))
            assert {("in", "red block", "drawer"), ("open", "drawer")} <= set(here.scene.facts)
            outs.append(here.scene.find("drawer").joint or 0.0)
        assert min(outs) < 0.12 and max(outs) == pytest.approx(0.14, abs=1e-3)


def test_points_lie_on_what_they_name() -> None:
    """By the segmentation of Bullet's picture, and by a pinhole camera that is worked out from its data sheet."""
    checked = 0
    with stage(PLAIN) as (here, _):
        lens, camera = here.pictures.lens("front"), CAMERAS["front"]
        eye = np.linalg.inv(np.array(lens.view).reshape(4, 4).T)
        focal = 0.5 / np.tan(np.radians(camera.fov) / 2)
        for call, moment, kind, observation in states(here, 8, recipe=TABLETOP):
            frame = next(frames_at(TABLETOP, here, Mind(), call, moment, kind, np.random.default_rng(0)), None)
            if frame is None or observation.scene is None:
                continue
            subtask = Subtask(skill=frame.skill, args=dict(frame.args), words=frame.words)
            for view_number, view in enumerate(VIEWS):
                _, seen = here.pictures.take(view)
                for row, name in enumerate(handled(subtask, observation.scene)):
                    u, v, visible = frame.points[view_number, row]
                    if name is None or not visible:
                        continue
                    if int(seen[int(v * SIDE), int(u * SIDE)]) not in hidden_by(here, moment):
                        rows, columns = np.nonzero(seen == here.bench.items[name].body)
                        assert np.hypot(rows + 0.5 - v * SIDE, columns + 0.5 - u * SIDE).min() < 4, (name, view)
                    if view == "front":
                        x, y, z, _ = np.linalg.inv(eye) @ (*observation.scene.find(name).position, 1.0)
                        assert np.allclose((u, v), (0.5 - focal * x / z, 0.5 + focal * y / z), atol=1e-4)
                    checked += 1
    assert checked >= 6


def hidden_by(here: Stage, moment: Moment) -> set[int]:
    """Bodies that may stand between a camera and the middle of what is brought to: the arm, and what it holds."""
    return {here.bench.panda.body, *(here.bench.items[name].body for name in (moment.held, moment.gripped) if name)}


def test_a_thing_behind_the_camera_or_outside_is_not_visible() -> None:
    with stage(PLAIN) as (here, _):
        _, seen = here.pictures.take("front")
        assert here.pictures.point("front", (-3.0, -3.0, 0.9), seen, None) == (0.0, 0.0, 0.0)
        assert here.pictures.point("front", (0.5, 3.0, 0.0), seen, None) == (0.0, 0.0, 0.0)
        assert here.pictures.point("front", (0.5, 0.0, 0.0), seen, None)[2] == 1.0
        hidden = np.full_like(seen, -1)
        assert here.pictures.point("front", here.scene.find("red block").position, hidden, "red block")[2] == 0.0


def test_all_kinds_of_states_come_up() -> None:
    with stage(PLAIN) as (here, _):
        observation = here.put(somewhere(np.random.default_rng(5)))
        assert observation is not None
        call = library().skills["stack"](thing="red block", target="green block")  # type: ignore[call-arg]
        moments, rng = Mind().imagine(observation, call.subtask), np.random.default_rng(0)
        kinds = {kind for _ in range(60) for _, kind in chosen(call, moments, here, rng)}
    assert kinds == set(KINDS) - {"driven"}


def in_the_mind(here: Stage, skill: str, **args: str) -> tuple[Skill, list[Moment]]:
    observation = here.put(somewhere(np.random.default_rng(5)))
    assert observation is not None
    call = library().skills[skill](**args)
    return call, Mind().imagine(observation, call.subtask)


def test_what_was_set_down_wrongly_is_fetched_again() -> None:
    with stage(PLAIN) as (here, _):
        call, moments = in_the_mind(here, "stack", thing="red block", target="green block")
        end, rng, again = moments[-1], np.random.default_rng(0), 0
        assert let_go(end, moments, "red block") and not let_go(moments[0], [], "red block")
        for wrong in filter(None, (misplaced(end, "red block", here, rng) for _ in range(12))):
            moved = np.subtract(wrong.things["red block"].position, end.things["red block"].position)
            assert 0.02 <= np.hypot(*moved[:2]) <= 0.08 and wrong.things["red block"].position[2] == pytest.approx(0.0205)
            np.testing.assert_allclose((wrong.tcp - end.tcp)[:2], moved[:2])
            there = here.put(wrong)
            if there is not None:
                rows = Mind().label(there, call.subtask).chunk
                assert rows[-1, 2] < wrong.tcp[2] - 0.02, "down to it, with open fingers"
                again += 1
        assert again > 3


def test_pushing_is_shown_as_often_as_grasping_and_its_end_is_not_known() -> None:
    with stage(BENCH) as (here, _):
        call, moments = in_the_mind(here, "push", thing="red block", direction="near")
        weights = worth(moments, "red block")
        shoved = [pushed(one, after, "red block") for one, after in pairwise(moments)]
        assert sum(shoved) > 10 and all(weights[:-1][shoved] == 3.0) and weights[-1] == 0.5
        low = here.put(moments[shoved.index(True) + 2])
        assert low is not None and low.scene is not None
        told = replace(low, scene=low.scene.model_copy(update={"events": ((low.scene.tick, ("moved", "red block", "near")),) * 10}))
        assert np.array_equal(Mind().label(told, call.subtask).chunk, Mind().label(low, call.subtask).chunk)
        assert not np.array_equal(Oracle().predict(told, call.subtask).actions, Oracle().predict(low, call.subtask).actions)


def test_who_holds_the_wrong_thing_puts_it_away() -> None:
    rng = np.random.default_rng(3)
    with stage(PLAIN) as (here, _):
        full = next(filter(None, (here.put(moment) for _ in range(20) if (moment := holding(here, rng)))))
        assert full.scene is not None
        call = another_pick(full.scene, EVERYTHING, rng)
        assert call is not None and call.subtask.args["thing"] != full.scene.holding
        assert Mind().label(full, call.subtask).spot is not None and Mind().label(full, Subtask(skill="home", words="go home")).spot is None


def test_a_knob_is_pointed_at_where_it_shows() -> None:
    with stage(BENCH) as (here, _):
        call, moments = in_the_mind(here, "turn", thing="knob", mark="mark 1")
        for moment, same in ((moments[0], False), (moments[-1], True)):
            observation = here.put(moment)
            assert observation is not None
            points = Sight(here.pictures, observation, "lab", 3).points(call.subtask, Mind().label(observation, call.subtask))
            _, shows, goal = points[0]
            assert shows[2] == goal[2] == 1.0 and bool(np.hypot(*(shows - goal)[:2]) < 1 / SIDE) is same


def test_things_are_held_at_any_yaw_and_width() -> None:
    with stage(PLAIN) as (here, _):
        skews, widths = [], []
        for seed in range(60):
            moment = holding(here, np.random.default_rng(seed))
            if moment is None or moment.held is None:
                continue
            thing = moment.things[moment.held]
            skews.append((thing.yaw - moment.turn[2] + np.pi / 4) % (np.pi / 2) - np.pi / 4)
            widths.append(moment.width)
            assert abs(moment.width - span(thing, float(moment.turn[2]))) < 0.002
        assert np.abs(skews).max() > 0.6 and np.percentile(np.abs(skews), 30) < 0.25 and max(widths) > 0.052 and min(widths) < 0.042


@pytest.mark.parametrize("seed", [11, 12])
def test_states_lead_to_success_in_physics(seed: int) -> None:
    """A state is put into a world that then runs by physics, and the executor carries out the call from there."""
    with stage(BENCH, seed) as (here, robot):
        for call, _, kind, _ in states(here, 4, seed):
            robot._scene, robot._applied = None, robot._measured_row(here.bench.panda.motors.opening)
            executor = Executor(robot, Oracle(), load_config(None).executor)
            outcome = executor.run(call)
            executor.close()
            assert outcome.status == "done", (call.words, kind, outcome.why, outcome.evidence)


# --- scenes and words -----------------------------------------------------------------------------------------------------------


def test_no_scene_has_what_is_held_out() -> None:
    for seed in range(200):
        rng = np.random.default_rng(seed)
        layout = draw_layout(EVERYTHING if seed % 2 else TABLETOP, rng)
        assert layout.look != HELD_OUT
        for thing in (*layout.things, *rearranged(layout, rng).things):
            assert not set(thing.name.split()) & set(objects.HELD_OUT), thing.name


def test_loose_things_start_in_zones_often_of_their_own_colour_and_never_crowd_one() -> None:
    """What stands in a zone of its own colour is hardest to see, and tasks ask for it."""
    begun, inside, choice = 0, [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        things = rearranged(draw_layout(load_recipe("places"), rng), rng).things
        zones = [thing.name for thing in things if thing.name.endswith("zone")]
        loose = [thing for thing in things if not thing.name.endswith(("zone", "bowl"))]
        put = [(thing.name, thing.inside) for thing in loose if thing.inside in zones]
        assert all(sum(zone == there for _, there in put) <= 2 for zone in zones)
        begun, inside = begun + len(loose), inside + put
        choice += [zone.split()[0] in name for name, zone in put if any(other.split()[0] in name for other in zones)]
    assert 0.04 < len(inside) / begun < 0.12 and not all(name.endswith("block") for name, _ in inside)
    assert len(choice) > 10 and sum(choice) / len(choice) > 0.5


def shape_of(pattern: str) -> re.Pattern[str]:
    """What a pattern of the grammar may come out as, whichever words are in its slots."""
    words = table("words")
    nouns = "|".join(re.escape(word) for slot in words["nouns"].values() for word in (*slot["seen"], *slot["unseen"]))

    def slot_of(slot: re.Match[str]) -> str:
        found = words["verbs and prepositions"].get(slot[1])
        thing = rf"(?:the |that )?(?:[a-z-]+ ){{0,2}}(?:{nouns})"
        return rf"(?:{'|'.join(map(re.escape, (*found['seen'], *found['unseen'])))})" if found else thing

    return re.compile(re.sub(r"\{([^}]*)\}", slot_of, pattern.removeprefix("=").replace("?", r"\?")))


def test_no_sentence_is_held_out() -> None:
    """No word that only the set of new words has, and no sentence of the sets of new phrasing and of intent."""
    slots = [slot for group in table("words").values() for slot in group.values() if isinstance(slot, dict) and "unseen" in slot]
    unseen = {word for slot in slots for word in slot["unseen"]} - {word for slot in slots for word in slot["seen"]}
    unseen -= {word for entry in table("phrases").values() for pattern in entry["train"] for word in pattern.split()}
    train = {pattern for entry in table("phrases").values() for pattern in entry["train"]}
    foreign = {pattern for entry in table("phrases").values() for kind in ("phrasing", "intent") for pattern in entry.get(kind, ())}
    shapes = [shape_of(pattern) for pattern in foreign - train]
    assert any(shape.fullmatch("the red block should be picked up") for shape in shapes)
    said: set[str] = set()
    with stage(BENCH) as (here, _):
        rng = np.random.default_rng(0)
        for scene in (here.scene, here.scene.model_copy(update={"holding": "red block"})):
            calls = [call for call in library().calls(scene) if call.skill_name() in EVERYTHING.skills]
            said |= {draw_words(call, scene, EVERYTHING, rng) for call in calls for _ in range(4)}
    assert len(said) > 200
    for sentence in said:
        words = f" {sentence.strip('?').replace(',', '')} "
        assert not [word for word in unseen if f" {word} " in words], sentence
        assert not [shape.pattern for shape in shapes if shape.fullmatch(sentence)], sentence


def test_held_out_words_of_skills_are_known() -> None:
    assert held_out("hit the {thing}") and not held_out("press the {thing}")


def test_calls_can_be_made_and_are_drawn_by_weight() -> None:
    with stage(PLAIN) as (here, _):
        rng = np.random.default_rng(0)
        drawn = [draw_call(here.scene, TABLETOP, rng) for _ in range(150)]
        assert all(call.can(here.scene) for call in drawn if call) and drawn.count(None) < 10
        names = [call.skill_name() for call in drawn if call]
        assert "place" not in names and names.count("pick") > names.count("press") > 0
        held = here.scene.model_copy(update={"holding": "red block"})
        assert {call.args["thing"] for _ in range(30) if (call := draw_call(held, TABLETOP, rng)) and call.args} == {"red block"}


def test_a_recipe_that_gives_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.learn.samples.BARREN", 1)
    hopeless = TABLETOP.model_copy(update={"skills": {"turn": 1.0}, "things": {"block": (1, 1)}, "fixtures": {}})
    with pytest.raises(ConfigError, match="gives no frames"):
        list(draw_states(hopeless, 0, 3))
