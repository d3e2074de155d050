"""Name → policy. Built in by name, your own as `module:Class`; a light module, so that a serving process starts quickly."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from agent.config import PolicyConfig
from agent.errors import ConfigError, hint
from agent.executor.divided import Divided, Learned
from agent.types import Policy

BUILT_IN = {
    "oracle": "sim.oracle:Oracle",
    "pi0": "agent.executor.models.pi0_policy:pi0_policy",
    "pi0-small": "agent.executor.models.pi0_policy:pi0_policy",
    "rdt": "agent.executor.models.rdt_policy:rdt_policy",
}
NEED_CHECKPOINT = {"pi0", "pi0-small", "rdt"}
SMALL = "saydo-small"
"""What a small policy's config.json calls its format."""
WEIGHTS = Path(__file__).parents[2] / "weights"
"""The policies that ship, each in a folder of its name."""


def make_policy(config: PolicyConfig) -> Policy:
    """The policy that `config` names; a checkpoint, where there is one, is handed to its class as `checkpoint=`, its options by name. A
    learned policy shares the work with `config.otherwise`."""
    policy = _make(config)
    if config.otherwise is None or config.otherwise == config.name or not isinstance(policy, Learned):
        return policy
    return Divided(policy, _make(PolicyConfig(name=config.otherwise, checkpoint=None)))


def checkpoint_of(config: PolicyConfig) -> Path | None:
    """The folder of weights that is used: the one that is named, else the one that ships for this policy, if there is one."""
    shipped = WEIGHTS / config.name
    return config.checkpoint or (shipped if (shipped / "config.json").is_file() else None)


def weights_of(config: PolicyConfig) -> str | None:
    """Which weights these are, for records: the folder and the beginning of their sha256. None without weights."""
    folder = checkpoint_of(config)
    if folder is None:
        return None
    name, sha256 = f"weights/{folder.name}" if folder.parent == WEIGHTS else str(folder), sha256_of(folder)
    return f"{name} (sha256 {sha256[:12]})" if sha256 else name


def sha256_of(folder: Path) -> str | None:
    """Of the weights in a small policy's folder, as its card has it; None for others."""
    sha256 = described(folder).get("sha256")
    return None if sha256 is None else str(sha256)


def described(folder: Path) -> dict[str, Any]:
    """A small policy's config.json; empty for other checkpoints."""
    try:
        raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) and raw.get("format") == SMALL else {}


def check_checkpoint(config: PolicyConfig, checkpoint: Path) -> None:
    """ConfigError if there is no such folder, or it holds a small policy of another family."""
    if not checkpoint.exists():
        beside = [str(path) for path in checkpoint.parent.glob("*") if path.is_dir()]
        raise ConfigError(f"policy.checkpoint: there is no {checkpoint}. Name a checkpoint's folder; left out, weights/{config.name} is "
                          f"used if it ships.{hint(str(checkpoint), beside)}")  # fmt: skip
    family = described(checkpoint).get("config", {}).get("family", config.name)
    if family != config.name:
        raise ConfigError(f"policy.checkpoint: {checkpoint} holds a {family}, not a {config.name}. Say --policy {family}.")


def _make(config: PolicyConfig) -> Policy:
    if config.name not in BUILT_IN and ":" not in config.name:
        raise ConfigError(
            f"policy.name: there is no policy '{config.name}'. Built in: {', '.join(BUILT_IN)}; or your own as module:Class."
            f"{hint(config.name, BUILT_IN)}"
        )
    checkpoint = checkpoint_of(config)
    if config.name in NEED_CHECKPOINT and checkpoint is None:
        raise ConfigError(
            f"policy.name: '{config.name}' needs a checkpoint folder. Give --checkpoint DIR or policy.checkpoint in config.yaml."
        )
    if checkpoint is not None and config.name in NEED_CHECKPOINT:
        check_checkpoint(config, checkpoint)
    options = {**({"checkpoint": checkpoint} if checkpoint else {}), **config.options}
    try:
        policy = named_class(BUILT_IN.get(config.name, config.name), "policy.name")(**options)
    except TypeError as error:
        raise ConfigError(f"policy.options: {config.name} does not take them: {error}.") from error
    if not isinstance(policy, Policy):
        raise ConfigError(f"policy.name: {config.name} is not a policy: it needs `spec` and `predict(observation, subtask)`.")
    return policy


def named_class(name: str, key: str) -> Any:
    """`module:Class` → the class, or a ConfigError that says what was tried; the folder saydo was started in counts as a place to look."""
    module, _, attribute = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{key}: cannot load '{name}': {error}.") from error
