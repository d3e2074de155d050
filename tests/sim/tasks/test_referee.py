"""The success rule: it must last, at rest, untouched, with nothing else disturbed."""

from collections.abc import Iterable

from agent.types import Fact, Scene
from sim.tasks import template
from sim.tasks.chains import draw_start
from sim.tasks.reckoning import after
from sim.tasks.referee import HOLD_TICKS, Referee, touched

START, TASK = draw_start(template("in a bowl"), 1)
GOAL = after(START.scene, *TASK.plan)
OTHER = next(name for name in START.scene.names("block") if name != TASK.args["thing"])


def at(tick: int, *facts: Fact, goal: bool = True) -> Scene:
    scene = GOAL if goal else START.scene
    return scene.model_copy(update={"tick": tick, "facts": (*scene.facts, *facts)})


def held(scenes: Iterable[Scene], touching: tuple[str, ...] = ()) -> int | None:
    referee = Referee(TASK, START.scene)
    for scene in scenes:
        referee.look(scene, touching)
    return referee.verdict.held


def test_it_must_hold_for_half_a_second() -> None:
    assert held(at(t) for t in range(1, HOLD_TICKS + 1)) is None
    assert held(at(t) for t in range(1, HOLD_TICKS + 2)) == HOLD_TICKS + 1


def test_a_flicker_counts_only_as_first_instant() -> None:
    referee = Referee(TASK, START.scene)
    for tick in range(1, 60):
        referee.look(at(tick, goal=tick % 8 != 0), ())
    assert referee.verdict.held is None and referee.verdict.first == 1


def test_at_rest_and_untouched() -> None:
    assert held(at(t, ("moving", OTHER)) for t in range(1, 40)) is None
    assert held((at(t) for t in range(1, 40)), touching=(TASK.args["thing"],)) is None
    assert held((at(t) for t in range(1, 40)), touching=("table",)) is not None


def test_what_else_moves_or_falls_is_a_fault_unless_someone_else_did_it() -> None:
    def shoved(dx: float, dz: float) -> list[Scene]:
        x, y, z = START.scene.find(OTHER).position
        away = [t.model_copy(update={"position": (x + dx, y, z + dz)}) if t.name == OTHER else t for t in GOAL.things]
        return [at(t).model_copy(update={"things": tuple(away)}) for t in range(1, 40)]

    assert held(shoved(0.02, 0.0)) is not None
    assert held(shoved(0.05, 0.0)) is None
    assert held(shoved(0.0, -0.5)) is None
    referee = Referee(TASK, START.scene, excused=(OTHER,))
    for scene in shoved(0.05, 0.0):
        referee.look(scene, ())
    assert referee.verdict.held is not None


def test_presses_are_counted_exactly() -> None:
    start, _ = draw_start(template("press n times"), 0)
    twice = next(t for t in template("press n times").find(start.scene) if t.args["times"] == "twice")
    pressed = [start.scene.model_copy(update={"events": ((5, ("pressed", "button")),) * n}) for n in range(4)]
    assert [twice.progress(scene, start.scene) for scene in pressed] == [0.0, 0.5, 1.0, 0.0]


def test_touch_is_read_from_contacts() -> None:
    from sim.robot import SimRobot
    from tests.sim.driver import Driver

    robot = SimRobot({"things": [{"name": "red block", "at": [0.45, 0.0], "yaw": 0.0}]}, seed=0)
    assert touched(robot) == set()
    Driver(robot).grasp("red block")
    assert touched(robot) == {"red block"}
    robot.close()


def test_what_must_never_be_is_never_forgiven() -> None:
    start, task = draw_start(template("hanoi"), 0)
    done = after(start.scene, *task.plan)
    for wrong in (False, True):
        referee = Referee(task, start.scene)
        for tick in range(1, 40):
            facts = (*done.facts, *task.never) if wrong and tick == 5 else done.facts
            verdict = referee.look(done.model_copy(update={"tick": tick, "facts": facts}), ())
        assert (verdict.held is None) is wrong and bool(verdict.fault) is wrong
