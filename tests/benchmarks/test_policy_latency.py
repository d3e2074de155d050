import subprocess
import sys
from pathlib import Path

import pytest

from agent.executor.models.pi0 import PI0
from benchmarks.policy_latency import pi0_flops

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("views", "image", "prefix"), [(1, 0.3, 1.5), (2, 0.6, 2.7), (3, 0.8, 4.0)])
def test_the_work_counted_is_the_known_limit(views: int, image: float, prefix: float) -> None:
    """Milliseconds at 790 TFLOP/s, as counted independently beforehand."""
    ours = [1000 * flops / 790e12 for flops in pi0_flops(PI0, views, 48, 10)]
    assert ours[:2] == pytest.approx([image, prefix], abs=0.06)


@pytest.mark.parametrize(
    ("model", "stages"),
    [("pi0", ("image", "prefix", "steps", "guided", "chunk")), ("rdt", ("image", "prefix", "steps", "uncached", "chunk"))],
)
def test_every_stage_is_timed(model: str, stages: tuple[str, ...]) -> None:
    options = ["--model", model, "--size", "tiny", "--guided", "--views", "2", "--repeats", "2", "--steps", "2"]
    command = [sys.executable, "benchmarks/policy_latency.py", *options]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    lines = [line for line in result.stdout.splitlines() if line.startswith(model)]
    assert all(any(f" {stage} " in line for line in lines) for stage in stages), result.stdout
