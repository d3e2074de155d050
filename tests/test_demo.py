from pathlib import Path

import pytest

from agent.app import Result
from agent.config import SHIPPED, load_config
from agent.demo import load_demo, play, shipped_demos
from agent.errors import ConfigError

DEMOS = {demo.name: demo for demo in shipped_demos()}


@pytest.fixture(scope="module", params=list(DEMOS))
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Result, list[str]]:
    """Each demo is played once: its name, its result, and what should hold at the end but does not."""
    demo = DEMOS[request.param]
    changes = {"runs.folder": str(tmp_path_factory.mktemp("runs")), "runs.video": False, "robot.scene": demo.scene, "robot.seed": demo.seed}
    result, missing = play(demo, load_config(SHIPPED, changes), local=True)
    return demo.name, result, missing


def test_every_shipped_demo_ends_as_it_says(played: tuple[str, Result, list[str]]) -> None:
    name, result, missing = played
    assert not missing, f"{missing}; {result.why}"
    told = (result.folder / "events.jsonl").read_text().count('"kind": "disturbed"')
    assert told == len(DEMOS[name].wrong), "everything that was scripted to go wrong went wrong, and is on record"


def test_long_demos_are_long(played: tuple[str, Result, list[str]]) -> None:
    name, result, _ = played
    fewest = 3 if name == "bowl-then-drawer" else 5
    assert fewest <= sum(step.outcome.status == "done" for step in result.subtasks) <= 12


def test_what_does_not_hold_at_the_end_is_said() -> None:
    from agent.types import Scene

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
