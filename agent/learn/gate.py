"""Does the checkpoint so far do the job? `saydo eval skills` in a process of its own: through the executor, in full contact physics.

The error on held-out frames says little about that: a policy that is a centimetre off in the mean may do nearly all or only two thirds of
the placing. So runs are steered by episodes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.errors import SaydoError

SEEDS = 600_000
"""The first seed of these episodes: neither those of demonstrations nor those that results are reported on."""
PATIENCE_S = 3600.0


def closed_loop(policy: str, checkpoint: Path, templates: Sequence[str], episodes: int, seed_base: int = SEEDS) -> dict[str, Any]:
    """Successes by template as shares, and `all`; the template's plan, each step by the policy. Raises SaydoError if it does not end."""
    if not templates:
        return {}
    folder = checkpoint.parent / "gates" / str(len(list((checkpoint.parent / "gates").glob("*"))) + 1)
    command = [
        sys.executable, "-m", "agent", "eval", "skills", "--policy", policy, "--checkpoint", str(checkpoint), "--rows", "plan",
        "--templates", ",".join(templates), "--episodes", str(episodes), "--seed-base", str(seed_base),
        "--out", str(folder), "--local", "--json",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=PATIENCE_S, preexec_fn=_nicer, check=False)
    try:
        result = json.loads(ended.stdout.strip().splitlines()[-1])
        rows = result["rows"]["plan"]
    except (IndexError, ValueError, KeyError) as error:
        last = (ended.stderr.strip() or ended.stdout.strip() or "it said nothing").splitlines()[-1]
        raise SaydoError(f"The closed-loop evaluation of {checkpoint} failed: {last}") from error
    found = {one["name"]: round(one["successes"] / max(one["n"], 1), 3) for one in rows}
    return {**found, "all": round(sum(one["successes"] for one in rows) / max(sum(one["n"] for one in rows), 1), 3), "n": episodes}


def _nicer() -> None:
    os.nice(5)


__all__ = ["SEEDS", "closed_loop"]
