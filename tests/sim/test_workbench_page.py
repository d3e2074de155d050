"""What docs/workbench.md shows is true: its scene loads, its disturbances are read, its Python runs."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from sim.disturb import Disturbance
from sim.robot import SimRobot

PAGE = (Path(__file__).parents[2] / "docs" / "workbench.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_scene_and_the_disturbances_work_as_written() -> None:
    scene, wrong = (yaml.safe_load(text) for text in blocks("yaml"))
    disturbances = TypeAdapter(list[Disturbance]).validate_python(wrong)
    kinds = {"move", "slip", "drawer", "remove_grip", "light", "lid", "lever", "swap", "hand"}
    assert {disturbance.kind for disturbance in disturbances} == kinds
    seen = SimRobot(scene, seed=1, disturbances=disturbances).observe([]).scene
    assert seen is not None and seen.has("on", "yellow block", "red block") and seen.has("in", "green block", "drawer")


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for code in blocks("python"):
        exec(compile(code, "docs/workbench.md", "exec"), {})
    shown = capsys.readouterr().out
    assert "(14,) (224, 224, 3)" in shown
    assert "stack the" in shown and "(14,) (128, 128, 3)\nFalse 0.0 the goal is not reached" in shown
    assert (tmp_path / "moment.world").exists()
