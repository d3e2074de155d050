"""How a server that stays up is found; no Ray."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.errors import PolicyError
from agent.executor.running import announced, find_server, state_file
from tests.executor.toys import Mixer, observation, serving, subtask


class Standing:
    """A server by its addresses."""

    def __init__(self, *addresses: str, front: str = "ws://127.0.0.1:1") -> None:
        self.front, self.now = front, list(addresses)

    def addresses(self) -> list[str]:
        return self.now


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "saydo" / "serve.json"


def test_it_is_found_while_it_is_announced(state: Path) -> None:
    assert find_server() is None
    with serving(Mixer()) as address, announced(Standing(address), "mixer"):
        assert state == state_file() and json.loads(state.read_text())["pid"] == os.getpid()
        running = find_server()
        assert running is not None and (running.policy, running.addresses) == ("mixer", [address])
        with running.connect(5.0) as remote:
            assert remote.predict(observation(), subtask()).start == 7
    assert find_server() is None and list(state.parent.iterdir()) == []


def test_replicas_that_move_are_followed() -> None:
    with serving(Mixer()) as first, serving(Mixer()) as second:
        standing = Standing(first)
        with announced(standing, "mixer"):
            running = find_server()
            assert running is not None
            standing.now = [second]
            end = time.monotonic() + 10
            while (found := find_server()) is None or found.addresses != [second]:
                assert time.monotonic() < end, found
                time.sleep(0.05)


def test_the_front_keeps_it_found_while_a_replica_comes_back() -> None:
    with serving(Mixer()) as front, announced(Standing("ws://127.0.0.1:1", front=front), "mixer"):
        assert find_server() is not None


def test_another_server_that_took_over_is_left_announced(state: Path) -> None:
    with serving(Mixer()) as address, announced(Standing(address), "mixer"):
        state.write_text(json.dumps({**json.loads(state.read_text()), "pid": 1}))
    assert state.exists()


def test_where_nothing_can_be_written_the_server_still_runs(state: Path, caplog: pytest.LogCaptureFixture) -> None:
    state.parent.write_text("a file where the folder should be")
    with serving(Mixer()) as address, announced(Standing(address), "mixer"):
        assert find_server() is None
    assert "others will not find this server" in caplog.text


def test_a_server_that_left_is_said_in_words() -> None:
    with serving(Mixer()) as address, announced(Standing(address), "mixer"):
        running = find_server()
    assert running is not None
    with pytest.raises(PolicyError, match="No policy server could be reached"):
        running.connect(0.3)


def test_a_left_over_state_file_is_not_believed() -> None:
    state_file().parent.mkdir(parents=True)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for text in (
        f'{{"policy": "mixer", "pid": {ended.pid}, "version": "1", "front": "ws://127.0.0.1:1", "addresses": ["ws://127.0.0.1:1"]}}',
        f'{{"policy": "mixer", "pid": {os.getpid()}, "version": "1", "front": "ws://127.0.0.1:1", "addresses": ["ws://127.0.0.1:1"]}}',
        '{"policy": "mixer"}',
        "{",
        "",
    ):
        state_file().write_text(text)
        assert find_server() is None
