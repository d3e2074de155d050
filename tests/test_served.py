"""The whole agent with its policy behind Ray Serve: the same results as in process, and a killed replica costs a pause."""

import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.app import open_agent
from agent.config import SHIPPED, Config, load_config
from agent.executor.policies import make_policy
from agent.executor.running import announced, find_server
from agent.executor.serve import Served, serve_policy

pytestmark = pytest.mark.ray
PUT = "put the red block in the blue bowl, then open the drawer"


def settings(folder: Path, seed: int = 0) -> Config:
    return load_config(SHIPPED, {"runs.folder": str(folder), "runs.video": False, "robot.seed": seed})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    config = settings(tmp_path_factory.mktemp("serve"))
    with serve_policy(partial(make_policy, config.policy), config.serve) as served, announced(served, "oracle"):
        assert find_server() is not None
        yield served


@pytest.mark.parametrize("seed", [0, 6])
def test_served_and_in_process_agree_bit_for_bit(served: Served, tmp_path: Path, seed: int) -> None:
    results = []
    for local in (True, False):
        with open_agent(settings(tmp_path / str(local), seed), PUT, local=local) as agent:
            results.append(agent.tell(PUT))
    here, there = results
    assert here.status == there.status == "done"
    assert here.scene == there.scene and here.subtasks == there.subtasks
    assert steps(here.folder) == steps(there.folder)


def steps(folder: Path) -> bytes:
    """All rows commanded and states measured, without the head of the file."""
    return (folder / "steps.bin").read_bytes().split(b"\n", 1)[1]


def test_killing_the_replica_in_mid_run_costs_a_pause_not_the_run(served: Served, tmp_path: Path) -> None:
    with open_agent(settings(tmp_path), PUT, local=False) as agent:
        policy: Any = agent.context.executor.policy
        killed: list[int] = []

        def kill(event: dict[str, Any]) -> None:
            if event["kind"] == "chunk" and event["step"] == 2 and not killed:
                killed.append(policy.about["pid"])
                os.kill(killed[0], signal.SIGKILL)

        agent.record.listen(kill)
        result = agent.tell(PUT)
    kinds = [json.loads(line)["kind"] for line in (result.folder / "events.jsonl").read_text().splitlines()]
    assert killed and result.status == "done", result.why
    assert "waiting" in kinds and "recovered" in kinds, "the robot stood still, and then went on"
    assert [step.outcome.status for step in result.subtasks] == ["done"] * 3
