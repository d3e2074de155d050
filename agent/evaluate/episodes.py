"""What a protocol comes to: episodes, each played by its own seed in a world of its own."""

import base64
import json
import tempfile
import time
import traceback
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from agent.config import Config, PolicyConfig
from agent.demo import Demo, load_demo, play, shipped_demos
from agent.errors import ConfigError
from agent.evaluate.faults import Wanderer
from agent.evaluate.protocol import Fault, Protocol, Row, same_rows
from agent.evaluate.rollout import PLANNING, Line, Stage
from agent.evaluate.wrong import bound, changed, crowded, fits
from agent.executor.divided import Learned
from agent.executor.policies import checkpoint_of, make_policy, sha256_of
from agent.types import Fact, Frozen, Policy, Scene
from sim.language import say
from sim.looks import HELD_OUT, LOOKS
from sim.objects import COLOURS
from sim.objects import HELD_OUT as NEW
from sim.robot import PANDA
from sim.tasks import Task, Template, template, templates
from sim.tasks.chains import Chain, draw_chains, draw_start

CLEAN = "clean"
NEW_COLOURS = dict(zip((colour for colour in COLOURS if colour not in NEW), NEW, strict=False))
BROKEN: Line = {"success": False, "results": [], "done": 0, "share": 0.0, "subgoals": 0, "steps": [], "fired": [], "chain": [],
                "title": "", "ticks": 0, "decisions": 0}  # fmt: skip
"""The line of an episode that came to nothing."""


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
    """Every episode of a protocol, rows outermost; rows that are the same as another are not played. ConfigError for templates or
    demos that there are not."""
    rows = [row for row in protocol.rows if row not in same_rows(protocol.policy, protocol.rows)]
    if protocol.kind == "demos":
        names = [load_demo(name).name for name in protocol.templates] or [demo.name for demo in shipped_demos()]
        return [Episode(row="recovery", about=name, number=i) for name in names for i in range(protocol.episodes)]
    names = ["chain"] if protocol.kind == "chains" else list(chosen(protocol))
    clean = [Episode(row=row, about=name, number=i)
             for row in rows for name in names for i in range(protocol.episodes * protocol.times.get(name, 1))]  # fmt: skip
    return [*clean, *disturbed(protocol, rows, names)]


def disturbed(protocol: Protocol, rows: list[Row], names: list[str]) -> list[Episode]:
    found = []
    for row in rows:
        for perturbation in protocol.perturbations:
            for level, fault in enumerate(perturbation.levels, start=1):
                if protocol.level not in (None, level) or (fault.change and (row not in PLANNING or protocol.kind == "chains")):
                    continue  # nobody listens; and what comes later in a chain builds on what was asked for first
                about = [name for name in names if name in (perturbation.templates or names) or name == "chain"]
                found += [Episode(row=row, about=name, number=i, perturbation=perturbation.name, level=level)
                          for name in about for i in range(protocol.episodes)]  # fmt: skip
    return found


def chosen(protocol: Protocol) -> dict[str, Template]:
    """The protocol's templates."""
    return {name: template(name) for name in protocol.templates} if protocol.templates else templates()


def with_weights(protocol: Protocol) -> Protocol:
    """The protocol with the hash of the weights that its policy will have, and so a figure with the weights that it is of."""
    folder = checkpoint_of(PolicyConfig(name=protocol.policy, checkpoint=protocol.checkpoint))
    return protocol.model_copy(update={"weights": sha256_of(folder)}) if folder else protocol


def trained_for(protocol: Protocol, config: Config) -> Protocol:
    """The protocol with the templates that a learned policy was trained for; unchanged where templates are named, or the policy does not
    tell. ConfigError if there are none."""
    if protocol.templates or protocol.kind not in ("skills", "chains"):
        return protocol
    policy = policy_of(protocol, config, "plan", protocol.seed_base)
    if not isinstance(policy, Learned):
        return protocol
    starts = {name: draw_start(one, protocol.seed_base) for name, one in templates().items()}
    known = [name for name, (start, task) in starts.items() if all(policy.knows(step, start.scene) for step in task.plan)]
    if not known:
        raise ConfigError(f"The policy '{protocol.policy}' was trained for none of the templates. Name some: --templates.")
    return protocol.model_copy(update={"templates": tuple(known)})


def play_episode(protocol: Protocol, config: Config, episode: Episode) -> Line:
    """Play it; gives its line of the results, ready for JSON. A failure comes with a picture of how it ended, JPEG in base64.

    An episode that breaks off with an error is one that failed, and says why: the others are still worth playing.
    """
    began = time.monotonic()
    try:
        line = played(protocol, config, episode)
    except Exception as error:
        line = {**BROKEN, "why": f"it broke off: {type(error).__name__}: {error}", "trace": traceback.format_exc()}
    seed = protocol.seed_base + episode.number
    return {"key": episode.key, **episode.model_dump(), "seed": seed, **line, "wall_s": round(time.monotonic() - began, 2)}


def played(protocol: Protocol, config: Config, episode: Episode) -> Line:
    if protocol.kind == "demos":
        return play_demo(load_demo(episode.about), protocol, config, episode)
    if protocol.kind == "chains":
        return play_chain(chain_of(protocol, episode.number), protocol, config, episode)
    return play_one(protocol, config, episode)


def play_one(protocol: Protocol, config: Config, episode: Episode) -> Line:
    """One task of a template, perhaps with something going wrong."""
    seed, fault = protocol.seed_base + episode.number, fault_of(protocol, episode)
    start, task = draw_start(template(episode.about), seed, lambda layout: dressed(layout, protocol, seed))
    begun = crowded(start, task, fault, seed) if fault.distractors else start
    if begun is None or not fits(fault, task, start.scene):
        return {"success": False, "skipped": "it does not fit this task", "results": []}
    stage = Stage(config, begun, policy_of(protocol, config, episode.row, seed), episode.row, fault)
    try:
        stage.prelude(template(episode.about).prelude, kept_policy("oracle"))
        scene = stage.watched.scene()
        then = changed(fault, task, scene) if fault.change else None
        if (fault.change and then is None) or not fits(fault, task, scene):
            return {"success": False, "skipped": "there is nothing to change to, or to move", "results": []}
        stage.disturb(bound(fault, task, scene, seed))
        result = stage.play(task, words_for(protocol, task, start.scene, seed), protocol.ticks, then)
        return {**ended(stage, [result]), "success": result["success"]}
    finally:
        stage.close()


def dressed(layout: dict[str, Any], protocol: Protocol, seed: int) -> dict[str, Any]:
    """A layout with the look and the colours of the protocol; equal otherwise."""
    if protocol.colours == "held out":
        layout = recoloured(layout)
    if protocol.look == "own":
        return layout
    trained = [look for look in LOOKS if look != HELD_OUT]
    return {**layout, "look": HELD_OUT if protocol.look == "held out" else trained[seed % len(trained)]}


def recoloured(value: Any) -> Any:
    """Names with the colours that nothing is trained on; those that there are too few of stay."""
    if isinstance(value, dict):
        return {key: recoloured(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [recoloured(item) for item in value]
    return " ".join(NEW_COLOURS.get(word, word) for word in value.split(" ")) if isinstance(value, str) else value


def play_chain(chain: Chain, protocol: Protocol, config: Config, episode: Episode) -> Line:
    """Tasks one after the other in one world, up to the first that fails; what goes wrong meets the first task that it fits."""
    seed, fault = chain.start.seed, fault_of(protocol, episode)
    first = next((i for i, task in enumerate(chain.tasks) if fits(fault, task, chain.start.scene)), None)
    begun = crowded(chain.start, chain.tasks[0], fault, seed) if fault.distractors else chain.start
    if first is None or begun is None:
        return {"success": False, "skipped": "it does not fit any task of this chain", "results": []}
    stage = Stage(config, begun, policy_of(protocol, config, episode.row, seed), episode.row, fault)
    results: list[Line] = []
    try:
        for index, task in enumerate(chain.tasks):
            scene = stage.watched.scene()
            if index == first and fits(fault, task, scene):
                stage.disturb(bound(fault, task, scene, seed))
            results.append(stage.play(task, words_for(protocol, task, scene, seed), protocol.ticks))
            if not results[-1]["success"]:
                break
        done = sum(result["success"] for result in results)
        return {**ended(stage, results), "success": done == len(chain.tasks), "done": done, "disturbed_task": first,
                "chain": [task.words for task in chain.tasks]}  # fmt: skip
    finally:
        stage.close()


def play_demo(demo: Demo, protocol: Protocol, config: Config, episode: Episode) -> Line:
    """A scripted conversation, as `saydo demo` has it with that policy; how much of what must hold at the end does, and whose chunks the
    arm followed."""
    chosen = {"name": protocol.policy, "options": protocol.options, "checkpoint": checkpoint_for(protocol, config)}
    with tempfile.TemporaryDirectory(prefix="saydo-eval-") as folder:
        settings = config.model_copy(update={
            "policy": config.policy.model_copy(update=chosen),
            "robot": config.robot.model_copy(update={"scene": demo.scene, "seed": demo.seed + episode.number}),
            "runs": config.runs.model_copy(update={"folder": Path(folder), "video": False}),
        })  # fmt: skip
        seen: set[Fact] = set()
        told: list[dict[str, Any]] = []
        result, missing = play(demo, settings, local=True, seen=seen, watch=told.append)
    asked = len(demo.ends.facts) + len(demo.ends.not_facts) + 2
    share = demo.score(result.scene, seen) if demo.subgoals else 1 - len(missing) / asked
    lacking = [" ".join(goal.fact) for goal in demo.subgoals if goal.fact not in (seen if goal.ever else result.scene.facts)]
    why = "; ".join(dict.fromkeys([*missing, *lacking]))
    steps = [f"{event['subtask']['words']}: {event['status']}" for event in told if event["kind"] == "outcome"]
    return {"success": not missing and share == 1.0, "share": share, "why": f"{why} ({result.why})" if why else "", "results": [],
            "subgoals": len(demo.subgoals) or asked, "title": demo.title, "steps": steps, "ticks": result.scene.tick,
            "decisions": sum(event["kind"] == "decision" for event in told),
            "by": Counter(event.get("by", protocol.policy) for event in told if event["kind"] == "chunk")}  # fmt: skip


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
    if row in ("oracle", "oracle-skills"):
        return kept_policy("oracle")
    if row == "random" or protocol.policy == "random":
        return Wanderer(PANDA, seed)
    return kept_policy(protocol.policy, checkpoint_for(protocol, config), json.dumps(protocol.options))


def checkpoint_for(protocol: Protocol, config: Config) -> Path | None:
    """The protocol's; where it names none, that of the configuration for the same policy."""
    return config.policy.checkpoint if protocol.checkpoint is None and protocol.policy == config.policy.name else protocol.checkpoint


@cache
def kept_policy(name: str, checkpoint: Path | None = None, options: str = "{}") -> Policy:
    """options: as JSON."""
    return make_policy(PolicyConfig(name=name, checkpoint=checkpoint, options=json.loads(options)))


@cache
def _chains(names: tuple[str, ...], count: int, length: int, seed_base: int) -> list[Chain]:
    return draw_chains({name: template(name) for name in names}, count, length, seed_base)


def chain_of(protocol: Protocol, number: int) -> Chain:
    """Chains are drawn together, since that is how templates are kept equally frequent."""
    return _chains(tuple(chosen(protocol)), protocol.episodes, protocol.length, protocol.seed_base)[number]


def words_for(protocol: Protocol, task: Task, scene: Scene, seed: int) -> str:
    """What is said: the template's own sentence, or one drawn from the protocol's set."""
    return task.words if protocol.language == "plain" else say(task, scene, protocol.language, seed)
