"""π0 and π0.5 as a Policy: a robot's observation → images, prompt and normalised state → a chunk of the robot's own actions.

A checkpoint folder holds the weights, normalisation statistics (assets/…/norm_stats.json), and policy.yaml, which says what they cannot:

    robot: aloha                        # a table of agent/executor/robots.py
    tokenizer: ../paligemma-3b-pt-224   # a folder with PaliGemma's tokenizer files
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import yaml
from pydantic import ValidationError

from agent.errors import ConfigError, PolicyError
from agent.executor.embodiment import Embodiment, Space
from agent.executor.models.fast import Compile, FastPi0
from agent.executor.models.pi0 import Pi0, to_mixed
from agent.executor.models.preprocess import PaliGemmaTokenizer, Pi0Transforms, Scaling, Stats, Tokenizer, load_stats
from agent.executor.models.small_files import is_small
from agent.executor.models.small_policy import small_policy
from agent.executor.models.weights import load_pi0
from agent.executor.robots import embodiment
from agent.types import Chunk, Frozen, Observation, Policy, Subtask


class Pi0Setup(Frozen):
    """policy.yaml. Paths are relative to the folder it lies in."""

    robot: str
    tokenizer: Path
    stats: Path = Path()
    """norm_stats.json, or a folder that holds exactly one, at any depth."""
    scaling: Scaling | None = None
    """None: as released, z-score for π0 and quantiles for π0.5."""
    delta: bool = True
    """Joints are predicted as differences to the state, where the robot's table says so."""
    write_state: bool = True
    """π0.5: the state is part of the prompt. False for pi05_libero, which sees no state."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16" if torch.cuda.is_available() else "float32"
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    steps: int = 10
    compile: Compile = "off"
    warm_up: bool = True
    """Record the programs of all text lengths before the first robot asks."""
    seed: int = 0


class Pi0Policy:
    """Reads `Subtask.words`, the robot's cameras and its state. The noise of a chunk follows from the seed and the tick alone."""

    def __init__(self, model: Pi0, robot: Embodiment, tokenizer: Tokenizer, stats: dict[str, Stats], setup: Pi0Setup) -> None:
        config = model.config
        self.robot, self.setup = robot, setup
        self.cameras = {view: camera for view, camera in robot.pi0_cameras.items() if camera is not None and view in config.cameras}
        self.transforms = Pi0Transforms(
            config=config,
            tokenizer=tokenizer,
            stats=stats,
            scaling=setup.scaling or ("quantile" if config.adaptive else "zscore"),
            action_width=config.action_dim,
            delta=delta_slots(robot.action, config.action_dim) if setup.delta else None,
            write_state=setup.write_state,
        )
        self.fast = FastPi0(model, setup.steps, setup.compile)
        self.spec = robot.policy_spec(config.family, config.horizon, cameras=self.cameras.values())
        if setup.warm_up:
            self.fast.warm_up(views=[len(self.cameras)])

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        """H rows of the robot's actions; raises PolicyError if a camera or the words are missing."""
        missing = [camera for camera in self.cameras.values() if camera not in observation.images]
        if missing:
            raise PolicyError(f"π0 needs the cameras {', '.join(self.cameras.values())}; the observation lacks {', '.join(missing)}.")
        started = time.perf_counter()
        slots = self.robot.state.to_pi0(observation.state)
        images = {view: observation.images[camera] for view, camera in self.cameras.items()}
        inputs = self.transforms.inputs(images, slots, subtask.words)
        config = self.transforms.config
        noise = np.random.default_rng((self.setup.seed, observation.tick)).standard_normal((1, config.horizon, config.action_dim))
        ready = time.perf_counter()
        chunk = self.fast.sample(inputs, torch.from_numpy(noise).float())[0].cpu().numpy()
        timing = {"prepare_ms": 1000 * (ready - started), "model_ms": 1000 * (time.perf_counter() - ready)}
        return Chunk(observation.tick, self.robot.action.from_pi0(self.transforms.actions(chunk, slots)), timing)


def delta_slots(space: Space, width: int) -> tuple[bool, ...] | None:
    """Which of the model's action slots are differences to the state; None if the robot's table has none."""
    slots = {slot for part in space.parts if part.delta for slot in part.pi0}
    return tuple(slot in slots for slot in range(width)) if slots else None


def pi0_policy(checkpoint: Path, **options: Any) -> Policy:
    """The policy in a checkpoint folder, small or large; raises ConfigError or WeightsError, which say what is missing. options: of a
    small one, see SmallPolicy; a large one has its policy.yaml."""
    if is_small(checkpoint):
        return small_policy(checkpoint, **options)
    if options:
        raise ConfigError(f"policy.options: full-size weights take none, they have a policy.yaml. Remove {', '.join(options)}.")
    folder = Path(checkpoint) if Path(checkpoint).is_dir() else Path(checkpoint).parent
    setup = read_setup(folder / "policy.yaml")
    stats, tokenizer = load_stats(folder / setup.stats), PaliGemmaTokenizer(folder / setup.tokenizer)
    model = load_pi0(checkpoint).to(setup.device)
    model = to_mixed(model) if setup.dtype == "bfloat16" else model.float()
    return Pi0Policy(model, embodiment(setup.robot), tokenizer, stats, setup)


def read_setup(path: Path) -> Pi0Setup:
    """policy.yaml, checked."""
    if not path.is_file():
        example = "  robot: aloha\n  tokenizer: ../paligemma-3b-pt-224"
        raise ConfigError(f"{path} is missing. It names the robot and the tokenizer, for example:\n{example}")
    try:
        return Pi0Setup.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigError(f"{path}: {error}\nIts keys: {', '.join(Pi0Setup.model_fields)}.") from error
