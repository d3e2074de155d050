"""Small policies and a server for them, for the tests of the wire and of what stands around it."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator

import numpy as np
import uvicorn

from agent.errors import PolicyError
from agent.executor.endpoint import Endpoint
from agent.types import Chunk, Observation, Policy, PolicySpec, Subtask

CAMERAS = {"front": (24, 32), "wrist": (16, 16)}


class Mixer:
    """A policy whose answer depends on everything that it is given, to the last bit; some words make it misbehave."""

    def __init__(self, sees_scene: bool = False, name: str = "mixer", horizon: int = 8) -> None:
        self.spec = PolicySpec(
            name=name, rate_hz=20, horizon=horizon, state=("x", "y", "z"), action=("dx", "dy"), cameras=CAMERAS, sees_scene=sees_scene
        )

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        verb, _, rest = subtask.words.partition(" ")
        if verb == "wait":
            time.sleep(float(rest))
        elif verb == "fail":
            raise RuntimeError(rest)
        elif verb == "refuse":
            raise PolicyError(rest)
        elif verb == "die":
            os._exit(1)
        scene = observation.scene.model_dump_json() if observation.scene is not None else ""
        text = f"{observation.tick} {observation.time!r} {subtask.model_dump_json()} {scene}".encode()
        seen = [int(byte) for image in sorted(observation.images) for byte in observation.images[image].ravel()[:64]]
        draw = np.random.default_rng([*observation.state.tobytes(), *text, *seen])
        rows = draw.normal(size=(self.spec.horizon, 3 if verb == "widen" else 2)).astype(np.float32)
        if verb == "spoil":
            rows[1, 0] = np.nan
        return Chunk(observation.tick + (verb == "shift"), rows, {"think_ms": 1.5})


class Reach:
    """For the workbench's Panda, without seeing the scene: from where the arm is, 2 mm a row to the side that the prompt names, and
    down by what the pictures show."""

    def __init__(self) -> None:
        from sim.robot import PANDA

        views = {name: PANDA.cameras[name] for name in ("front", "wrist")}
        self.spec = PolicySpec(name="reach", rate_hz=20, horizon=8, state=PANDA.state, action=PANDA.action, cameras=views)

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        pose = observation.state[7:13]
        step = np.zeros(6, np.float32)
        step[1] = 0.002 if "left" in subtask.words else -0.002
        step[2] = -1e-5 * np.mean([image.mean() for image in observation.images.values()])
        rows = np.stack([np.append(pose + step * (row + 1), 1.0) for row in range(8)])
        return Chunk(observation.tick, rows.astype(np.float32))


def mixer_with_scene() -> Policy:
    return Mixer(sees_scene=True)


def broken() -> Policy:
    raise ValueError("the weights are for another arm")


def observation(tick: int = 7, seed: int = 0) -> Observation:
    draw = np.random.default_rng(seed)
    images = {name: draw.integers(0, 256, (*size, 3), dtype=np.uint8) for name, size in CAMERAS.items()}
    return Observation(tick, tick / 20, draw.normal(size=3).astype(np.float32), images)


def subtask(words: str = "pick up the red block") -> Subtask:
    return Subtask(skill="pick", args={"thing": "red block"}, words=words)


@contextlib.contextmanager
def serving(policy: Policy, port: int = 0, stall_s: float = 60.0) -> Iterator[str]:
    """The policy's ws:// address, answered by a real server in a thread."""
    endpoint = Endpoint(policy, stall_s)
    server = uvicorn.Server(uvicorn.Config(endpoint.app(), host="127.0.0.1", port=port, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    try:
        yield f"ws://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        endpoint.worker.close()
        thread.join(timeout=5)
