"""A whole evaluation, small: lines stream, it resumes, processes give the same, the result can be read by machines and people."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agent.config import load_config
from agent.errors import ConfigError, RecordError
from agent.evaluate import runner
from agent.evaluate.protocol import ROWS, Fault, Perturbation, Protocol, load_protocol, perturbations_named
from agent.evaluate.rollout import Stage
from agent.evaluate.runner import evaluate, every_row
from sim.tasks import Task

SMALL = Protocol(name="small", kind="skills", templates=("light on", "home"), episodes=2, ticks=200)
UNTIMED = ("wall_s", "chunk_ms")


def timeless(line: dict[str, Any]) -> dict[str, Any]:
    results = [{key: value for key, value in result.items() if key not in UNTIMED} for result in line["results"]]
    return {**{key: value for key, value in line.items() if key not in UNTIMED}, "results": results}


def lines_of(folder: Path) -> dict[str, dict[str, Any]]:
    return {line["key"]: timeless(line) for line in map(json.loads, (folder / "episodes.jsonl").read_text().splitlines())}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("evaluation")
    return folder, evaluate(SMALL, load_config(), folder)


def test_the_result_says_what_it_depends_on(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, result = finished
    assert result == json.loads((folder / "result.json").read_text())
    assert {"name", "success", "n", "low", "high"} <= set(result["skills"][0])
    assert result["overall"]["n"] == 4 and result["overall"]["success"] == 1.0
    assert result["protocol"]["sha256"] == SMALL.sha256 and result["seeds"] == [0, 1]
    assert {"saydo", "pybullet", "python"} <= set(result["versions"]) and result["machine"]["cores"] >= 1
    assert result["preconditions"] == {"checked": 4, "held": 4, "unmet": []}


def test_the_page_is_one_file_that_asks_for_nothing(finished: tuple[Path, dict[str, Any]]) -> None:
    page = (finished[0] / "report.html").read_text()
    assert "light on" in page and SMALL.sha256[:12] in page and "<svg" in page
    assert not re.search(r"""(?:src|href)=["']?(?!data:)|https?://|<script""", page)


def test_what_was_cut_off_goes_on_and_comes_out_equal(finished: tuple[Path, dict[str, Any]], tmp_path: Path,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    played: list[str] = []
    real = runner.play_episode

    def counting(protocol: Protocol, config: Any, episode: Any) -> Any:
        if len(played) == 3:
            raise KeyboardInterrupt
        played.append(episode.key)
        return real(protocol, config, episode)

    monkeypatch.setattr(runner, "play_episode", counting)
    with pytest.raises(KeyboardInterrupt):
        evaluate(SMALL, load_config(), tmp_path)
    log = tmp_path / "episodes.jsonl"
    log.write_text(log.read_text() + '{"key": "plan/ho')
    monkeypatch.setattr(runner, "play_episode", real)
    seen: list[int] = []
    evaluate(SMALL, load_config(), tmp_path, progress=lambda done, of, line: seen.append(done))
    assert seen == [3, 4]
    assert lines_of(tmp_path) == lines_of(finished[0])


def test_another_protocol_may_not_go_on_there(finished: tuple[Path, dict[str, Any]]) -> None:
    with pytest.raises(RecordError, match="another protocol"):
        evaluate(SMALL.model_copy(update={"seed_base": 5}), load_config(), finished[0])


def test_processes_give_what_one_gives(finished: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    evaluate(SMALL, load_config(), tmp_path, workers=2)
    assert lines_of(tmp_path) == lines_of(finished[0])


@pytest.mark.ray
def test_ray_tasks_give_what_one_process_gives(finished: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    evaluate(SMALL, load_config(), tmp_path, ray=True)
    assert lines_of(tmp_path) == lines_of(finished[0])


def test_a_policy_that_reads_no_words_has_no_row_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="reads no words"):
        evaluate(SMALL.model_copy(update={"rows": ("alone",)}), load_config(), tmp_path)


def test_failures_come_with_a_picture(tmp_path: Path) -> None:
    failing = Protocol(name="failing", kind="skills", rows=("plan",), policy="random", templates=("light on",), episodes=1, ticks=15)
    result = evaluate(failing, load_config(), tmp_path)
    (worst,), (asked,) = result["worst"], result["calls"]["plan"]
    assert (asked["name"], asked["successes"], asked["n"]) == ("press", 0, 1)
    assert (tmp_path / worst["picture"]).read_bytes()[:2] == b"\xff\xd8"
    assert "data:image/jpeg" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("kind", ["skills", "chains"])
def test_an_episode_that_breaks_off_has_failed_and_the_rest_is_played(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play, protocol = Stage.play, Protocol(name="small", kind=kind, templates=("light on", "home", "light off"), episodes=2, length=2)

    def breaks(self: Stage, task: Task, *rest: Any) -> dict[str, Any]:
        if self.seed == 0:
            raise RuntimeError("the world fell apart")
        return play(self, task, *rest)

    monkeypatch.setattr(Stage, "play", breaks)
    result = evaluate(protocol, load_config(), tmp_path)
    lines = lines_of(tmp_path).values()
    broken = [line for line in lines if "the world fell apart" in line.get("why", "")]
    assert broken and all(line["seed"] == 0 and not line["success"] for line in broken)
    assert all(line["success"] for line in lines if line["seed"] == 1)
    assert "the world fell apart" in (tmp_path / "report.html").read_text()
    assert result["overall"]["n"] == (6 if kind == "skills" else 2)


def test_a_demo_that_breaks_off_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.evaluate.episodes.play", lambda *rest, **more: 1 / 0)
    result = evaluate(Protocol(name="demo", kind="demos", templates=("bowl-then-drawer",), episodes=1), load_config(), tmp_path)
    assert result["overall"]["successes"] == 0 and "ZeroDivisionError" in result["worst"][0]["why"]


def test_demos_are_played_by_the_policy_of_the_protocol_and_tell_whose_chunks_they_were(tmp_path: Path) -> None:
    protocol = Protocol(name="demo", kind="demos", policy="oracle", templates=("bowl-then-drawer",), episodes=1)
    result = evaluate(protocol, load_config(changes={"policy.name": "pi0"}), tmp_path)
    (demo,) = result["demos"]
    assert demo["successes"] == 1 and list(demo["by"]) == ["oracle"] and demo["by"]["oracle"] > 5
    assert f"oracle {demo['by']['oracle']}" in (tmp_path / "report.html").read_text()


def test_an_interrupted_evaluation_is_found_again_and_a_finished_one_left_alone(tmp_path: Path) -> None:
    first = runner.new_folder(SMALL, tmp_path)
    assert runner.new_folder(SMALL, tmp_path) == first
    first.mkdir(parents=True)
    (first / "result.json").write_text("{}")
    assert runner.new_folder(SMALL, tmp_path) != first


def test_chains_and_their_figures(tmp_path: Path) -> None:
    protocol = load_protocol("chains", episodes=2, length=2, seed_base=3)
    result = evaluate(protocol, load_config(), tmp_path)
    one = result["rows"]["plan"]
    assert [at["k"] for at in one["success_at"]] == [1, 2]
    assert one["average_length"] == sum(at["success"] for at in one["success_at"])
    assert result["preconditions"]["held"] == result["preconditions"]["checked"]


def test_chains_under_disturbance_stand_beside_the_same_chains_clean(tmp_path: Path) -> None:
    wrong = (*perturbations_named(("slips",)), Perturbation(name="late", levels=(Fault(act_ticks=1),)))
    protocol = load_protocol("chains", episodes=2, length=2, seed_base=3, perturbations=wrong, level=1, rows=("oracle", "plan"))
    result = evaluate(protocol, load_config(), tmp_path)
    assert result["rows_about"]["plan"]["same_as"] == "oracle" and set(result["rows"]) == {"oracle"}
    one = result["rows"]["oracle"]
    cells = {cell["name"]: cell for cell in one["cells"]}
    assert cells["late"]["n"] == 2 and one["n"] == 2
    for cell in cells.values():
        assert cell["by"] == pytest.approx(cell["average_length"] - cell["clean"])
        assert cell["low"] <= cell["average_length"] <= cell["high"] and cell["by_low"] <= cell["by"] <= cell["by_high"]
    lines = lines_of(tmp_path).values()
    fits = [line for line in lines if line["perturbation"] == "the grip slips" and "skipped" not in line]
    assert result["skipped"] == 2 - len(fits)
    for line in fits:
        begun = [start["began"] for start in line["results"]]
        assert all(tick >= begun[line["disturbed_task"]] for tick, _ in line["fired"])
    page = (tmp_path / "report.html").read_text()
    assert "the grip slips" in page or not fits


def test_all_rows_but_those_that_a_policy_cannot_play() -> None:
    rows = every_row(SMALL, load_config()).rows
    assert set(ROWS) - set(rows) == {"alone"}
    assert set(every_row(SMALL.model_copy(update={"policy": "random"}), load_config()).rows) == set(ROWS)
