"""From a command line to a run of training: what is built, in which process, and how it goes on after a kill."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from agent.errors import ConfigError, hint
from agent.executor.files import out_folder
from agent.executor.models.small import FAMILIES, SmallConfig, config_from_json
from agent.executor.models.small_files import is_small, load_small
from agent.executor.policies import WEIGHTS, described
from agent.learn.dataset import Samples
from agent.learn.gate import closed_loop
from agent.learn.learner import Choices, Learner, SmallLearner
from agent.learn.team import Alone, run_team
from agent.learn.train import Plan, Training
from sim.tasks import template


@dataclass(frozen=True)
class Order:
    """Everything that a run depends on besides the data and the code; run.json."""

    family: str
    data: tuple[str, ...]
    """Folders of demonstrations."""
    plan: Plan
    init: str | None = None
    """A checkpoint to start from: a small policy's folder, or a full-size π0's or RDT's with its policy.yaml. Of a small policy of another
    family a part is taken: an RDT reads as a π0 does, and its reading is not trained further; others take the eyes."""
    reading: str | None = None
    """A small π0's folder: the RDT of `init` goes on, but reads as that π0 does, whose reading is not trained further."""
    lora: int | None = None
    """Rank of the low-rank updates that are trained instead of a full-size checkpoint's weights; None: all weights."""
    choices: Choices = field(default_factory=Choices)
    sizes: Mapping[str, Any] = field(default_factory=dict)
    """Changes to SmallConfig: {"pointing": false}."""
    gates: tuple[str, ...] = ()
    """Task templates that are tried in closed loop."""
    episodes: int = 10
    """Of each template."""

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ConfigError(f"There is no family '{self.family}'. Families: {', '.join(FAMILIES)}.{hint(self.family, FAMILIES)}")
        check_init(self)
        check_sizes(self)
        check_lost(self)
        for name in self.gates:
            template(name)


def check_init(order: Order) -> None:
    """ConfigError if what an order begins with is not there, or does not go together."""
    shipped = [f"weights/{folder.name}" for folder in sorted(WEIGHTS.glob("*")) if is_small(folder)]
    if order.init and not Path(order.init).exists():
        near = hint(order.init, shipped)
        raise ConfigError(f"--init {order.init}: there is no such folder. Weights that ship: {', '.join(shipped)}.{near}")
    if order.reading and order.family != "rdt":
        raise ConfigError(f"--reading {order.reading}: an RDT reads as a π0 does; a {order.family} has a reading of its own.")
    if order.reading and not order.init:
        raise ConfigError(f"--reading {order.reading} is for an RDT that is there: --init RDT. A new one: --init {order.reading}.")
    if order.lora is not None and (order.lora < 1 or not order.init or is_small(order.init)):
        raise ConfigError(f"--lora {order.lora}: a rank of 1 or more, of updates of a full-size checkpoint, which is --init FOLDER.")


def check_sizes(order: Order) -> None:
    """ConfigError for a size that small policies do not have, or cannot have."""
    known = {name: value for name, value in asdict(SmallConfig()).items() if name != "family"}
    for name, value in order.sizes.items():
        if name not in known:
            raise ConfigError(f"Small policies have no size '{name}'. Sizes: {', '.join(known)}.{hint(name, known)}")
        if not like(known[name], value, least=0 if name == "prefix" else 1):
            raise ConfigError(f"--size {name}={value}: it should be such a value as {name}={known[name]}.")
    try:
        small_config(order)
    except ValueError as error:
        raise ConfigError(f"--size: {error}") from error


def check_lost(order: Order) -> None:
    """ConfigError for pictures that cannot be taken away."""
    cameras = small_config(order).cameras
    for name, share in order.choices.lost.items():
        if order.init and not is_small(order.init):
            raise ConfigError(f"--lost {name}={share}: only of small policies; {order.init} is none.")
        if name not in cameras:
            raise ConfigError(f"--lost {name}={share}: there is no such camera. Cameras: {', '.join(cameras)}.{hint(name, cameras)}")
        if type(share) not in (int, float) or not 0 <= share < 1:
            raise ConfigError(f"--lost {name}={share}: a share from 0 to less than 1, for example {name}=0.3.")


def like(usual: Any, value: Any, least: int) -> bool:
    """Is this such a value: true or false, words, a whole number from `least` on, a share, as many of them?"""
    if isinstance(usual, tuple | list):
        alike = isinstance(value, tuple | list) and len(value) == len(usual)
        return alike and all(like(one, other, least) for one, other in zip(usual, value, strict=True))
    if isinstance(usual, bool | str):
        return type(value) is type(usual)
    return type(value) in (int, type(usual)) and (0 if isinstance(usual, float) else least) <= value < math.inf


def train(order: Order, say: Callable[[str], None] = print) -> Path:
    """Carry the order out, or go on with it; returns the folder of the checkpoint."""
    out = out_folder(Path(order.plan.out))
    note = out / "run.json"
    if note.is_file() and (out / "state.pt").is_file() and (other := differences(fixed(read_order(note)), fixed(order))):
        raise ConfigError(f"{out} holds another run ({other}). Give another --out, or the same options to go on.")
    part = note.with_suffix(".part")
    part.write_text(json.dumps(asdict(order), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, note)
    if order.init and not (out / "state.pt").is_file():
        say(beginning(order, order.init))
    run_team(order.plan.processes, work, order, say)
    return out / "policy"


def beginning(order: Order, init: str) -> str:
    """What is taken of the checkpoint that a new run begins with."""
    family = described(Path(init)).get("config", {}).get("family", order.family)
    if family == order.family:
        without = ", without what points: the paper's shape" if order.sizes.get("pointing") is False else ""
        return f"goes on with the weights of {init}{without}" + (f", reading as {order.reading} does" if order.reading else "")
    taken = "reads as it does" if (order.family, family) == ("rdt", "pi0") else "takes its eyes"
    return f"{init} is a {family}: this {order.family} {taken}, the rest begins from nothing"


FREE = ("out", "samples", "minutes", "processes", "device", "precision", "save_minutes", "check_samples", "gate_minutes", "shares")
"""What a run may go on with differently: how long, where and how closely it is watched, what is shown how often; not what is trained."""


def fixed(order: Order) -> dict[str, Any]:
    """What has to be the same for a run to go on."""
    said = asdict(order)
    plan = {name: value for name, value in said.pop("plan").items() if name not in FREE}
    return {**{name: value for name, value in said.items() if name not in ("data", "gates", "episodes")}, **plan}


def differences(there: dict[str, Any], now: dict[str, Any]) -> str:
    return "; ".join(f"{name} {value!r}, now {now[name]!r}" for name, value in there.items() if value != now[name])


def read_order(path: Path) -> Order:
    """The inverse of what `train` writes to run.json."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    parts = {"plan": Plan(**raw["plan"]), "choices": Choices(**raw["choices"]), "gates": tuple(raw["gates"]),
             "data": tuple(raw["data"])}  # fmt: skip
    return Order(**{**raw, **parts})


def work(team: Alone, order: Order, say: Callable[[str], None]) -> None:
    """One process's part."""
    learner = make_learner(order, Samples(*order.data))
    gate = partial(try_out, order) if order.gates else None
    # What AdamW pre-trained goes on with AdamW, and full-size checkpoints were (Liu et al. 2502.16982).
    plan = order.plan if isinstance(learner, SmallLearner) else replace(order.plan, optimiser="adamw")
    Training(plan, team, learner, lambda: Samples(*order.data), gate, say).run()


def make_learner(order: Order, data: Samples) -> Learner:
    """Fresh, from a small policy, or around a full-size one. A run that goes on takes numbers and words from its own checkpoint."""
    plan, own = order.plan, Path(order.plan.out) / "policy"
    begun = is_small(own) and (Path(plan.out) / "state.pt").is_file()
    given = load_small(order.init) if order.init and is_small(order.init) else None
    if order.init and given is None:
        from agent.learn.large import large_learner

        return large_learner(order.family, Path(order.init), order.lora, plan.device, data)
    if given and order.reading and given.config.family != "rdt":
        raise ConfigError(f"{order.init} is a {given.config.family}. A new RDT reads as that by --init alone; leave --reading out.")
    if given and given.config.family == order.family:
        same_sizes(order, given.config)
        learner = SmallLearner.further(own if begun else Path(order.init or ""), order.choices, plan.device)
        if order.sizes.get("pointing") is False and learner.small.config.pointing:
            learner.stop_pointing()
        learner.answer_with({name: order.sizes[name] for name in DIALS & order.sizes.keys()})
        if order.reading:
            if not begun:
                learner.begin_as(load_small(order.reading), telling=False)
            learner.keep_reading()
        return learner
    if begun:
        learner = SmallLearner.further(own, order.choices, plan.device)
    else:
        learner = SmallLearner.fresh(data, small_config(order), order.choices, plan.seed, plan.device)
    if given and not begun:
        learner.begin_as(given)
    if given and given.config.family == "pi0":
        learner.keep_reading()
    return learner


DIALS = {"steps", "noise", "prefix"}
"""Of the sizes, those that any weights can do with: how they are asked for an answer."""


def same_sizes(order: Order, theirs: SmallConfig) -> None:
    """ConfigError if other sizes are asked for than the weights have that are gone on with. A π0 can do without its pointing."""
    asked = small_config(order)
    free = DIALS | ({"pointing"} if theirs.pointing and order.family != "rdt" else set())
    for name in order.sizes.keys() - free:
        if (wanted := getattr(asked, name)) != (has := getattr(theirs, name)):
            raise ConfigError(f"--size {name}={wanted}: the weights of {order.init} have {name}={has}, and --init goes on with them. "
                              "Leave --init out to begin from nothing, or the --size.")  # fmt: skip


def small_config(order: Order) -> SmallConfig:
    return config_from_json({**asdict(SmallConfig()), "family": order.family, **order.sizes})


def try_out(order: Order, checkpoint: Path) -> dict[str, Any]:
    return closed_loop(order.family, checkpoint, order.gates, order.episodes)


def choose_device(wanted: str) -> str:
    """`auto`: an accelerator if torch sees one. ConfigError for a device that is not there."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=wanted)
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0]
        raise ConfigError(f"--device {wanted}: there is no such device here. Say cpu, cuda, or auto. ({why})") from error
    return wanted


__all__ = ["Order", "choose_device", "make_learner", "read_order", "train"]
