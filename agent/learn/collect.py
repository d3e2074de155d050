"""Makes a dataset by a recipe: shards here, in processes of this machine, or as Ray tasks; each follows from (recipe, seed) alone.

The folder holds two datasets, `states` and `demos` (see dataset.py), which grow shard by shard and can be read meanwhile, and
collect.jsonl, a line for each shard as it is appended. One that was cut off goes on where it was.
"""

import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from agent.config import ServeConfig
from agent.errors import ConfigError
from agent.executor.files import Log, out_folder
from agent.executor.policies import described, sha256_of
from agent.learn.recipe import Recipe
from agent.learn.shards import Writer, shard

SEED_BASE = 10_000_000
"""First seed of the worlds: far from those that evaluations play in."""
APART = {"states": 0, "demos": 500_000_000, "visited": 700_000_000}
"""From the worlds of states to those of the others."""
ABOUT = {
    "states": (
        "Labelled states of a simulated Panda at its workbench. Every episode is one frame: a state that was drawn, not driven to. Learn "
        "`chunk`, the expert's next 32 actions at 20 Hz from exactly there; actions of later frames have nothing to do with it."
    ),
    "demos": (
        "Episodes of a simulated Panda at its workbench, 20 Hz, driven by an expert whose commands were disturbed. `action` and `chunk` "
        "are the expert's own answer in every frame, not the disturbed command: fine-tune on them as on any dataset of this format."
    ),
    "visited": (
        "States of a simulated Panda at its workbench that a learned policy has driven to, every fourth tick. Every episode is one frame. "
        "Learn `chunk`, what an expert would do there at 20 Hz; it is not what the policy did."
    ),
}
WHAT = (
    "\n\nActions: x, y, z, rx, ry, rz of the tool centre point (base frame, m, rotation vector with zero pointing straight down) and the "
    "gripper's opening as a fraction. State: seven joint angles, the measured pose alike, the width between the finger pads, m. `point.*`: "
    "where the thing, its target and the spot for it are in a picture, as u, v, visible. Made by `saydo collect`."
)


class Job(NamedTuple):
    """One shard to be made."""

    kind: str
    """The dataset that it goes to."""
    number: int
    seed: int


class Progress(NamedTuple):
    done: int
    """Frames."""
    of: int
    per_second: float
    """Frames made in this run, by the clock on the wall."""
    left_s: float


Tell = Callable[[Progress], object]
Make = Callable[[Job], bytes]


def make_shard(recipe: Recipe, job: Job, driver: Path | None, cameras: Sequence[str] | None = None) -> bytes:
    """A shard's bytes; equal arguments give equal bytes."""
    from agent.learn.driven import draw_episodes
    from agent.learn.samples import draw_states
    from agent.learn.visited import draw_visits

    if job.kind == "demos":
        return shard(list(draw_episodes(recipe, job.seed, recipe.shard)))
    if driver is not None:
        return shard([[frame] for frame in draw_visits(recipe, driver, job.seed, recipe.shard, cameras)])
    return shard([[frame] for frame in draw_states(recipe, job.seed, recipe.shard)])


def plan(recipe: Recipe, seed_base: int, driver: Path | None = None) -> list[Job]:
    """All shards, those of demos spread among the others; with a driver, all of them of what it visits."""
    whole = max(-(-recipe.samples // recipe.shard), 1)
    if driver is not None:
        return [Job("visited", number, seed_base + APART["visited"] + number * recipe.shard) for number in range(whole)]
    driven = round(whole * recipe.driven)
    jobs: list[Job] = []
    counts = {"states": 0, "demos": 0}
    for place in range(whole):
        kind = "demos" if (place + 1) * driven // whole > place * driven // whole else "states"
        number = counts[kind]
        counts[kind] += 1
        jobs.append(Job(kind, number, seed_base + APART[kind] + number * recipe.shard))
    return jobs


def collect(recipe: Recipe, folder: Path, *, seed_base: int = SEED_BASE, driver: Path | None = None, cameras: Sequence[str] | None = None,
            workers: int = 1, ray: ServeConfig | None = None, tell: Tell = lambda progress: None) -> dict[str, Any]:  # fmt: skip
    """Make what is not made yet. Returns the sizes, and how long it took.

    driver: a small policy's folder; then the dataset `visited` is made, of states that it gets itself into; cameras: those that it drives
    by, if not by all; the frames show all of them. workers: processes (1: this one). ray: as many tasks at a time as that Ray has CPUs,
    instead. RecordError if the folder holds datasets by another recipe, seed or driver, or another process writes there.
    """
    if driver is not None and not described(driver):
        raise ConfigError(f"--driver {driver}: that is no small policy's folder. Make one with `saydo train`, or take weights/pi0.")
    if cameras is not None:
        if driver is None:
            raise ConfigError(f"--cameras {','.join(cameras)}: those that a driver drives by; give it with --driver FOLDER.")
        from agent.executor.models.small_policy import small_policy

        small_policy(driver, cameras=cameras)  # which says what it cannot do without
    out_folder(folder)
    jobs = plan(recipe, seed_base, driver)
    kinds = dict.fromkeys(job.kind for job in jobs)
    made = {"recipe": recipe.sha256, "seed_base": seed_base, **({"driver": sha256_of(driver)} if driver else {}),
            **({"cameras": sorted(cameras)} if cameras else {})}  # fmt: skip
    with closing(Log(folder / "collect.jsonl", lines=True)) as log:
        log.open()
        writers = {kind: Writer(folder / kind, {**made, "kind": kind}, ABOUT[kind] + WHAT) for kind in kinds}
        if driver is None or not (folder / "recipe.json").is_file():
            (folder / "recipe.json").write_text(recipe.model_dump_json(indent=1), encoding="utf-8")
        waiting = [job for job in jobs if job.number >= writers[job.kind].shards]
        begun, before = time.monotonic(), _frames(writers)
        tell(_progress(writers, recipe, begun, before))
        for job in _in_order(partial(make_shard, recipe, driver=driver, cameras=cameras), waiting, workers, ray, writers):
            line = {"kind": job.kind, "shard": job.number, "seed": job.seed, "frames": writers[job.kind].frames,
                    "after_s": round(time.monotonic() - begun, 1)}  # fmt: skip
            log.append((json.dumps(line) + "\n").encode())
            tell(_progress(writers, recipe, begun, before))
    seconds = time.monotonic() - begun
    sizes = {kind: {"frames": writer.frames, "episodes": writer.episodes, "shards": writer.shards} for kind, writer in writers.items()}
    return {"folder": str(folder), "name": recipe.name, **made, **sizes, "seconds": round(seconds, 1),
            "per_second": round((_frames(writers) - before) / max(seconds, 1e-9), 1)}  # fmt: skip


def _frames(writers: dict[str, Writer]) -> int:
    return sum(writer.frames for writer in writers.values())


def _progress(writers: dict[str, Writer], recipe: Recipe, begun: float, before: int) -> Progress:
    done = _frames(writers)
    rate = (done - before) / max(time.monotonic() - begun, 1e-9)
    return Progress(done, max(recipe.samples, done), rate, max(recipe.samples - done, 0) / rate if rate else float("inf"))


def _in_order(make: Make, jobs: list[Job], workers: int, ray: ServeConfig | None, writers: dict[str, Writer]) -> Iterator[Job]:
    """Append each shard when those before it are there; yields what was appended."""
    early: dict[Job, bytes] = {}
    order = {kind: [job for job in jobs if job.kind == kind] for kind in writers}
    results = _by_ray(make, jobs, ray) if ray else _by_processes(make, jobs, workers) if workers > 1 else _here(make, jobs)
    for job, made in results:
        early[job] = made
        turn = order[job.kind]
        while turn and turn[0] in early:
            next_job = turn.pop(0)
            writers[next_job.kind].append(early.pop(next_job))
            yield next_job


def _here(make: Make, jobs: list[Job]) -> Iterator[tuple[Job, bytes]]:
    for job in jobs:
        yield job, make(job)


def _by_processes(make: Make, jobs: list[Job], workers: int) -> Iterator[tuple[Job, bytes]]:
    waiting = list(reversed(jobs))
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        running: dict[Future[bytes], Job] = {}
        while waiting or running:
            while waiting and len(running) < workers + 1:
                job = waiting.pop()
                running[pool.submit(make, job)] = job
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()


def _by_ray(make: Make, jobs: list[Job], serve: ServeConfig) -> Iterator[tuple[Job, bytes]]:
    """As Ray tasks of one CPU, on this machine or on the cluster that RAY_ADDRESS names."""
    from agent.executor.serve import ray_session

    with ray_session(serve):
        import ray

        task = ray.remote(num_cpus=1, max_retries=2)(_made)
        shared = ray.put(make)
        most = max(1, int(ray.cluster_resources().get("CPU", 1))) + 1
        waiting = list(reversed(jobs))
        running: dict[Any, Job] = {}
        while waiting or running:
            while waiting and len(running) < most:
                job = waiting.pop()
                running[task.remote(shared, job)] = job
            done, _ = ray.wait(list(running))
            for reference in done:
                yield running.pop(reference), ray.get(reference)


def _made(make: Make, job: Job) -> bytes:
    return make(job)
