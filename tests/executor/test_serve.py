"""Ray Serve for real: one Ray session for this file, policies in processes of their own, real websockets."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from websockets.sync.client import connect

from agent.config import ServeConfig
from agent.errors import PolicyError
from agent.executor.remote import RemotePolicy
from agent.executor.running import Running, announced, find_server, state_file
from agent.executor.serve import PORT_TRIES, Served, _begin, ray_session, serve_policy
from agent.executor.wire import pack, unpack
from agent.types import Observation, Scene, Subtask, Thing
from tests.executor.toys import Mixer, broken, observation, subtask

pytestmark = pytest.mark.ray
CONFIG = ServeConfig(replicas=1, host="127.0.0.1", port=8000, cpus=2, start_deadline_s=240.0)
STALL_S = 2.0
STAGES: list[str] = []


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    with ray_session(CONFIG) as ours:
        assert ours
        yield


@pytest.fixture(scope="module")
def served(ray: None) -> Iterator[Served]:
    with serve_policy(partial(Mixer, sees_scene=True), CONFIG, STAGES.append, stall_s=STALL_S) as served:
        yield served


@pytest.fixture
def remote(served: Served) -> Iterator[RemotePolicy]:
    with served.policy(5.0) as remote:
        yield remote


def with_scene(seed: int) -> Observation:
    plain = observation(seed, seed)
    scene = Scene(tick=seed, things=(Thing(name="red block", kind="block", position=(0.5, seed / 7, 0.02)),))
    return Observation(plain.tick, plain.time, plain.state, plain.images, scene)


def predict_again(remote: RemotePolicy, seen: Observation, task: Subtask, patience_s: float = 60.0) -> tuple[np.ndarray, list[PolicyError]]:
    """Ask until there is an answer, as the executor does while the robot stands."""
    errors: list[PolicyError] = []
    end = time.monotonic() + patience_s
    while True:
        try:
            return remote.predict(seen, task).actions, errors
        except PolicyError as error:
            errors.append(error)
            assert time.monotonic() < end, errors


# --- before anything is served ---


def test_a_policy_that_cannot_be_built_is_told_with_its_reason(ray: None) -> None:
    stages: list[str] = []
    with pytest.raises(PolicyError, match=r"cannot be loaded: ValueError: the weights are for another arm"), serve_policy(
        broken, CONFIG, stages.append
    ):
        pytest.fail("it was served")
    assert stages == ["starting Ray", "starting Ray Serve", "loading the policy"]


def test_a_policy_that_takes_too_long_to_build_is_given_up(ray: None) -> None:
    impatient = CONFIG.model_copy(update={"start_deadline_s": 3.0})
    started = time.monotonic()
    with pytest.raises(PolicyError, match=r"not ready in time.*serve.start_deadline_s"), serve_policy(partial(time.sleep, 600), impatient):
        pytest.fail("it was served")
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", None), ("203.0.113.9", 8000)], ids=["taken", "not ours"])
def test_a_place_where_nothing_can_listen_is_told_before_ray_is_started(host: str, port: int | None) -> None:
    stages: list[str] = []
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as other:
        at = port or other.getsockname()[1]
        elsewhere = CONFIG.model_copy(update={"host": host})
        with pytest.raises(PolicyError, match=f"Nothing can listen on {host}:{at}"), serve_policy(Mixer, elsewhere, stages.append, port=at):
            pytest.fail("it was served")
    assert stages == []


# --- served ---


def test_it_starts_in_stages(served: Served) -> None:
    assert STAGES == ["starting Ray", "starting Ray Serve", "loading the policy", "ready"]
    assert len(served.addresses()) == 1 and served.addresses()[0].startswith("ws://127.0.0.1:")


def test_served_and_local_answers_are_equal_bit_for_bit(remote: RemotePolicy) -> None:
    local = Mixer(sees_scene=True)
    assert remote.spec == local.spec and remote.about["pid"] != os.getpid()
    for seed in range(50):
        seen, task = with_scene(seed), subtask(f"do {seed}")
        near, far = local.predict(seen, task), remote.predict(seen, task)
        assert far.start == near.start == seed and far.actions.tobytes() == near.actions.tobytes()
        assert {"think_ms", "infer_ms", "queue_ms", "trip_ms"} == set(far.timing)


@pytest.mark.parametrize("door", ["replica", "front"])
def test_a_client_that_knows_openpis_protocol_only_is_served(served: Served, door: str) -> None:
    """As openpi's client does: connect, read the metadata, then send a map and read a map. The front is Serve's own proxy."""
    address = served.addresses()[0] if door == "replica" else served.front
    seen = observation()
    with connect(address, compression=None, max_size=None, proxy=None) as wire:
        metadata = unpack(wire.recv(timeout=10))
        assert metadata["saydo"]["spec"]["name"] == "mixer"
        for words in ("pick up the fork", "put it down"):
            wire.send(pack({"observation/state": seen.state, "images": dict(seen.images), "prompt": words}))
            values = unpack(wire.recv(timeout=10))
            alone = Mixer(sees_scene=True).predict(Observation(0, 0.0, seen.state, seen.images), Subtask(skill="", words=words))
            np.testing.assert_array_equal(values["actions"], alone.actions)
            assert values["server_timing"]["infer_ms"] >= 0


def test_many_robots_at_once(served: Served) -> None:
    """More than Serve's default of five open requests a replica."""
    with contextlib.ExitStack() as stack:
        robots = [stack.enter_context(served.policy(5.0)) for _ in range(24)]
        for seed, robot in enumerate(robots):
            seen = with_scene(seed)
            np.testing.assert_array_equal(robot.predict(seen, subtask()).actions, Mixer(sees_scene=True).predict(seen, subtask()).actions)


def test_a_failing_policy_is_told_and_goes_on(remote: RemotePolicy) -> None:
    with pytest.raises(PolicyError, match=r"'mixer' failed with RuntimeError: no grip"):
        remote.predict(with_scene(1), subtask("fail no grip"))
    assert remote.predict(with_scene(1), subtask()).start == 1


def test_killing_the_replica_costs_a_pause_only(served: Served, remote: RemotePolicy, capfd: pytest.CaptureFixture[str]) -> None:
    local, pids, lost, gap = Mixer(sees_scene=True), set(), [], 0.0
    for tick in range(30):
        if tick == 10:
            os.kill(remote.about["pid"], signal.SIGKILL)
        started = time.monotonic()
        rows, errors = predict_again(remote, with_scene(tick), subtask())
        gap = max(gap, time.monotonic() - started)
        lost += errors
        pids.add(remote.about["pid"])
        assert rows.tobytes() == local.predict(with_scene(tick), subtask()).actions.tobytes()
    assert len(pids) == 2 and len(lost) >= 1 and gap < 30
    assert served.addresses()
    assert capfd.readouterr().out == "", "Ray must not write on our standard output"


def test_a_policy_that_kills_its_process_is_replaced(remote: RemotePolicy) -> None:
    before = remote.about["pid"]
    with pytest.raises(PolicyError, match="was lost while it was asked"):
        remote.predict(with_scene(0), subtask("die"))
    _, _ = predict_again(remote, with_scene(0), subtask())
    assert remote.about["pid"] != before


def test_a_stuck_policy_is_replaced(remote: RemotePolicy) -> None:
    """Serve's own health check would not see it: the event loop is well."""
    before = remote.about["pid"]
    remote.deadline_s = 1.0
    with pytest.raises(PolicyError, match="did not answer within 1 s"):
        remote.predict(with_scene(0), subtask("wait 1000"))
    remote.deadline_s = 5.0
    rows, _ = predict_again(remote, with_scene(0), subtask())
    assert remote.about["pid"] != before
    np.testing.assert_array_equal(rows, Mixer(sees_scene=True).predict(with_scene(0), subtask()).actions)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's /proc")
def test_only_this_machine_can_reach_it(served: Served) -> None:
    listening = {pid: ports for pid in descendants(os.getpid()) if (ports := open_ports(pid))}
    assert len(listening) > 3
    everywhere = {pid: ports for pid, ports in listening.items() if not all(is_loopback(address) for address in ports)}
    assert not everywhere, {Path(f"/proc/{pid}/cmdline").read_text()[:80]: ports for pid, ports in everywhere.items()}


def test_others_find_the_server(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert find_server() is None
    with announced(served, "mixer"):
        running = find_server()
        assert running == Running("mixer", os.getpid(), running.version, served.front, served.addresses()) if running else False
        assert running is not None
        with running.connect(5.0) as remote:
            os.kill(remote.about["pid"], signal.SIGKILL)
            predict_again(remote, with_scene(1), subtask())
    assert find_server() is None and not state_file().exists()


SERVER = """
import time
from agent.config import ServeConfig
from agent.executor.serve import announced, serve_policy
from tests.executor.toys import Mixer
config = ServeConfig(replicas=2, host="127.0.0.1", port=8000, cpus=2, start_deadline_s=240.0)
with serve_policy(Mixer, config) as served, announced(served, "mixer"):
    print(*served.addresses(), flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda end: end.name)
def test_however_a_server_ends_it_leaves_nothing_running(end: signal.Signals, tmp_path: Path, root: Path) -> None:
    """After a kill, Ray's agents look for their dead masters for a minute more; they use no CPU and hold no port that is needed."""
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    ordinary = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    command, output = [sys.executable, "-c", SERVER], subprocess.PIPE
    server = subprocess.Popen(command, cwd=root, env=environment, stdout=output, text=True, preexec_fn=ordinary)
    assert server.stdout is not None and len(server.stdout.readline().split()) == 2
    family = descendants(server.pid)
    assert len(family) > 8
    started = time.monotonic()
    server.send_signal(end)
    server.wait(timeout=30)
    while any(is_running(pid) for pid in family):
        assert time.monotonic() - started < (120 if end is signal.SIGKILL else 20), [pid for pid in family if is_running(pid)]
        time.sleep(0.1)
    assert (tmp_path / "saydo" / "serve.json").exists() == (end is signal.SIGKILL)


# --- what Linux knows of our processes ---


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def descendants(pid: int) -> set[int]:
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def open_ports(pid: int) -> set[str]:
    """Local addresses, in hex, on which a process listens for TCP."""
    inodes = set()
    with contextlib.suppress(OSError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                inodes.add(os.readlink(fd).removeprefix("socket:[").rstrip("]"))
    lines = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    return {fields[1] for fields in lines if fields[3] == "0A" and fields[9] in inodes}


def is_loopback(address: str) -> bool:
    host = address.partition(":")[0]
    return host in ("0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")


class Unlucky:
    """Stands for the module ray: so often a port is taken, or something else is wrong."""

    def __init__(self, times: int, says: str = "Failed to bind to address '127.0.0.1:44227'.") -> None:
        self.times, self.says, self.tried = times, says, 0

    def init(self, **options: object) -> None:
        self.tried += 1
        if self.tried <= self.times:
            raise RuntimeError(self.says)

    def shutdown(self) -> None:
        pass


def test_a_port_that_was_taken_meanwhile_is_no_reason_to_give_up_at_once() -> None:
    _begin(lucky := Unlucky(PORT_TRIES - 1))
    assert lucky.tried == PORT_TRIES
    for unlucky, tries in ((Unlucky(PORT_TRIES), PORT_TRIES), (Unlucky(1, "no memory"), 1)):
        with pytest.raises(RuntimeError):
            _begin(unlucky)
        assert unlucky.tried == tries
