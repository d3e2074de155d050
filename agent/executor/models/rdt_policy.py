"""RDT as a Policy: a robot's observation → words, views and unified state → a chunk of the robot's own actions.

A checkpoint folder holds the published config.json and weights, and beside them policy.yaml, which says what the weights cannot:

    robot: agilex                       # a table of agent/executor/robots.py
    images: ../siglip-so400m-patch14-384
    words: ../t5-v1_1-xxl               # or stored sentences: a .safetensors file, or a folder of .pt files
"""

import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import yaml
from pydantic import ValidationError
from torch import Tensor

from agent.errors import ConfigError, PolicyError
from agent.executor.embodiment import Embodiment
from agent.executor.models.encoders import T5, ImageEncoder, Siglip, StoredWords, Views, WordsEncoder, as_trained
from agent.executor.models.fast import Compile
from agent.executor.models.rdt import RDT, Senses
from agent.executor.models.rdt_fast import FastRDT
from agent.executor.models.small_files import is_small
from agent.executor.models.small_policy import small_policy
from agent.executor.models.weights import load_rdt
from agent.executor.robots import embodiment
from agent.types import Array, Chunk, Frozen, Observation, Policy, Subtask

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class RDTSetup(Frozen):
    """policy.yaml. Paths are relative to the folder it lies in."""

    robot: str
    images: Path
    words: Path
    dtype: Literal["float32", "bfloat16"] = "bfloat16" if torch.cuda.is_available() else "float32"
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    steps: int | None = None
    """Solver steps per chunk; None: as the checkpoint says (5)."""
    history: int = 0
    """How many ticks ago a picture may have been taken to count as the one before (trained on: 1; see `RDTPolicy.watch`). 0: the one
    before is always missing, as it must be for a policy that several robots ask."""
    compile: Compile = "off"
    warm_up: bool = True
    """Record the programs of usual sentence lengths before the first robot asks."""
    seed: int = 0


class RDTPolicy:
    """Reads `Subtask.words`, the robot's cameras and its state. The noise of a chunk follows from the seed and the tick alone."""

    def __init__(self, model: RDT, robot: Embodiment, eyes: ImageEncoder, reader: WordsEncoder, setup: RDTSetup) -> None:
        views, (instants, cameras, patches) = robot.rdt_cameras, model.config.grid
        given = (len(views), eyes.tokens, eyes.width, reader.width)
        wanted = (cameras, abs(patches), model.config.image_width, model.config.words_width)
        if given != wanted:
            sizes = "{} cameras × {} tokens of {}, words of {}"
            raise PolicyError(f"The encoders do not fit the model. They give {sizes.format(*given)}; it reads {sizes.format(*wanted)}.")
        self.model, self.robot, self.reader, self.setup = model, robot, reader, setup
        self.fast = FastRDT(model, setup.steps, setup.compile)
        self.views = Views(eyes, tuple(views.values()), instants=instants, reach=setup.history)
        self.spec = robot.policy_spec("rdt", model.config.horizon, cameras=[camera for camera in views.values() if camera])
        self._read: dict[str, tuple[Tensor, Tensor]] = {}
        if setup.warm_up:
            self.fast.warm_up()

    def watch(self, observation: Observation) -> None:
        """Show it an observation between chunks, so that it knows the picture before; costs one encoding of each camera. For a policy of
        one robot, with `history` above 0."""
        self.views.watch(observation.tick, observation.images)

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        """H rows of the robot's actions; raises PolicyError if a camera is missing or the sentence cannot be read."""
        missing = [camera for camera in self.spec.cameras if camera not in observation.images]
        if missing:
            raise PolicyError(f"RDT needs the cameras {', '.join(self.spec.cameras)}; the observation lacks {', '.join(missing)}.")
        started = time.perf_counter()
        self.watch(observation)
        images = self.views.tokens(observation.tick)
        seen = time.perf_counter()
        senses = self._senses(observation.state, images, subtask.words)
        shape = (1, self.model.config.horizon, self.model.config.action)
        noise = np.random.default_rng((self.setup.seed, observation.tick)).standard_normal(shape)
        slots = self.fast.sample(senses, torch.from_numpy(noise).float())[0].float().cpu().numpy()
        timing = {"image_ms": 1000 * (seen - started), "denoise_ms": 1000 * (time.perf_counter() - seen)}
        return Chunk(observation.tick, self.robot.action.from_rdt(slots), timing)

    def _senses(self, state: Array, images: Tensor, words: str) -> Senses:
        like = next(self.model.parameters())
        if words not in self._read:
            if len(self._read) >= 256:
                self._read.clear()
            self._read[words] = self.reader.encode([as_trained(words)])
        tokens, mask = self._read[words]
        has = torch.from_numpy(self.robot.rdt_mask)[None]
        return Senses(
            words=tokens.to(like),
            words_mask=mask.to(like.device),
            images=images.to(like),
            state=torch.from_numpy(self.robot.state.to_rdt(state))[None].to(like),
            has=has.to(like),
            hz=torch.tensor([self.robot.rate_hz], device=like.device),
        )


def rdt_policy(checkpoint: Path, **options: Any) -> Policy:
    """The policy in a checkpoint folder, small or large; raises ConfigError or WeightsError, which say what is missing. options: of a
    small one, see SmallPolicy; a large one has its policy.yaml."""
    if is_small(checkpoint):
        return small_policy(checkpoint, **options)
    if options:
        raise ConfigError(f"policy.options: full-size weights take none, they have a policy.yaml. Remove {', '.join(options)}.")
    folder = Path(checkpoint) if Path(checkpoint).is_dir() else Path(checkpoint).parent
    setup = read_setup(folder / "policy.yaml")
    dtype = DTYPES[setup.dtype]
    model = load_rdt(checkpoint, dtype).to(setup.device)
    words, reader = folder / setup.words, None
    if (words / "config.json").is_file():
        reader = T5.from_folder(words, dtype, most=abs(model.config.words)).to(setup.device)
    eyes = Siglip.from_folder(folder / setup.images, dtype).to(setup.device)
    return RDTPolicy(model, embodiment(setup.robot), eyes, reader or StoredWords.from_path(words), setup)


def read_setup(path: Path) -> RDTSetup:
    """policy.yaml, checked."""
    if not path.is_file():
        example = "  robot: agilex\n  images: ../siglip\n  words: ../t5"
        raise ConfigError(f"{path} is missing. It names the robot and the encoders, for example:\n{example}")
    try:
        return RDTSetup.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigError(f"{path}: {error}\nIts keys: {', '.join(RDTSetup.model_fields)}.") from error
