"""Name → policy. Built in by name, your own as `module:Class`; a light module, so that a serving process starts quickly."""

import importlib
import sys
from pathlib import Path
from typing import Any

from agent.config import PolicyConfig
from agent.errors import ConfigError, hint
from agent.types import Policy

BUILT_IN = {
    "oracle": "sim.oracle:Oracle",
    "pi0": "agent.executor.models.pi0_policy:pi0_policy",
    "rdt": "agent.executor.models.rdt_policy:rdt_policy",
}
NEED_CHECKPOINT = {"pi0", "rdt"}


def make_policy(config: PolicyConfig) -> Policy:
    """The policy that `config` names; a checkpoint, where one is given, is handed to its class as `checkpoint=`."""
    if config.name not in BUILT_IN and ":" not in config.name:
        raise ConfigError(
            f"policy.name: there is no policy '{config.name}'. Built in: {', '.join(BUILT_IN)}; or your own as module:Class."
            f"{hint(config.name, BUILT_IN)}"
        )
    if config.name in NEED_CHECKPOINT and config.checkpoint is None:
        raise ConfigError(
            f"policy.name: '{config.name}' needs a checkpoint folder. Give --checkpoint DIR or policy.checkpoint in config.yaml."
        )
    options: dict[str, Any] = {"checkpoint": config.checkpoint} if config.checkpoint else {}
    policy = named_class(BUILT_IN.get(config.name, config.name), "policy.name")(**options)
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
