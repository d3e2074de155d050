from typing import Any

import pytest

from benchmarks.card import without

ABOUT: dict[str, Any] = {"sha256": "0", "trained": {"frames": 3, "taught": {"skills": ["pick", "push", "turn"], "kinds": ["block"]}}}


def test_what_ships_is_not_asked_for_what_it_does_not_do() -> None:
    told = without(ABOUT, ["turn", "push"])
    assert told == {"sha256": "0", "trained": {"frames": 3, "taught": {"skills": ["pick"], "kinds": ["block"]}}}
    assert ABOUT["trained"]["taught"]["skills"] == ["pick", "push", "turn"] and without(ABOUT, []) == ABOUT


def test_only_what_it_was_taught_can_be_left_out() -> None:
    with pytest.raises(SystemExit, match=r"not taught fly; it was taught pick, push, turn"):
        without(ABOUT, ["push", "fly"])
