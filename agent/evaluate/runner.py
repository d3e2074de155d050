"""Plays all episodes of a protocol: here, in processes of this machine, or as Ray tasks; one line of JSON an episode, as it ends.

The folder of an evaluation holds protocol.json, episodes.jsonl, pictures/, and when it is complete result.json and report.html. One that
was cut off goes on where it was: episodes that have a line are not played again.
"""

import base64
import json
import multiprocessing
import os
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agent.config import Config
from agent.errors import ConfigError, RecordError
from agent.evaluate.episodes import Episode, episodes_of, play_episode, policy_of
from agent.evaluate.protocol import ROWS, Protocol
from agent.evaluate.results import Line, summed_up
from agent.executor.files import out_folder, replace_file

Progress = Callable[[int, int, Line | None], None]
"""progress(episodes done, of how many, the one that just ended)."""
PACKAGES = ("saydo", "numpy", "pybullet", "ray", "pydantic")


def evaluate(
    protocol: Protocol, config: Config, folder: Path, *, workers: int = 1, ray: bool = False,
    progress: Progress = lambda done, of, line: None,
) -> dict[str, Any]:  # fmt: skip
    """Play what is not played yet, add up, and write result.json and report.html into `folder`. Returns the result.

    workers: processes (1: this one); with `ray`, as many Ray tasks at a time as the cluster has CPUs. RecordError if the folder holds an
    evaluation by another protocol; ConfigError, WeightsError or Mismatch if there is no such policy.
    """
    from agent.evaluate.page import write_page

    check_policy(protocol, config)
    episodes = episodes_of(protocol)
    lines = started(protocol, folder)
    waiting = [episode for episode in episodes if episode.key not in lines]
    progress(len(lines), len(episodes), None)
    play = by_ray if ray else by_processes if workers > 1 else here
    with (folder / "episodes.jsonl").open("a", encoding="utf-8") as log:
        for line in play(protocol, config, waiting, workers):
            lines[line["key"]] = kept(line, folder)
            log.write(json.dumps(lines[line["key"]], ensure_ascii=False) + "\n")
            log.flush()
            progress(len(lines), len(episodes), line)
    ordered = [lines[episode.key] for episode in episodes]
    result = {**summed_up(protocol, ordered), **about(protocol, config)}
    replace_file(folder / "result.json", json.dumps(result, indent=1, ensure_ascii=False).encode())
    write_page(folder, result, ordered)
    return result


def check_policy(protocol: Protocol, config: Config) -> None:
    """Raises what making the policy raises, which no episode could do without, and ConfigError if a row asks of it what it cannot do."""
    for row in protocol.rows:
        policy_of(protocol, config, row, protocol.seed_base)
    if "alone" in protocol.rows and not hears(protocol, config):
        raise ConfigError(f"The policy '{protocol.policy}' reads no words, so it cannot be given a whole instruction. "
                          "Leave the row 'alone' out, or give a policy that does.")  # fmt: skip


def hears(protocol: Protocol, config: Config) -> bool:
    """Can the policy be given a sentence alone?"""
    return not policy_of(protocol, config, "alone", protocol.seed_base).spec.sees_scene


def every_row(protocol: Protocol, config: Config) -> Protocol:
    """The protocol with all rows that make sense for its policy."""
    return protocol.model_copy(update={"rows": tuple(row for row in ROWS if row != "alone" or hears(protocol, config))})


def started(protocol: Protocol, folder: Path) -> dict[str, Line]:
    """Lines of an evaluation that was cut off; a last line that was cut in two is dropped."""
    out_folder(folder / "pictures")
    note, log = folder / "protocol.json", folder / "episodes.jsonl"
    if note.exists() and (theirs := json.loads(note.read_text(encoding="utf-8"))["sha256"]) != protocol.sha256:
        raise RecordError(f"{folder} holds an evaluation by another protocol ({theirs[:12]}, not {protocol.sha256[:12]}). "
                          "Give another --out, or leave it out.")  # fmt: skip
    replace_file(note, json.dumps({"sha256": protocol.sha256, **protocol.model_dump(mode="json")}, indent=1).encode())
    lines: dict[str, Line] = {}
    for text in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        lines[line["key"]] = line
    replace_file(log, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines.values()).encode())
    return lines


def kept(line: Line, folder: Path) -> Line:
    """The line with its picture as a file beside it."""
    picture = line.pop("picture", None)
    if picture is not None:
        name = f"pictures/{line['key'].replace('/', '-').replace(' ', '-')}.jpg"
        (folder / name).write_bytes(base64.b64decode(picture))
        line["picture"] = name
    return line


def here(protocol: Protocol, config: Config, episodes: list[Episode], workers: int) -> Iterator[Line]:
    for episode in episodes:
        yield play_episode(protocol, config, episode)


def by_processes(protocol: Protocol, config: Config, episodes: list[Episode], workers: int) -> Iterator[Line]:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        try:
            playing = [pool.submit(play_episode, protocol, config, episode) for episode in episodes]
            yield from (done.result() for done in as_completed(playing))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def by_ray(protocol: Protocol, config: Config, episodes: list[Episode], workers: int) -> Iterator[Line]:
    """As Ray tasks, on this machine or on the cluster that RAY_ADDRESS names."""
    from agent.executor.serve import ray_session

    with ray_session(config.serve):
        import ray

        play = ray.remote(num_cpus=1, max_retries=2)(play_episode)
        shared = ray.put(protocol), ray.put(config)
        most = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting = list(reversed(episodes))
        running: list[Any] = []
        while waiting or running:
            while waiting and len(running) < most:
                running.append(play.remote(*shared, waiting.pop()))
            done, running = ray.wait(running)
            yield from ray.get(done)


def new_folder(protocol: Protocol, runs: Path) -> Path:
    """Where an evaluation goes when nobody says: the one by this protocol that is not complete, else a new one."""
    stem = f"{protocol.name}-{protocol.sha256[:8]}"
    for number in range(1, 1000):
        folder = runs / "evaluations" / f"{stem}-{number}"
        if not (folder / "result.json").exists():
            return folder
    raise RecordError(f"There are 999 evaluations called {stem} in {runs}. Give --out, or remove some.")


def about(protocol: Protocol, config: Config) -> dict[str, Any]:
    """What a figure depends on besides the code: protocol, versions, machine, renderer, the seeds."""
    return {
        "protocol": {"sha256": protocol.sha256, **protocol.model_dump(mode="json")},
        "config": config.model_dump(mode="json", exclude={"serve", "runs"}),
        "versions": {name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
        "machine": {"system": platform.platform(), "processor": processor(), "cores": os.cpu_count()},
        "renderer": "TinyRenderer of pybullet (pictures are only taken of failures, and for policies that have cameras)",
        "seeds": [protocol.seed_base, protocol.seed_base + protocol.episodes - 1],
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def processor() -> str:
    """What the machine calls its processor."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
