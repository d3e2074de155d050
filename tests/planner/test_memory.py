"""Success counts: they learn, fade, survive restarts and bad files."""

import json
from pathlib import Path

import pytest

from agent.planner.memory import LEAST, Memory
from agent.skills.tabletop import Pick, Place
from agent.types import Outcome
from tests.planner.symbolic import world

SCENE = world().scene()
RED, GREEN = Pick(thing="red block"), Pick(thing="green block")
DONE, FAILED, STOPPED = (Outcome.model_validate({"status": status, "why": "-"}) for status in ("done", "failed", "stopped"))


def test_it_learns_per_skill_and_kind_of_thing() -> None:
    memory = Memory()
    before = memory.can(RED, SCENE)
    memory.learn(RED, SCENE, FAILED)
    assert memory.can(RED, SCENE) < before and memory.can(GREEN, SCENE) == memory.can(RED, SCENE)
    assert memory.can(Place(thing="red block", relation="in", target="blue bowl"), SCENE) == before
    memory.learn(RED, SCENE, DONE)
    assert memory.can(RED, SCENE) > Memory().can(RED, SCENE) - 0.2


def test_it_stays_within_bounds_and_forgives() -> None:
    memory = Memory()
    for _ in range(500):
        memory.learn(RED, SCENE, FAILED)
    worst = memory.can(RED, SCENE)
    assert LEAST <= worst < 0.2
    for _ in range(200):
        memory.learn(RED, SCENE, DONE)
    assert memory.can(RED, SCENE) > 0.9, "old failures fade"


def test_a_stop_says_nothing_about_the_skill() -> None:
    memory = Memory()
    memory.learn(RED, SCENE, STOPPED)
    assert memory.counts == {}


def test_it_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "memory.json"
    memory = Memory(path)
    for outcome in (DONE, FAILED, FAILED):
        memory.learn(RED, SCENE, outcome)
    assert Memory(path).can(RED, SCENE) == memory.can(RED, SCENE) < 0.9
    assert [file.name for file in path.parent.iterdir()] == ["memory.json"], "nothing half-written is left"


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"pick": 3}', '{"pick": [1]}', "\x00\x01", '{"pick": ["many", 1]}', "null"])
def test_a_corrupt_file_is_set_aside(tmp_path: Path, text: str) -> None:
    path = tmp_path / "memory.json"
    path.write_text(text)
    memory = Memory(path)
    assert memory.can(RED, SCENE) == Memory().can(RED, SCENE)
    assert memory.trouble and (tmp_path / "memory.json.corrupt").read_text() == text
    memory.learn(RED, SCENE, DONE)
    assert json.loads(path.read_text())


def test_a_folder_that_cannot_be_written_costs_the_memory_not_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    memory = Memory(tmp_path / "file" / "memory.json")
    memory.learn(RED, SCENE, FAILED)
    assert memory.trouble and memory.can(RED, SCENE) < 0.9
