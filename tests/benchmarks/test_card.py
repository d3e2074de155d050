import json
from pathlib import Path

import pytest

from benchmarks.card import ship


def config(folder: Path) -> Path:
    path = folder / "config.json"
    taught = {"skills": ["pick", "push", "turn"], "kinds": ["block"]}
    path.write_text(json.dumps({"sha256": "0", "trained": {"frames": 3, "taught": taught}}))
    return path


def test_what_ships_is_not_asked_for_what_it_does_not_do(tmp_path: Path) -> None:
    path = config(tmp_path)
    told = ship(path, ["turn", "push"])
    assert json.loads(path.read_text()) == told
    assert told["trained"] == {"frames": 3, "taught": {"skills": ["pick"], "kinds": ["block"]}} and told["sha256"] == "0"


def test_only_what_it_was_taught_can_be_left_out(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"not taught fly; it was taught pick, push, turn"):
        ship(config(tmp_path), ["push", "fly"])
