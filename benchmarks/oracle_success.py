"""How often the oracle succeeds, skill by skill: fresh random scenes, full contact physics, through the executor and the Guard.

    python benchmarks/oracle_success.py [--episodes 100] [--seed-base 0] [--skill NAME] [--json]

Success is strict. Each call of an episode must end as done; then the oracle goes on for 1.5 s, so that the hand leaves; after that the
last call must still be done, the hand must hold nothing that it put down, nothing that was not named may have moved by more than 3 cm,
and neither the Guard nor the robot may have altered or refused a single row.
"""

import argparse
import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from agent.config import Config, load_config
from agent.executor.executor import Executor
from agent.executor.safety import Guard
from agent.skills.granular import Pour, Sweep
from agent.skills.skill import Skill
from agent.skills.tabletop import Close, Home, Open, Pick, Place, Press, Stack
from agent.types import Scene
from benchmarks.bead_episodes import BEAD_EPISODES
from benchmarks.block_episodes import BLOCK_EPISODES
from benchmarks.fixture_episodes import FIXTURES
from benchmarks.success import wilson
from sim.oracle import Oracle
from sim.robot import SimRobot

COLOURS = ("red", "blue", "green", "yellow")
LOOSE: list[Any] = ["red block", "blue block", "green block", "yellow block", "blue bowl", "green bowl"]
AFTER_TICKS = 30
STRAY_M = 0.03


class Cut(NamedTuple):
    """A call that is stopped after so many ticks, wherever the hand is then; with `slip`, it also loses what it holds."""

    call: Skill
    ticks: int
    slip: bool = False


Episode = tuple[dict[str, Any], list[Skill | Cut]]


class Result(NamedTuple):
    """One episode: how it ended ("" = success), and the ticks of its last call."""

    why: str
    ticks: int


def scene(*special: dict[str, Any], drawer: str = "closed") -> dict[str, Any]:
    named = {item["name"] for item in special}
    bowls = [{"name": name} for name in LOOSE if "bowl" in name]
    return {"things": [*bowls, *({"name": n} for n in LOOSE if "block" in n and n not in named), *special], "drawer": drawer}


def two(rng: np.random.Generator) -> tuple[str, str]:
    first, second = rng.permutation(COLOURS)[:2]
    return f"{first} block", f"{second} block"


def bowl(rng: np.random.Generator) -> str:
    return str(rng.choice(["blue bowl", "green bowl"]))


def picked(rng: np.random.Generator) -> Episode:
    return scene(), [Pick(thing=two(rng)[0])]


def from_bowl(rng: np.random.Generator) -> Episode:
    thing, _ = two(rng)
    return scene({"name": thing, "in": bowl(rng)}), [Pick(thing=thing)]


def from_drawer(rng: np.random.Generator) -> Episode:
    thing, _ = two(rng)
    return scene({"name": thing, "in": "drawer"}, drawer="open"), [Pick(thing=thing)]


def from_stack(rng: np.random.Generator) -> Episode:
    thing, under = two(rng)
    return scene({"name": under}, {"name": thing, "on": under}), [Pick(thing=thing)]


def placed(relation: Any, target: str) -> Callable[[np.random.Generator], Episode]:
    def episode(rng: np.random.Generator) -> Episode:
        thing, other = two(rng)
        where = {"bowl": bowl(rng), "block": other}.get(target, target)
        if target == "thing":
            where = str(rng.choice([other, bowl(rng)]))
        return scene(drawer="open" if target == "drawer" else "closed"), [
            Pick(thing=thing), Place(thing=thing, relation=relation, target=where),
        ]  # fmt: skip

    return episode


def stacked(rng: np.random.Generator) -> Episode:
    thing, under = two(rng)
    return scene(), [Stack(thing=thing, target=under)]


def tower(rng: np.random.Generator) -> Episode:
    bottom, middle, top = (f"{colour} block" for colour in rng.permutation(COLOURS)[:3])
    return scene(), [Stack(thing=middle, target=bottom), Stack(thing=top, target=middle)]


def away(rng: np.random.Generator) -> Episode:
    """Bring something into the drawer and shut it."""
    thing, _ = two(rng)
    place = Place(thing=thing, relation="in", target="drawer")
    return scene(), [Open(thing="drawer"), Pick(thing=thing), place, Close(thing="drawer")]


def fetched(rng: np.random.Generator) -> Episode:
    """Out of a closed drawer onto the table."""
    thing, _ = two(rng)
    place = Place(thing=thing, relation="on", target="table")
    return scene({"name": thing, "in": "drawer"}), [Open(thing="drawer"), Pick(thing=thing), place, Close(thing="drawer")]


def sentence(rng: np.random.Generator) -> Episode:
    """Put the red block in the blue bowl, then open the drawer."""
    place = Place(thing="red block", relation="in", target="blue bowl")
    return scene(), [Pick(thing="red block"), place, Open(thing="drawer")]


def filled(rng: np.random.Generator) -> Episode:
    """Two blocks in one bowl."""
    one, other = two(rng)
    where = bowl(rng)
    calls: list[Skill | Cut] = []
    for thing in (one, other):
        calls += [Pick(thing=thing), Place(thing=thing, relation="in", target=where)]
    return scene(), calls


def interrupted(rng: np.random.Generator) -> Episode:
    """Another call is stopped anywhere in it; the hand may be low, closing, pulling, or hold another thing."""
    thing, other = two(rng)
    first: list[Skill] = [
        Pick(thing=other), Stack(thing=other, target=thing), Open(thing="drawer"), Press(thing="button"), Pick(thing=thing),
    ]  # fmt: skip
    cut = Cut(first[int(rng.integers(len(first)))], int(rng.integers(20, 90)))
    return scene(), [cut, Place(thing=thing, relation="in", target=bowl(rng))]


def dropped(rng: np.random.Generator) -> Episode:
    """What is carried slips out of the hand on the way; the same call goes on."""
    thing, under = two(rng)
    call = Stack(thing=thing, target=under)
    return scene(), [Cut(call, int(rng.integers(50, 85)), slip=True), call]


def half_way(rng: np.random.Generator) -> Episode:
    """A drawer that was left half open, with the hand still on it."""
    cut = Cut(Open(thing="drawer"), int(rng.integers(62, 76)))
    return scene(), [cut, Close(thing="drawer") if rng.random() < 0.5 else Open(thing="drawer")]


SKILLS: dict[str, Callable[[np.random.Generator], Episode]] = {
    "pick": picked, "pick from bowl": from_bowl, "pick from drawer": from_drawer, "pick from stack": from_stack,
    "place in bowl": placed("in", "bowl"), "place in drawer": placed("in", "drawer"),
    "place on block": placed("on", "block"), "place on table": placed("on", "table"),
    **{f"place {relation}": placed(relation, "thing") for relation in ("left of", "right of", "in front of", "behind", "next to")},
    "stack": stacked, "stack three": tower,
    "open": lambda rng: (scene(), [Open(thing="drawer")]),
    "close": lambda rng: (scene(drawer="open"), [Close(thing="drawer")]),
    "press": lambda rng: (scene(), [Press(thing="button")]),
    "press twice": lambda rng: (scene(), [Press(thing="button"), Press(thing="button")]),
    "home": lambda rng: (scene(), [Pick(thing=two(rng)[0]), Home()]),
    "two in a bowl": filled, "into the drawer": away, "out of the drawer": fetched, "red in blue, open": sentence,
    "interrupted": interrupted, "dropped": dropped, "drawer half way": half_way,
    **FIXTURES, **BLOCK_EPISODES, **BEAD_EPISODES,
}  # fmt: skip


@cache
def dials() -> Config:
    return load_config()


def attempt(name: str, seed: int) -> Result:
    """One episode in the scene of that seed."""
    layout, calls = SKILLS[name](np.random.default_rng(seed))
    config = dials()
    robot = SimRobot(layout, seed=seed)
    guard = Guard(robot, config.guard)
    executor = Executor(guard, Oracle(), config.executor)
    ticks = 0
    try:
        before = robot.observe(()).scene
        for call in calls:
            if isinstance(call, Cut):
                cut_short(executor, robot, call)
                continue
            outcome = executor.run(call)
            ticks = outcome.ticks
            if outcome.status != "done":
                return Result(f"{call.words}: {outcome.why}", ticks)
        began = robot.tick - ticks
        whole = [call.call if isinstance(call, Cut) else call for call in calls]
        settle(guard, whole[-1])
        after = robot.observe(()).scene
        assert before is not None and after is not None
        limits = [*(f"guarded: {limit}" for limit in guard.interventions), *(f"refused: {why}" for _, why in robot.rejected)]
        return Result(flaw(before, after, whole, began) or "; ".join(limits), ticks)
    finally:
        executor.close()
        robot.close()


def cut_short(executor: Executor, robot: SimRobot, cut: Cut) -> None:
    until = robot.tick + cut.ticks
    executor.run(cut.call, stop=lambda: "enough" if robot.tick >= until else None)
    if cut.slip:
        row = np.array([*robot.observe(()).state[7:13], 1.0], np.float32)
        for _ in range(8):
            robot.apply(row)


def settle(guard: Guard, call: Skill) -> None:
    """The oracle goes on with its last call, although it is done."""
    oracle = Oracle()
    for _ in range(0, AFTER_TICKS, 15):
        for row in call.act(guard.observe(()), oracle).actions[:15]:
            guard.apply(row)


def flaw(before: Scene, after: Scene, calls: list[Skill], began: int) -> str:
    """What is wrong at the end; empty if nothing is."""
    last = calls[-1]
    if not last.done(after.since(began)):
        return f"{last.words}: done, but undone when the hand had left"
    if not isinstance(last, Pick | Home | Pour | Sweep) and after.holding is not None:
        return f"{last.words}: the hand still holds {after.holding}"
    named = {value for call in calls for value in call.args.values()}
    for thing in before.things:
        moved = float(np.linalg.norm(np.subtract(after.find(thing.name).position, thing.position)))
        if thing.name not in named and thing.kind in ("block", "bowl") and moved > STRAY_M and not carried(before, thing.name, named):
            return f"{thing.name} was moved by {moved * 100:.0f} cm"
    return ""


def carried(before: Scene, name: str, named: set[str]) -> bool:
    """Things that lie in what was moved come along."""
    return any(place in named for place in before.where(name, "in", "on") if place != "table")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--seed-base", type=int, default=0)
    parser.add_argument("--skill", choices=[*SKILLS, "all"], default="all")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = []
    for name in SKILLS if given.skill == "all" else [given.skill]:
        results = {seed: attempt(name, seed) for seed in range(given.seed_base, given.seed_base + given.episodes)}
        failures = {seed: result.why for seed, result in results.items() if result.why}
        successes = given.episodes - len(failures)
        low, high = wilson(successes, given.episodes)
        ticks = float(np.mean([result.ticks for result in results.values()]))
        row = {"skill": name, "successes": successes, "episodes": given.episodes, "low": low, "high": high, "ticks": ticks}
        rows.append({**row, "failures": failures})
        if not given.json:
            print(f"{name:18} {successes:4} / {given.episodes}   {low:6.1%} to {high:6.1%}   {ticks:5.0f} ticks", flush=True)
            for seed, why in failures.items():
                print(f"    seed {seed}: {why}", flush=True)
    if given.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
