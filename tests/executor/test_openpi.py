"""The unmodified `openpi-client` package drives the workbench through Ray Serve. It pins numpy < 2, so it lives in an environment of its
own; what it is told of the robot, and what it wants done, passes through a pipe."""

import os
import struct
import subprocess
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.config import ServeConfig
from agent.executor.serve import serve_policy
from agent.executor.wire import pack, unpack
from agent.types import Array, Observation, Subtask
from sim.robot import SimRobot
from tests.executor.toys import Reach

pytestmark = pytest.mark.ray
CONFIG = ServeConfig(replicas=1, host="127.0.0.1", port=8000, cpus=2, start_deadline_s=240.0)
ROWS = 5
PROMPTS = ("move to the left", "move to the right")
CLIENT = """
import struct, sys
from openpi_client import msgpack_numpy
from openpi_client.action_chunk_broker import ActionChunkBroker
from openpi_client.websocket_client_policy import WebsocketClientPolicy
policy = WebsocketClientPolicy(sys.argv[1], int(sys.argv[2]))
assert policy.get_server_metadata()["saydo"]["spec"]["name"] == "reach"
broker = ActionChunkBroker(policy, action_horizon=int(sys.argv[3]))
while size := sys.stdin.buffer.read(4):
    seen = msgpack_numpy.unpackb(sys.stdin.buffer.read(*struct.unpack("<I", size)))
    answer = msgpack_numpy.packb(broker.infer(seen))
    sys.stdout.buffer.write(struct.pack("<I", len(answer)) + answer)
    sys.stdout.buffer.flush()
"""


@pytest.fixture(scope="module")
def openpi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python that has openpi-client."""
    if os.environ.get("SAYDO_NIGHTLY") != "1":
        pytest.skip("installs openpi-client: set SAYDO_NIGHTLY=1")
    folder = tmp_path_factory.mktemp("openpi")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip", "install", "-q", "openpi-client", "typing_extensions"]  # the latter it needs without saying so
    install = subprocess.run(pip, capture_output=True, text=True, timeout=240)
    if install.returncode:
        pytest.skip(f"openpi-client cannot be installed here: {install.stderr.strip().splitlines()[-1]}")
    return python


@pytest.fixture
def client(openpi: Path) -> Iterator[subprocess.Popen[bytes]]:
    with serve_policy(Reach, CONFIG) as served:
        host, _, port = served.addresses()[0].removeprefix("ws://").rpartition(":")
        command = [openpi, "-c", CLIENT, host, port, str(ROWS)]
        environment = {**os.environ, "NO_PROXY": "*"}
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
            yield process
            assert process.stdin is not None
            process.stdin.close()


def drive(choose: Callable[[Observation, str], Array]) -> tuple[Array, list[float]]:
    """The arm's final state after 20 ticks a prompt, and where its hand stood after each of them along y, m."""
    robot, sides = SimRobot("tabletop", seed=4), []
    for prompt in PROMPTS:
        for _ in range(20):
            robot.apply(choose(robot.observe(Reach().spec.cameras), prompt))
        sides.append(float(robot.observe([]).state[8]))
    return robot.observe([]).state, sides


def test_the_workbench_is_driven_as_by_the_same_policy_in_process(client: subprocess.Popen[bytes]) -> None:
    assert client.stdin is not None and client.stdout is not None
    sent, got = client.stdin, client.stdout

    def through_openpi(seen: Observation, prompt: str) -> Array:
        images = {f"observation/image/{name}": image for name, image in seen.images.items()}
        data = pack({"observation/state": seen.state, **images, "prompt": prompt})
        sent.write(struct.pack("<I", len(data)) + data)
        sent.flush()
        answer: dict[str, Any] = unpack(got.read(*struct.unpack("<I", got.read(4))))
        assert set(answer) == {"actions", "policy_timing", "server_timing"}
        return np.array(answer["actions"])

    policy, rows = Reach(), []

    def in_process(seen: Observation, prompt: str) -> Array:
        if not rows:
            chunk = policy.predict(Observation(0, 0.0, seen.state, seen.images), Subtask(skill="", words=prompt))
            rows.extend(chunk.actions[:ROWS])
        return rows.pop(0)

    here, (left, right) = drive(in_process)
    there, sides = drive(through_openpi)
    assert there.tobytes() == here.tobytes() and sides == [left, right]
    assert left > right + 0.01
