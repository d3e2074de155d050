"""What a protocol comes to: episodes, each played by its own seed in a world of its own."""

import base64
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from agent.config import Config, PolicyConfig
from agent.demo import Demo, Saying, load_demo, play, shipped_demos
from agent.evaluate.faults import Wanderer
from agent.evaluate.protocol import Fault, Protocol, Row
from agent.evaluate.rollout import Line, Stage
from agent.executor.policies import make_policy
from agent.types import Frozen, Policy, Scene
from sim.disturb import SPACING, Disturbance, When
from sim.language import say
from sim.layout import REGIONS
from sim.robot import PANDA
from sim.tasks import Task, Template, template, templates
from sim.tasks.chains import Chain, Start, draw_chains, draw_start

WITH_PLANNER = ("planner", "recovery")
CLEAN = "clean"


class Episode(Frozen):
    """One episode of a protocol."""

    row: Row
    about: str
    """The template, the demo, or "chain"."""
    number: int
    """Counts within its row and kind; its seed is the protocol's seed_base plus this."""
    perturbation: str = CLEAN
    level: int = 0

    @property
    def key(self) -> str:
        """Unique within a protocol."""
        return f"{self.row}/{self.about}/{self.perturbation}/{self.level}/{self.number}"


def episodes_of(protocol: Protocol) -> list[Episode]:
    """Every episode of a protocol, rows outermost. ConfigError for templates or demos that there are not."""
    if protocol.kind == "chains":
        return [Episode(row=row, about="chain", number=i) for row in protocol.rows for i in range(protocol.episodes)]
    if protocol.kind == "demos":
        names = [load_demo(name).name for name in protocol.templates] or [demo.name for demo in shipped_demos()]
        return [Episode(row="recovery", about=name, number=i) for name in names for i in range(protocol.episodes)]
    names = list(chosen(protocol))
    clean = [Episode(row=row, about=name, number=i) for row in protocol.rows for name in names for i in range(protocol.episodes)]
    return clean if protocol.kind == "skills" else [*clean, *disturbed(protocol, names)]


def disturbed(protocol: Protocol, names: list[str]) -> list[Episode]:
    found = []
    for row in protocol.rows:
        for perturbation in protocol.perturbations:
            for level, fault in enumerate(perturbation.levels, start=1):
                if fault.change and row not in WITH_PLANNER:
                    continue  # nobody listens
                about = [name for name in names if name in (perturbation.templates or names)]
                found += [Episode(row=row, about=name, number=i, perturbation=perturbation.name, level=level)
                          for name in about for i in range(protocol.episodes)]  # fmt: skip
    return found


def chosen(protocol: Protocol) -> dict[str, Template]:
    """The protocol's templates."""
    return {name: template(name) for name in protocol.templates} if protocol.templates else templates()


def play_episode(protocol: Protocol, config: Config, episode: Episode) -> Line:
    """Play it; gives its line of the results, ready for JSON. A failure comes with a picture of how it ended, JPEG in base64."""
    began = time.monotonic()
    if protocol.kind == "demos":
        line = play_demo(load_demo(episode.about), config, episode)
    elif protocol.kind == "chains":
        line = play_chain(chain_of(protocol, episode.number), protocol, config, episode)
    else:
        line = play_one(protocol, config, episode)
    seed = protocol.seed_base + episode.number
    return {"key": episode.key, **episode.model_dump(), "seed": seed, **line, "wall_s": round(time.monotonic() - began, 2)}


def play_one(protocol: Protocol, config: Config, episode: Episode) -> Line:
    """One task of a template, perhaps with something going wrong."""
    seed = protocol.seed_base + episode.number
    start, task = draw_start(template(episode.about), seed)
    fault = fault_of(protocol, episode)
    wrong = [written(item, task, start, seed) for item in fault.wrong]
    policy = policy_of(protocol, config, episode.row, seed)
    stage = Stage(config, start, policy, episode.row, fault, wrong)
    try:
        stage.prelude(template(episode.about).prelude, make_policy(PolicyConfig(name="oracle", checkpoint=None)))
        then = changed(fault, task, start.scene) if fault.change else None
        if fault.change and then is None:
            return {"success": False, "skipped": "there is nothing to change to", "results": []}
        result = stage.play(task, words_for(protocol, task, start.scene, seed), protocol.ticks, then)
        return {**ended(stage, [result]), "success": result["success"]}
    finally:
        stage.close()


def play_chain(chain: Chain, protocol: Protocol, config: Config, episode: Episode) -> Line:
    """Tasks one after the other in one world, up to the first that fails."""
    seed = chain.start.seed
    stage = Stage(config, chain.start, policy_of(protocol, config, episode.row, seed), episode.row, Fault())
    results: list[Line] = []
    try:
        for task in chain.tasks:
            results.append(stage.play(task, words_for(protocol, task, stage.watched.scene(), seed), protocol.ticks))
            if not results[-1]["success"]:
                break
        done = sum(result["success"] for result in results)
        return {**ended(stage, results), "success": done == len(chain.tasks), "done": done, "chain": [task.words for task in chain.tasks]}
    finally:
        stage.close()


def play_demo(demo: Demo, config: Config, episode: Episode) -> Line:
    """A scripted conversation; how much of what must hold at the end does."""
    with tempfile.TemporaryDirectory(prefix="saydo-eval-") as folder:
        settings = config.model_copy(update={
            "robot": config.robot.model_copy(update={"scene": demo.scene, "seed": demo.seed + episode.number}),
            "runs": config.runs.model_copy(update={"folder": Path(folder), "video": False}),
        })  # fmt: skip
        result, missing = play(demo, settings, local=True)
    asked = len(demo.ends.facts) + len(demo.ends.not_facts) + 2
    steps = [f"{step.subtask.words}: {step.outcome.status}" for step in result.subtasks]
    return {"success": not missing, "share": 1 - len(missing) / asked, "why": "; ".join(missing), "results": [], "steps": steps,
            "ticks": result.scene.tick, "decisions": len(result.decisions)}  # fmt: skip


def ended(stage: Stage, results: list[Line]) -> Line:
    """What every episode tells at its end."""
    line: Line = {"results": results, "fired": stage.robot.fired, "rejected": len(stage.robot.rejected)}
    if not results[-1]["success"]:
        line["picture"] = base64.b64encode(stage.picture()).decode()
    return line


def fault_of(protocol: Protocol, episode: Episode) -> Fault:
    if episode.perturbation == CLEAN:
        return Fault()
    return next(found for found in protocol.perturbations if found.name == episode.perturbation).levels[episode.level - 1]


def policy_of(protocol: Protocol, config: Config, row: Row, seed: int) -> Policy:
    """The protocol's policy, made once per process; the random row has its own, made for the robot at hand."""
    if row == "random" or protocol.policy == "random":
        return Wanderer(PANDA, seed)
    if protocol.policy == config.policy.name and protocol.checkpoint is None:
        return kept_policy(config.policy.name, config.policy.checkpoint)
    return kept_policy(protocol.policy, protocol.checkpoint)


@cache
def kept_policy(name: str, checkpoint: Path | None) -> Policy:
    return make_policy(PolicyConfig(name=name, checkpoint=checkpoint))


@cache
def _chains(names: tuple[str, ...], count: int, length: int, seed_base: int) -> list[Chain]:
    return draw_chains({name: template(name) for name in names}, count, length, seed_base)


def chain_of(protocol: Protocol, number: int) -> Chain:
    """Chains are drawn together, since that is how templates are kept equally frequent."""
    return _chains(tuple(chosen(protocol)), protocol.episodes, protocol.length, protocol.seed_base)[number]


def words_for(protocol: Protocol, task: Task, scene: Scene, seed: int) -> str:
    """What is said: the template's own sentence, or one drawn from the protocol's set."""
    return task.words if protocol.language == "plain" else say(task, scene, protocol.language, seed)


def changed(fault: Fault, task: Task, scene: Scene) -> tuple[Task, Saying] | None:
    """The same thing somewhere else, and how it is said; None where there is nowhere else."""
    assert fault.change is not None
    others = [other for other in template(task.template).find(scene)
              if other.args.get("thing") == task.args.get("thing") and other.words != task.words]  # fmt: skip
    if not others:
        return None
    when = When.model_validate(filled(fault.change.when, task))
    return others[0], Saying(words=f"no, {others[0].words} instead", when=when)


def written(item: dict[str, Any], task: Task, start: Start, seed: int) -> Disturbance:
    """A disturbance of a protocol with the task's names in it; `far` becomes a free spot so far from where the thing is."""
    from pydantic import TypeAdapter

    values = filled(item, task)
    if "far" in values:
        values["to"] = spot_at(start.scene, values["thing"], float(values.pop("far")), seed)
    found: Disturbance = TypeAdapter(Disturbance).validate_python(values)
    return found


def filled(value: Any, task: Task) -> Any:
    """Names in braces replaced by the task's things."""
    if isinstance(value, dict):
        return {key: filled(item, task) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [filled(item, task) for item in value]
    return value.format_map(task.args) if isinstance(value, str) else value


def spot_at(scene: Scene, name: str, far: float, seed: int) -> list[float]:
    """A free spot on the table at that distance, m, or as near to that as there is one: x, y."""
    rng = np.random.default_rng([seed, 11])
    here = np.array(scene.find(name).position[:2])
    others = [np.array(thing.position[:2]) for thing in scene.things if thing.kind in ("block", "bowl") and thing.name != name]
    corners = [(x, y) for x, y in REGIONS[:1]]
    best, best_cost = here, float("inf")
    for angle in rng.uniform(-np.pi, np.pi, 60):
        for share in (1.0, 0.8, 1.3):
            spot = here + far * share * np.array([np.cos(angle), np.sin(angle)])
            out = sum(float(max(low - at, at - high, 0.0)) for at, (low, high) in zip(spot, corners[0], strict=True))
            near = max(0.0, SPACING - min((float(np.hypot(*(spot - other))) for other in others), default=1.0))
            cost = out + near + 0.01 * abs(share - 1)
            if cost < best_cost:
                best, best_cost = spot, cost
    return [round(float(value), 4) for value in best]
