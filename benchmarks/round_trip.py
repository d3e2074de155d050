"""What it costs to have a policy served: ms per chunk round trip through Ray Serve against the same policy in process, in one run.

    python benchmarks/round_trip.py [--requests 1000]

A policy that returns zeros at once, without pictures and with two (224 px and 128 px), so that what is left is the path itself (packing,
the websocket, the hand-over to the model's thread and back); the oracle, which is sent the scene; and the policies that ship, with two
pictures. Rounds of the two paths alternate, so that other load on the machine meets both alike. Also printed: the seconds of each stage
until the policy is ready, and the memory of the processes, resident and proportional (pages that are shared counted once).
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from agent.config import PolicyConfig, ServeConfig, load_config
from agent.executor.policies import WEIGHTS, make_policy
from agent.executor.serve import ray_session, serve_policy
from agent.executor.wire import write_request
from agent.types import Chunk, Observation, Policy, PolicySpec, Scene, Subtask

VIEWS = {"front": (224, 224), "wrist": (128, 128)}
ROUNDS = 10


class Still:
    """A policy that costs nothing: a chunk of zeros."""

    def __init__(self, cameras: dict[str, tuple[int, int]]) -> None:
        joints = tuple(f"joint {number}" for number in range(1, 8))
        self.spec = PolicySpec(name="still", rate_hz=20, horizon=32, state=joints, action=joints, cameras=cameras)

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        return Chunk(observation.tick, np.zeros((32, 7), np.float32))


def question(policy: Policy) -> tuple[Observation, Subtask]:
    """What the policy is asked: a real scene for one that reads scenes, random pictures for one that looks."""
    draw = np.random.default_rng(0)
    images = {name: draw.integers(0, 256, (*size, 3), dtype=np.uint8) for name, size in policy.spec.cameras.items()}
    task = Subtask(skill="pick", args={"thing": "red block"}, words="pick up the red block")
    if not policy.spec.sees_scene:
        return Observation(0, 0.0, draw.normal(size=len(policy.spec.state)).astype(np.float32), images), task
    from sim.robot import SimRobot

    seen = SimRobot("tabletop", seed=0, pace=0.0).observe(policy.spec.cameras)
    assert isinstance(seen.scene, Scene)
    return seen, task


def milliseconds(predict: Callable[[], Chunk], count: int) -> list[float]:
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        predict()
        taken.append(1e3 * (time.perf_counter() - started))
    return taken


def compare(name: str, make: Callable[[], Policy], config: ServeConfig, requests: int, then: Callable[[], None] | None = None) -> None:
    """Serve it, ask it here and there by turns, print two lines of the table, and do what comes `then` while it is served."""
    local = make()
    seen, task = question(local)
    started = time.perf_counter()
    with serve_policy(make, config) as served, served.policy(deadline_s=5.0) as remote:
        ready_s = time.perf_counter() - started
        paths = {"in process": local, "through Ray Serve": remote}
        taken: dict[str, list[float]] = {path: [] for path in paths}
        for turn in range(ROUNDS + 1):
            for path, policy in paths.items():
                times = milliseconds(partial(policy.predict, seen, task), requests // ROUNDS)
                taken[path] += times if turn else []  # the first round warms up
        payload = len(write_request(remote.spec, seen, task, 0)) / 1e3
        for path, times in taken.items():
            p50, p99 = np.percentile(times, [50, 99])
            print(f"{name:<18}{path:<20}{payload:>9.1f}{p50:>9.3f}{p99:>9.3f}{len(times):>8}")
        print(f"{'':<18}ready {ready_s:.1f} s after Ray was")
        if then is not None:
            then()


def show_memory() -> None:
    """Of this process and all below it, by kind."""
    sums: dict[str, list[float]] = {}
    for pid in family():
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        except OSError:  # it has ended meanwhile
            continue
        fields = dict(part.split(":", 1) for part in rollup)
        entry = sums.setdefault(what(pid), [0.0, 0.0, 0.0])
        for place, value in enumerate((1.0, *(float(fields[key].split()[0]) / 1e3 for key in ("Rss", "Pss")))):
            entry[place] += value
    print(f"\n{'process':<24}{'number':>8}{'resident MB':>14}{'proportional MB':>18}")
    rows = sorted(sums.items(), key=lambda row: -row[1][2])
    for name, (count, rss, pss) in [*rows, ("sum", tuple(map(sum, zip(*sums.values(), strict=True))))]:
        print(f"{name:<24}{count:>8.0f}{rss:>14.0f}{pss:>18.0f}")
    print()


def family() -> set[int]:
    """This process and its descendants."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
    found = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def what(pid: int) -> str:
    """A short name for a process."""
    if pid == os.getpid():
        return "this process"
    command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    known = ("ServeReplica", "ServeController", "ProxyActor", "gcs_server", "raylet/raylet", "dashboard.py", "monitor.py")
    return next((name for name in known if name in command), command.split(" ")[0].rpartition("/")[2] or "?")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000)
    requests = parser.parse_args().requests
    config = load_config().serve
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    started = time.perf_counter()
    with ray_session(config):
        print(f"Ray ready after {time.perf_counter() - started:.1f} s\n")
        print(f"{'policy':<18}{'path':<20}{'kB sent':>9}{'p50 ms':>9}{'p99 ms':>9}{'n':>8}")
        compare("zeros", partial(Still, {}), config, requests)
        compare("zeros, 2 pictures", partial(Still, VIEWS), config, requests)
        for name in ("oracle", *sorted(folder.parent.name for folder in WEIGHTS.glob("*/config.json"))):
            policy = partial(make_policy, PolicyConfig(name=name, checkpoint=None))
            compare(name, policy, config, max(ROUNDS, requests // 10), then=show_memory if name == "oracle" else None)


if __name__ == "__main__":
    main()
