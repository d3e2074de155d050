"""Demo scripts: what ships is played and ends as it says; what is wrong is said."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.app import Result
from agent.config import SHIPPED, load_config
from agent.demo import Demo, load_demo, play, shipped_demos
from agent.errors import ConfigError
from agent.types import Fact, Scene

DEMOS = {demo.name: demo for demo in shipped_demos()}


Played = tuple[Demo, Result, list[str], set[Fact]]


@pytest.fixture(scope="module", params=list(DEMOS))
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Each demo is played once: the demo, its result, what should hold at the end but does not, and every fact on the way."""
    demo = DEMOS[request.param]
    changes = {"runs.folder": str(tmp_path_factory.mktemp("runs")), "runs.video": False, "robot.scene": demo.scene, "robot.seed": demo.seed}
    seen: set[Fact] = set()
    result, missing = play(demo, load_config(SHIPPED, changes), local=True, seen=seen)
    return demo, result, missing, seen


def events(result: Result, kind: str) -> list[dict[str, Any]]:
    lines = map(json.loads, (result.folder / "events.jsonl").read_text().splitlines())
    return [event for event in lines if event["kind"] == kind]


def test_every_shipped_demo_ends_as_it_says(played: Played) -> None:
    demo, result, missing, _ = played
    assert not missing, f"{missing}; {result.why}"
    told = len(events(result, "disturbed"))
    assert told == len(demo.wrong), "everything that was scripted to go wrong went wrong, and is on record"


def test_long_demos_are_long_and_reach_every_subgoal(played: Played) -> None:
    demo, result, _, seen = played
    done = sum(event["status"] == "done" for event in events(result, "outcome"))
    if not demo.subgoals:
        assert (3 if demo.name == "bowl-then-drawer" else 5) <= done <= 12
        return
    assert 8 <= len(demo.subgoals) <= 15 and done >= 8
    assert demo.score(result.scene, seen) == 1.0


def test_several_long_demos_ship() -> None:
    assert sum(bool(demo.subgoals) for demo in DEMOS.values()) >= 3


def test_subgoals_count_by_weight_and_some_of_them_at_any_time() -> None:
    goals = [{"fact": ["in", "red block", "drawer"], "weight": 3}, {"fact": ["open", "drawer"], "ever": True}, {"fact": ["lit", "light"]}]
    demo = Demo.model_validate({"name": "x", "title": "x", "say": ["hello"], "ends": {}, "subgoals": goals})
    shut = Scene(tick=9, things=(), facts=(("in", "red block", "drawer"), ("closed", "drawer")))
    assert demo.score(shut, {("open", "drawer"), ("lit", "light")}) == pytest.approx(4 / 5)
    assert demo.score(shut, set()) == pytest.approx(3 / 5)


def test_what_does_not_hold_at_the_end_is_said() -> None:
    ends = DEMOS["bowl-then-drawer"].ends
    assert ends.missing(Scene(tick=0, things=(), holding="red block"), "done") == [
        "in red block blue bowl",
        "open drawer",
        "holding nothing (it holds red block)",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("title: x\nsay: []\nends: {}\n", "say"),
        ("title: x\nsay: [hello]\nends: {}\nsed: 3\n", "sed"),
        ("title: x\nsay: [hello]\nends: {}\nwrong: [{kind: earthquake, when: {tick: 3}}]\n", "wrong"),
        ("title: x\nsay: [{words: hello, when: {tick: 3, holding: a}}]\nends: {}\n", "exactly one of"),
        ("- just a list\n", "Cannot read"),
    ],
)
def test_a_script_that_is_wrong_is_refused_in_words(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        load_demo(str(path))


def test_an_unknown_demo_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'tower'"):
        load_demo("towr")
