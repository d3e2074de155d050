"""A real server and plain websocket clients, as openpi's are; no Ray."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection, connect

from agent.errors import PolicyError
from agent.executor.endpoint import Endpoint, Superseded, Worker
from agent.executor.wire import pack, read_metadata, read_reply, unpack, write_request
from agent.types import Chunk, Observation, Subtask
from tests.executor.toys import Mixer, observation, serving, subtask

TRANSCRIPT = json.loads((Path(__file__).parent.parent / "fixtures" / "wire" / "server_transcript.json").read_text())
POLICY = Mixer()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(Mixer()) as address:
        yield address


def dial(address: str) -> ClientConnection:
    return connect(address, compression=None, max_size=None, proxy=None)


def get(url: str) -> tuple[int, str, str]:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as answer:
            return answer.status, answer.read().decode(), answer.headers["Content-Type"]
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers["Content-Type"]


def openpi_request(words: str = "pick up the fork") -> dict[str, Any]:
    seen = observation()
    return {"observation/state": seen.state, **{f"observation/image/{n}": i for n, i in seen.images.items()}, "prompt": words}


def test_health_and_browsers_are_answered_as_by_openpi(address: str) -> None:
    http = address.replace("ws://", "http://")
    assert get(f"{http}/healthz") == (TRANSCRIPT["healthz"]["status"], TRANSCRIPT["healthz"]["body"], "text/plain; charset=utf-8")
    assert get(f"{http}/other")[0] == TRANSCRIPT["plain_get_other_path"]["status"]


@pytest.mark.parametrize("path", ["", "/", "/any/path"])
def test_an_openpi_client_is_served(address: str, path: str) -> None:
    """What openpi's client does: connect, read the metadata, then send a map and read a map."""
    with dial(address + path) as socket:
        first = socket.recv()
        assert type(first).__name__ == TRANSCRIPT["first_message_type"] and isinstance(unpack(first), dict)
        seen = Observation(0, 0.0, observation().state, observation().images)
        expected = POLICY.predict(seen, Subtask(skill="", words="pick up the fork"))
        for response in ("response1_keys", "response2_keys"):
            socket.send(pack(openpi_request()))
            values = unpack(socket.recv())
            assert list(values) == list(TRANSCRIPT[response])
            assert set(TRANSCRIPT[response]["server_timing"]) <= set(values["server_timing"])
            assert values["server_timing"]["infer_ms"] >= 0 and values["policy_timing"]["think_ms"] == 1.5
            np.testing.assert_array_equal(values["actions"], expected.actions)


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (b"\xc1", "not a msgpack message"),
        ("hello", "text frame"),
        (pack([1]), "must be a map"),
        (pack({}), "lacks 'observation/image/front'"),
        (pack(openpi_request("fail boom")), "Policy 'mixer' failed with RuntimeError: boom"),
        (pack(openpi_request("refuse the gripper is missing")), "the gripper is missing"),
        (pack(openpi_request("spoil")), "1 numbers that are not finite"),
        (pack(openpi_request("widen")), "3 numbers a row instead of 2"),
        (pack(openpi_request("shift")), "answered for tick 1"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_trouble_is_one_sentence_and_the_recorded_close_code(address: str, frame: bytes | str, told: str) -> None:
    with dial(address) as socket:
        socket.recv()
        socket.send(frame)
        sentence = socket.recv()
        assert type(sentence).__name__ == TRANSCRIPT["error_message_type"]
        assert isinstance(sentence, str) and told in sentence and "Traceback" not in sentence and "\n" not in sentence
        with pytest.raises(ConnectionClosedError):
            socket.recv()
        assert socket.close_code == TRANSCRIPT["close_after_error"]["code"]


def test_one_robot_does_not_make_another_wait_for_its_handshake(address: str) -> None:
    with dial(address) as busy:
        busy.recv()
        busy.send(pack(openpi_request("wait 1.0")))
        time.sleep(0.1)
        started = time.monotonic()
        with dial(address) as other:
            read_metadata(unpack(other.recv()))
        assert get(address.replace("ws://", "http://") + "/healthz")[0] == 200
        assert time.monotonic() - started < 0.8
        assert "actions" in unpack(busy.recv())


def test_the_newest_request_of_a_robot_wins(address: str) -> None:
    """Three requests while the model is busy: the first is being answered, the second is dropped, the third is answered."""
    with dial(address) as socket:
        socket.recv()
        for seq, words in ((1, "wait 1.0"), (2, "wait 5"), (3, "go")):
            socket.send(write_request(POLICY.spec, observation(tick=seq), subtask(words), seq))
            time.sleep(0.1)
        seqs = [read_reply(unpack(socket.recv(timeout=5)), POLICY.spec, 0)[0] for _ in range(2)]
        assert seqs == [1, 3]


def test_a_client_that_leaves_in_the_middle_harms_nobody(address: str) -> None:
    for _ in range(5):
        with dial(address) as socket:
            socket.recv()
            socket.send(pack(openpi_request("wait 0.05")))
            socket.send(pack(openpi_request("wait 0.05")))
    with dial(address) as socket:
        socket.recv()
        socket.send(pack(openpi_request()))
        assert "actions" in unpack(socket.recv(timeout=3))


# --- the worker alone ---


def ask(worker: Worker, robot: int, words: str) -> Any:
    return worker.ask(robot, observation(), subtask(words))


def test_robots_take_turns_and_only_the_newest_question_of_each_waits() -> None:
    order: list[str] = []

    class Slow(Mixer):
        def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
            order.append(subtask.words)
            return super().predict(observation, subtask)

    worker = Worker(Slow())
    running = ask(worker, 0, "wait 0.5")
    time.sleep(0.1)
    old, other, new = ask(worker, 1, "old"), ask(worker, 2, "other"), ask(worker, 1, "new")
    assert all(future.result(timeout=2)[0] is not None for future in (running, other, new))
    with pytest.raises(Superseded):
        old.result(timeout=0)
    assert order == ["wait 0.5", "new", "other"]  # the newer question keeps the older one's place
    worker.close()


def test_a_question_nobody_waits_for_is_not_worked_on() -> None:
    worker = Worker(Mixer())
    running, dropped = ask(worker, 0, "wait 0.2"), ask(worker, 1, "wait 30")
    assert dropped.cancel()
    assert ask(worker, 2, "go").result(timeout=2)
    with pytest.raises(CancelledError):
        dropped.result(timeout=0)
    assert running.done()
    worker.close()


def test_timing_is_measured_where_it_happens() -> None:
    worker = Worker(Mixer())
    ask(worker, 0, "wait 0.2")
    _, timing = ask(worker, 1, "wait 0.1").result(timeout=2)
    assert 100 <= timing["infer_ms"] < 240 and 150 <= timing["queue_ms"] < 1000
    worker.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_stuck_policy_and_a_dead_thread_are_reported() -> None:
    worker = Worker(Mixer(), stall_s=0.2)
    worker.check()
    answer = ask(worker, 0, "wait 1.0")
    time.sleep(0.3)
    with pytest.raises(PolicyError, match="has been busy with one question for"):
        worker.check()
    assert answer.result(timeout=2)
    worker.check()

    class Fatal(Mixer):
        def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
            raise SystemExit

    worker = Worker(Fatal())
    ask(worker, 0, "go")
    time.sleep(0.1)
    with pytest.raises(PolicyError, match=r"thread .* has ended"):
        worker.check()


def test_a_slow_policy_is_not_taken_for_a_stuck_one() -> None:
    worker = Worker(Mixer(), stall_s=0.05)
    ask(worker, 0, "wait 0.2").result(timeout=2)
    assert worker.patience_s() > 0.55
    slow = ask(worker, 0, "wait 0.3")
    time.sleep(0.25)
    worker.check()
    slow.result(timeout=2)
    worker.close()


def test_health_says_when_the_policy_is_stuck() -> None:
    with serving(Mixer(), stall_s=0.1) as address, dial(address) as socket:
        socket.recv()
        socket.send(pack(openpi_request("wait 1.0")))
        time.sleep(0.3)
        status, body, _ = get(address.replace("ws://", "http://") + "/healthz")
        assert status == 503 and "busy" in body
        socket.recv(timeout=3)
        assert get(address.replace("ws://", "http://") + "/healthz")[0] == 200


def test_threads_end_with_the_endpoint() -> None:
    endpoint = Endpoint(Mixer(name="short lived"))
    assert any(thread.name == "policy short lived" for thread in threading.enumerate())
    endpoint.worker.close()
    time.sleep(0.05)
    assert not any(thread.name == "policy short lived" for thread in threading.enumerate())
