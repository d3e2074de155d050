"""The command line, as processes of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def saydo(*words: str, cwd: Path = ROOT, give: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    import os

    command = [sys.executable, "-m", "agent", *words]
    path = {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd, input=give, env={**os.environ, **path, **env})


def last_object(shown: subprocess.CompletedProcess[str]) -> dict[str, object]:
    found = json.loads(shown.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def test_run_json_ends_with_one_object_and_says_how_it_went_by_exit_status(tmp_path: Path) -> None:
    shown = saydo("run", "--local", "--json", "--no-video", "--seed", "2", "--runs", str(tmp_path), "open the drawer")
    result = last_object(shown)
    assert shown.returncode == 0 and len(shown.stdout.splitlines()) == 1, "nothing but the object on standard output"
    assert result["status"] == "done" and ["open", "drawer"] in result["scene"]["facts"]  # type: ignore[index]
    for key in ("run", "why", "subtasks", "decisions", "timings", "scene", "folder"):
        assert key in result
    assert Path(str(result["folder"]), "report.html").exists()


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [(["pick up the purple elephant"], "asked", 3), ([""], "asked", 3), (["open the drawer", "--seed", "x"], None, 2)],
)
def test_exit_status(tmp_path: Path, words: list[str], status: str | None, code: int) -> None:
    shown = saydo("run", "--local", "--json", "--no-video", "--runs", str(tmp_path), *words)
    assert shown.returncode == code
    assert status is None or last_object(shown)["status"] == status


def test_what_is_wrong_is_said_in_one_sentence_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text((ROOT / "config.yaml").read_text().replace("seed: 0", "sead: 0"))
    shown = saydo("run", "--json", "hello", cwd=tmp_path)
    assert shown.returncode == 2 and "Did you mean 'seed'" in shown.stderr and "Traceback" not in shown.stderr
    assert last_object(shown)["error"] == "ConfigError"


def test_skills_lists_sentences_and_sources() -> None:
    shown = saydo("skills", COLUMNS="200")
    assert "put the {thing} {relation} the {target}" in shown.stdout and "agent.skills.tabletop" in shown.stdout


def test_demo_list_names_each_with_its_title() -> None:
    shown = saydo("demo", "--list").stdout
    assert "tower" in shown and len(shown.splitlines()) >= 5


def test_chat_takes_piped_lines_in_turn(tmp_path: Path) -> None:
    shown = saydo("chat", "--local", "--no-video", "--pace", "0", "--runs", str(tmp_path), give="open the drawer\nnow close it\nbye\n")
    assert shown.returncode == 0 and shown.stdout.count("done:") == 2, shown.stdout + shown.stderr


def test_replay_proves_a_run_equal(tmp_path: Path) -> None:
    run = last_object(saydo("run", "--local", "--json", "--no-video", "--seed", "4", "--runs", str(tmp_path), "press the button"))
    shown = saydo("replay", "--json", str(run["folder"]))
    assert shown.returncode == 0 and last_object(shown)["equal"] is True


def test_replay_tells_a_forged_run(tmp_path: Path) -> None:
    run = last_object(saydo("run", "--local", "--json", "--no-video", "--seed", "4", "--runs", str(tmp_path), "press the button"))
    steps = Path(str(run["folder"]), "steps.bin")
    data = bytearray(steps.read_bytes())
    data[len(data) // 2] ^= 0x10
    steps.write_bytes(data)
    shown = saydo("replay", str(run["folder"]))
    assert shown.returncode == 1 and "tick" in shown.stdout


def test_help_fits_a_person() -> None:
    shown = saydo("--help").stdout
    for command in ("run", "chat", "demo", "serve", "skills", "doctor", "replay"):
        assert command in shown


def test_ctrl_c_stands_still_says_so_and_can_be_resumed(tmp_path: Path) -> None:
    import signal
    import time

    command = [sys.executable, "-m", "agent", "run", "--local", "--no-video", "--pace", "0.5", "--runs", str(tmp_path), "open the drawer"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
    end = time.monotonic() + 60
    while not any('"chunk"' in file.read_text() for file in tmp_path.glob("*/events.jsonl")):
        assert time.monotonic() < end
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    shown, _ = running.communicate(timeout=60)
    assert running.returncode == 130 and "stand still" in shown and "Traceback" not in shown
    again = last_object(saydo("run", "--local", "--json", "--no-video", "--runs", str(tmp_path), "--resume", "last"))
    assert again["status"] == "done"
