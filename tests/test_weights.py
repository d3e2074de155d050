"""The weights that ship: whole, small, described, and good for what they say."""

import os
import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.main import get_command

from agent.__main__ import app
from agent.app import open_agent
from agent.config import SHIPPED, load_config
from agent.executor.models.inspection import inspect
from agent.executor.models.small_files import is_small, load_small
from agent.executor.models.small_policy import SmallPolicy
from agent.executor.policies import WEIGHTS
from agent.types import Subtask
from sim.robot import SimRobot

FOLDERS = [folder for folder in sorted(WEIGHTS.glob("*")) if folder.is_dir()]
LARGEST = 25 * 2**20
"""bytes"""


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_is_whole_small_and_has_a_card_with_its_hash(folder: Path) -> None:
    assert is_small(folder)
    small = load_small(folder)  # compares the hash
    assert all(file.stat().st_size <= LARGEST for file in folder.iterdir())
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert '"/' not in (folder / "config.json").read_text(encoding="utf-8"), "a path of somebody's machine"
    taught = small.trained["taught"]
    assert all(skill in card for skill in taught["skills"]) and "95 %" in card
    assert all(sha[:12] in card for sha in taught["recipes"].values())
    report = inspect(folder)
    assert report.problem is None and report.family == folder.name and f"{report.numbers:,} numbers" in str(report)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_can_be_made_again_by_one_command_that_is_understood(folder: Path) -> None:
    """Its retrain.sh: every command and option there is, and it ends with the card of that folder."""
    assert os.access(folder / "retrain.sh", os.X_OK)
    script = (folder / "retrain.sh").read_text(encoding="utf-8").replace("\\\n", "")
    lines = [shlex.split(line) for line in script.splitlines() if line.startswith(("saydo", "python"))]
    for program, what, *rest in lines:
        if program == "saydo":
            command = get_command(app).commands[what]  # type: ignore[attr-defined]
            command.make_context(what, rest)
    assert lines[-1][:2] == ["python", "benchmarks/card.py"] and lines[-1][3:5] == ["--to", f"weights/{folder.name}"]
    assert [line[line.index("--family") + 1] for line in lines if "--family" in line][-1] == folder.name


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_sees_what_is_asked_for_and_goes_there(folder: Path) -> None:
    """A chunk from the start leads towards the block that is named, whichever it is."""
    policy, robot = SmallPolicy(load_small(folder)), SimRobot("tabletop", seed=1)
    seen = robot.observe(("front", "wrist"))
    assert seen.scene is not None
    for name in ("red block", "blue block", "green block", "yellow block"):
        end = policy.predict(seen, Subtask(skill="pick", words=f"pick up the {name}")).actions[-1, :2]
        away = {block: float(np.linalg.norm(end - seen.scene.find(block).position[:2])) for block in seen.scene.names("block")}
        assert min(away, key=lambda block: away[block]) == name, away
    robot.close()


def test_what_runs_by_default_is_pi0_from_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAYDO_POLICY_NAME")
    settings = load_config(SHIPPED, {"runs.folder": str(tmp_path), "runs.video": False, "robot.seed": 1})
    with open_agent(settings, "pick up the red block", local=True) as agent:
        result = agent.tell("pick up the red block")
        chunks = [event for event in agent.record.events if event["kind"] == "chunk"]
        weights = agent.record.events[0]["weights"]
    assert result.status == "done" and result.scene.holding == "red block"
    assert {chunk["by"] for chunk in chunks} == {"pi0"} and weights.startswith("weights/pi0")
