"""The whole agent on the simulated robot: what it does when asked well, asked badly, interrupted, and when parts of it fail."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.app import Agent, Result, open_agent
from agent.config import SHIPPED, Config, load_config
from agent.errors import ConfigError, RecordError
from tests.model_server import MODEL, model_server

PUT = "put the red block in the blue bowl"


def settings(folder: Path, **changes: Any) -> Config:
    given = {key.replace("__", "."): value for key, value in changes.items()}
    return load_config(SHIPPED, {"runs.folder": str(folder / "runs"), "runs.video": False, **given})


@contextmanager
def at_work(folder: Path, **changes: Any) -> Iterator[Agent]:
    with open_agent(settings(folder, **changes), "test", local=True) as agent:
        yield agent


def moved(agent: Agent) -> bool:
    """Was the robot given anything to carry out?"""
    return any(event["kind"] == "chunk" for event in agent.record.events)


def stands_still(agent: Agent) -> bool:
    before = agent.robot.observe(cameras=()).state
    agent.robot.stop()
    return float(np.abs(agent.robot.observe(cameras=()).state - before).max()) < 2e-3


def say(folder: Path, words: str, **changes: Any) -> Result:
    with at_work(folder, **changes) as agent:
        return agent.tell(words)


def test_words_become_motion_and_the_world_agrees(tmp_path: Path) -> None:
    result = say(tmp_path, PUT)
    assert result.status == "done", result.why
    assert result.scene.has("in", "red block", "blue bowl")
    assert [step.subtask.skill for step in result.subtasks] == ["pick", "place"]
    assert all(step.outcome.evidence for step in result.subtasks), "done is said with evidence"


def test_two_clauses_are_done_in_order(tmp_path: Path) -> None:
    result = say(tmp_path, f"{PUT}, then open the drawer", robot__seed=1)
    assert result.status == "done" and result.scene.has("in", "red block", "blue bowl") and result.scene.has("open", "drawer")
    assert [step.subtask.skill for step in result.subtasks] == ["pick", "place", "open"]


def test_every_decision_is_recorded_with_its_scores(tmp_path: Path) -> None:
    result = say(tmp_path, PUT)
    events = [json.loads(line) for line in (result.folder / "events.jsonl").read_text().splitlines()]
    decisions = [event for event in events if event["kind"] == "decision"]
    assert len(decisions) == 3 and decisions[-1]["chosen"]["kind"] == "done"
    for decision in decisions:
        assert decision["score_source"] == "embedded" and decision["runner_up"] and decision["why"]
        assert abs(sum(option["score"] for option in decision["options"]) - 1) < 0.02


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("pick up the purple elephant", "red block"),
        ("put the red block in the table", ""),
        ("fly to the moon", ""),
        ("", ""),
        ("   ", ""),
        ("put " * 2500, ""),
        ("把红色方块放进蓝色碗里", ""),
        ("🤖🧱➡️🥣", ""),
        ("<script>alert(1)</script>", ""),
    ],
)
def test_what_cannot_be_done_gets_an_answer_and_no_motion(tmp_path: Path, words: str, says: str) -> None:
    with at_work(tmp_path) as agent:
        result = agent.tell(words)
        assert result.status in ("asked", "declined") and result.why.strip() and says in result.why
        assert len(result.decisions) == 1 and not moved(agent)


def test_stop_stands_still_and_a_word_goes_on(tmp_path: Path) -> None:
    with at_work(tmp_path) as agent:
        agent.record.listen(lambda event: agent.mailbox.put("stop") if event["kind"] == "chunk" and event["tick"] > 40 else None)
        result = agent.tell(PUT)
        assert result.status == "stopped" and result.subtasks[-1].outcome.status == "stopped" and result.subtasks[-1].outcome.confirmed
        assert stands_still(agent) and not result.scene.has("in", "red block", "blue bowl")
        agent.record._listeners.pop()
        assert agent.tell("go on").scene.has("in", "red block", "blue bowl")


def test_after_a_stop_another_instruction_stands_for_itself(tmp_path: Path) -> None:
    with at_work(tmp_path) as agent:
        agent.mailbox.put("stop")
        assert agent.tell(PUT).status == "stopped"
        result = agent.tell("open the drawer")
        assert result.status == "done" and result.scene.has("open", "drawer") and not result.scene.has("in", "red block", "blue bowl")


def test_a_question_is_answered_without_motion(tmp_path: Path) -> None:
    with at_work(tmp_path) as agent:
        result = agent.tell("what do you see?")
        assert result.status == "answered" and "red block" in result.why and not moved(agent)


def test_a_correction_replans_at_once(tmp_path: Path) -> None:
    sayings = ["no, the green block"]
    with at_work(tmp_path) as agent:

        def change_of_mind(event: dict[str, Any]) -> None:
            if event["kind"] == "chunk" and event["tick"] > 30 and sayings:
                agent.mailbox.put(sayings.pop())

        agent.record.listen(change_of_mind)
        result = agent.tell(PUT)
    scene = result.scene
    assert result.status == "done" and scene.has("in", "green block", "blue bowl") and not scene.has("in", "red block", "blue bowl")


def test_a_question_waits_for_its_answer(tmp_path: Path) -> None:
    with at_work(tmp_path) as agent:
        asked = agent.tell("pick up the block")
        assert asked.status == "asked" and "yellow block" in " ".join(asked.choices) and not moved(agent)
        assert agent.tell("the yellow block").scene.holding == "yellow block"


@pytest.mark.parametrize("name", ["NotANumber", "TooNarrow", "Empty", "TooLate", "Broken"])
def test_a_policy_that_fails_leaves_the_robot_standing(tmp_path: Path, name: str) -> None:
    deadlines = {"executor__chunk_deadline_s": 0.3, "executor__recover_deadline_s": 1.0, "planner__max_decisions": 6}
    with at_work(tmp_path, policy__name=f"tests.policies:{name}", **deadlines) as agent:
        result = agent.tell(PUT)
        assert result.status in ("asked", "failed") and result.subtasks
        assert all(step.outcome.status != "done" and step.outcome.confirmed for step in result.subtasks)
        assert stands_still(agent)


@pytest.mark.parametrize("bad", ["silent", "drip", "garbage", "nonsense", "401", "429", "500", "half"])
def test_a_model_server_that_fails_is_told_and_nothing_moves(tmp_path: Path, bad: str) -> None:
    with (
        model_server(bad=bad) as (url, _),
        at_work(tmp_path, planner__model=MODEL, planner__base_url=url, planner__deadline_s=1.5) as agent,
    ):
        result = agent.tell(PUT)
        assert result.status == "failed" and url.removesuffix("/v1") in result.why
        assert not moved(agent)


def test_a_model_server_that_is_not_there_is_told_and_nothing_moves(tmp_path: Path) -> None:
    with at_work(tmp_path, planner__model="m", planner__base_url="http://127.0.0.1:9/v1", planner__deadline_s=1.5) as agent:
        result = agent.tell(PUT)
        assert result.status == "failed" and "127.0.0.1:9" in result.why and not moved(agent)


def test_a_model_server_that_works_chooses_and_is_named_on_every_decision(tmp_path: Path) -> None:
    with (
        model_server(favourite="open the drawer") as (url, _),
        at_work(tmp_path, planner__model=MODEL, planner__base_url=url, planner__max_decisions=1) as agent,
    ):
        result = agent.tell("open the drawer")
        assert result.decisions[0]["score_source"] == "decisions"
        assert result.subtasks[0].subtask.skill == "open"


def test_a_runs_folder_that_cannot_be_written_is_told_before_anything_moves(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where a folder should be")
    with pytest.raises(RecordError, match="--runs"), at_work(tmp_path):
        pass


def test_an_unknown_scene_policy_or_robot_is_told_with_the_nearest(tmp_path: Path) -> None:
    for change, says in [("robot__scene", "tabletop"), ("policy__name", "oracle")]:
        with pytest.raises(ConfigError, match=says), at_work(tmp_path, **{change: says[:-1]}):
            pass
    with pytest.raises(ConfigError, match=r"robot\.name"), at_work(tmp_path, robot__name="nowhere:Arm"):
        pass


def test_equal_seeds_give_equal_results(tmp_path: Path) -> None:
    first, second = (say(tmp_path / name, PUT, robot__seed=5) for name in "ab")
    assert first.scene == second.scene and first.subtasks == second.subtasks


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def test_kill_9_then_resume_goes_on_from_the_last_finished_subtask_having_looked_first(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "agent", "run", "--local", "--no-video", "--json", "--runs", str(tmp_path)]
    first = subprocess.Popen([*command, "--pace", "3", PUT], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kinds() -> list[str]:
        files = list(tmp_path.glob("*/events.jsonl"))
        return [json.loads(line)["kind"] for line in files[0].read_text().splitlines(keepends=True) if line.endswith("\n")] if files else []

    until(lambda: "outcome" in kinds() and "chunk" in kinds()[kinds().index("outcome") :])
    first.kill()
    first.wait(timeout=10)
    folder = next(tmp_path.glob("*/events.jsonl")).parent
    again = subprocess.run([*command, "--resume", str(folder)], capture_output=True, text=True, timeout=120)
    result = json.loads(again.stdout.splitlines()[-1])
    assert result["status"] == "done" and ["in", "red block", "blue bowl"] in result["scene"]["facts"]
    assert [step["subtask"]["skill"] for step in result["subtasks"]] == ["pick", "place"], "the pick was not done again"
    assert kinds()[kinds().index("resumed") :][:2] == ["resumed", "looked"]
