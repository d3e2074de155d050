"""RemotePolicy against real servers: its own kind, and some that misbehave; no Ray."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest
from websockets.server import ServerProtocol
from websockets.sync.server import ServerConnection, serve

from agent.errors import PolicyError
from agent.executor.asking import is_lost
from agent.executor.remote import RemotePolicy
from agent.executor.wire import pack, unpack, write_metadata, write_reply
from agent.types import Chunk, Observation, Policy, Scene, Thing
from tests.executor.toys import Mixer, mixer_with_scene, observation, serving, subtask


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(Mixer()) as address:
        yield address


@contextmanager
def playing(act: Callable[[ServerConnection], None]) -> Iterator[str]:
    """A server that does what `act` says with each connection."""
    with serve(act, "127.0.0.1", 0, compression=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"


def unused_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


def test_it_is_a_policy_with_the_served_spec(address: str) -> None:
    with RemotePolicy(address, 5) as remote:
        assert isinstance(remote, Policy)
        assert remote.spec == Mixer().spec
        assert remote.about["pid"] > 0


def test_served_and_local_answers_are_equal_bit_for_bit(address: str) -> None:
    local = Mixer()
    with RemotePolicy(address, 5) as remote:
        for tick in range(20):
            seen, task = observation(tick, seed=tick), subtask(f"do {tick} ünïcode ☃")
            near, far = local.predict(seen, task), remote.predict(seen, task)
            assert far.start == near.start == tick and far.actions.tobytes() == near.actions.tobytes()


def test_the_scene_reaches_a_policy_that_sees_it() -> None:
    plain = observation()
    scenes = [Scene(tick=7, things=(Thing(name="cup", kind="cup", position=(0.1 + x, 1 / 3, 0.0)),)) for x in (0.0, 1e-12)]
    with serving(mixer_with_scene()) as address, RemotePolicy(address, 5) as remote:
        rows = []
        for scene in scenes:
            seen = Observation(plain.tick, plain.time, plain.state, plain.images, scene)
            rows.append(remote.predict(seen, subtask()).actions)
            np.testing.assert_array_equal(rows[-1], mixer_with_scene().predict(seen, subtask()).actions)
    assert not np.array_equal(*rows)


def test_timing_adds_up(address: str) -> None:
    with RemotePolicy(address, 5) as remote:
        timing = remote.predict(observation(), subtask("wait 0.1")).timing
    assert timing["think_ms"] == 1.5
    assert 100 <= timing["infer_ms"] <= timing["infer_ms"] + timing["queue_ms"] <= timing["trip_ms"] < 1000


def test_a_late_reply_is_never_used_for_a_later_request(address: str) -> None:
    with RemotePolicy(address, 5) as remote:
        remote.deadline_s = 0.2
        started = time.monotonic()
        with pytest.raises(PolicyError, match=r"'mixer' did not answer within 0.2 s") as caught:
            remote.predict(observation(1), subtask("wait 1.0"))
        assert is_lost(caught.value)
        assert time.monotonic() - started < 0.9
        remote.deadline_s = 5
        for tick in (2, 3, 4):
            seen = observation(tick, seed=tick)
            np.testing.assert_array_equal(remote.predict(seen, subtask()).actions, Mixer().predict(seen, subtask()).actions)


@pytest.mark.parametrize(
    ("words", "told"),
    [("fail badly", "RuntimeError: badly"), ("spoil", "not finite"), ("widen", "instead of 2"), ("refuse not this arm", "not this arm")],
)
def test_the_servers_sentence_is_passed_on_and_the_next_request_works(address: str, words: str, told: str) -> None:
    with RemotePolicy(address, 5) as remote:
        with pytest.raises(PolicyError, match=told) as caught:
            remote.predict(observation(), subtask(words))
        assert not is_lost(caught.value)
        assert remote.predict(observation(), subtask()).start == 7


def test_late_trouble_is_not_held_against_a_later_request() -> None:
    def act(connection: ServerConnection) -> None:
        connection.send(write_metadata(Mixer().spec))
        for frame in connection:
            if unpack(frame)["_saydo"]["seq"] == 2:
                connection.send("the first request failed")
                return

    with playing(act) as address, RemotePolicy(address, 0.3) as remote:
        with pytest.raises(PolicyError, match="did not answer"):
            remote.predict(observation(), subtask())
        with pytest.raises(PolicyError, match="the first request failed") as caught:
            remote.predict(observation(), subtask())
        assert is_lost(caught.value), "the second request may be asked again"


def test_nobody_there_is_said_within_the_deadline() -> None:
    started = time.monotonic()
    with pytest.raises(PolicyError, match=r"No policy server could be reached within 0.5 s .*Connection refused.*saydo serve"):
        RemotePolicy(f"ws://127.0.0.1:{unused_port()}", 0.5)
    assert time.monotonic() - started < 1.5
    with pytest.raises(PolicyError, match="no server is known"):
        RemotePolicy([], 0.1)


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "http://127.0.0.1:8000", "", "ws://"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(PolicyError, match="is not the address of a policy server"):
        RemotePolicy(address, 0.5)


def test_something_else_listens_there() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        started = time.monotonic()
        with pytest.raises(PolicyError, match="No policy server could be reached"):
            RemotePolicy(f"ws://127.0.0.1:{silent.getsockname()[1]}", 0.5)
        assert time.monotonic() - started < 1.5
    for first in (pack({"reset_pose": [0.0]}), "go away"):

        def greet(connection: ServerConnection, first: bytes | str = first) -> None:
            connection.send(first)

        with playing(greet) as address, pytest.raises(PolicyError, match="not a saydo server"):
            RemotePolicy(address, 1)


GOOD = Chunk(7, np.zeros((8, 2), np.float32))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"\xc1\xff", "not a msgpack message"),
        (pack({}), "without 'actions'"),
        ("", "refused without a word"),
        ("the arm is on fire", "the arm is on fire"),
        (write_reply(GOOD, 99, {"infer_ms": 1.0}), "answered request 99; it was asked request 1"),
        (write_reply(GOOD, None, {"infer_ms": 1.0}), "answered request -1"),
        (write_reply(Chunk(6, GOOD.actions), 1, {"infer_ms": 1.0}), "asked at tick 7 and answered for tick 6"),
        (write_reply(Chunk(7, np.full((8, 2), np.nan, np.float32)), 1, {"infer_ms": 1.0}), "not finite"),
        (write_reply(Chunk(7, np.zeros((8, 5), np.float32)), 1, {"infer_ms": 1.0}), "5 numbers a row instead of 2"),
        (None, "was lost while it was asked"),
    ],
    ids=str,
)
def test_garbage_is_told_and_the_connection_is_made_anew(answer: bytes | str | None, told: str) -> None:
    calls: list[int] = []

    def act(connection: ServerConnection) -> None:
        connection.send(write_metadata(Mixer().spec))
        for frame in connection:
            calls.append(1)
            if len(calls) > 1:
                connection.send(write_reply(GOOD, unpack(frame)["_saydo"]["seq"], {"infer_ms": 1.0}))
            elif answer is None:
                return
            else:
                connection.send(answer)

    with playing(act) as address, RemotePolicy(address, 2) as remote:
        with pytest.raises(PolicyError, match=told) as caught:
            remote.predict(observation(), subtask())
        assert is_lost(caught.value) == (answer is None)
        assert remote.predict(observation(), subtask()).actions.shape == (8, 2)


def test_a_server_that_stops_reading_does_not_hold_the_robot() -> None:
    """The picture is bigger than any socket buffer, so that sending it blocks."""
    spec = Mixer().spec.model_copy(update={"cameras": {"front": (2500, 2500)}})
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        frozen: list[socket.socket] = []

        def greet_and_freeze() -> None:
            connection, protocol = listener.accept()[0], ServerProtocol()
            protocol.receive_data(connection.recv(1 << 16))
            protocol.send_response(protocol.accept(protocol.events_received()[0]))  # type: ignore[arg-type]
            protocol.send_binary(write_metadata(spec))
            connection.sendall(b"".join(protocol.data_to_send()))
            frozen.append(connection)

        threading.Thread(target=greet_and_freeze, daemon=True).start()
        remote = RemotePolicy(f"ws://127.0.0.1:{listener.getsockname()[1]}", 1.0)
        seen = observation()
        big = Observation(7, 0.35, seen.state, {"front": np.zeros((2500, 2500, 3), np.uint8)})
        started = time.monotonic()
        with pytest.raises(PolicyError, match=r"was lost while it was asked|did not answer"):
            remote.predict(big, subtask())
        assert time.monotonic() - started < 2.5
        frozen[0].close()


def test_it_finds_a_server_that_has_moved() -> None:
    where: list[str] = []
    with serving(Mixer()) as first:
        where[:] = [first]
        remote = RemotePolicy(where, 5, resolve=lambda: where)
        assert remote.predict(observation(), subtask()).start == 7
    with pytest.raises(PolicyError, match="lost"):
        remote.predict(observation(), subtask())
    threading.Timer(0.5, lambda: where.__setitem__(slice(None), [stack[0]])).start()
    with serving(Mixer()) as second:
        stack = [second]
        started = time.monotonic()
        assert remote.predict(observation(), subtask()).start == 7
        assert 0.2 < time.monotonic() - started < 5
        remote.close()


def test_it_waits_for_a_server_that_comes_back_at_the_same_place() -> None:
    port = unused_port()
    with serving(Mixer(), port) as address:
        remote = RemotePolicy(address, 5)
    with pytest.raises(PolicyError):
        remote.predict(observation(), subtask())
    started = threading.Event()

    def come_back() -> None:
        time.sleep(0.4)
        with serving(Mixer(), port):
            started.wait(5)

    thread = threading.Thread(target=come_back)
    thread.start()
    assert remote.predict(observation(), subtask()).start == 7
    remote.close()
    started.set()
    thread.join()


def test_another_policy_at_the_old_place_is_refused() -> None:
    port = unused_port()
    with serving(Mixer(), port) as address:
        remote = RemotePolicy(address, 2)
    with pytest.raises(PolicyError):
        remote.predict(observation(), subtask())
    with serving(Mixer(name="blender"), port), pytest.raises(PolicyError, match="serves another policy now: 'blender', not 'mixer'"):
        remote.predict(observation(), subtask())


def test_of_several_addresses_a_dead_one_is_passed_over(address: str) -> None:
    dead = f"ws://127.0.0.1:{unused_port()}"
    for addresses in ([dead, address], [address, dead]):
        with RemotePolicy(addresses, 2) as remote:
            assert remote.predict(observation(), subtask()).start == 7


def test_threads_may_share_one(address: str) -> None:
    wrong: list[int] = []
    with RemotePolicy(address, 5) as remote:

        def work(seed: int) -> None:
            for tick in range(10):
                seen = observation(tick, seed)
                if not np.array_equal(remote.predict(seen, subtask()).actions, Mixer().predict(seen, subtask()).actions):
                    wrong.append(seed)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
