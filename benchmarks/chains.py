"""Is the symbolic side true of the world? Chains drawn by reckoning, checked by reckoning and played by the oracle.

    python benchmarks/chains.py [--chains 1000] [--worlds 20] [--length 5] [--seed-base 0] [--processes 2] [--out FOLDER]

In reckoning each task's preconditions must hold when it is reached and its plan must reach its goal. In the world (`--worlds` of the
same chains, the oracle on each task's own plan) the same preconditions are looked up in the true scene when the task is reached, and so
is every lasting fact that was reckoned: in, on, open, closed, lit, dark, and what the hand holds. With `--out` every chain that was
played leaves a line in FOLDER/chains.jsonl; a benchmark that was cut off goes on there.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from agent.config import load_config
from agent.evaluate.protocol import Fault, load_protocol
from agent.evaluate.rollout import Stage
from sim.oracle import Oracle
from sim.tasks import known_facts, templates
from sim.tasks.chains import Chain, draw_chains
from sim.tasks.reckoning import after

LASTING = ("in", "on", "open", "closed", "lit", "dark", "up", "down", "at", "covered", "uncovered", "holding", "empty")
TICKS = load_protocol("chains").ticks
Line = dict[str, Any]
Drawn = tuple[int, int, int]
"""Which chains: how many, how long, from which seed on."""


@cache
def drawn(which: Drawn) -> list[Chain]:
    return draw_chains(templates(), *which)


def reckon(chain: Chain) -> list[str]:
    """What is wrong with a chain by its own rules."""
    wrong, scene = [], chain.start.scene
    for task in chain.tasks:
        wrong += [f"{task.words}: {fact}" for fact in task.unmet(scene)]
        start, scene = scene, after(scene, *task.plan)
        wrong += [f"{task.words}: its plan does not reach its goal"] * (task.progress(scene, start) < 1.0)
    return wrong


def play(chain: Chain) -> Line:
    """One chain in the world: tasks reached, preconditions checked there, those unmet, tasks done, and what was otherwise than reckoned."""
    began, reckoned = time.process_time(), chain.start.scene
    line: Line = {"reached": 0, "checked": 0, "done": 0, "unmet": [], "failed": "", "otherwise": []}
    stage = Stage(load_config(), chain.start, Oracle(), "oracle", Fault())
    for task in chain.tasks:
        result = stage.play(task, task.words, TICKS)
        line["reached"] += 1
        line["checked"] += len(task.requires) + len(task.forbids)
        line["unmet"] += [f"{task.template}: {task.words}: {fact}" for fact in result["unmet"]]
        if not result["success"]:
            line["failed"] = f"{task.template}: {task.words}: {result['why']}"
            break
        line["done"] += 1
        reckoned = after(reckoned, *task.plan)
        lasting = {fact for fact in known_facts(reckoned) if fact[0] in LASTING}
        line["otherwise"] += [f"after {task.words}: not {' '.join(fact)}" for fact in lasting - known_facts(stage.watched.scene())]
    stage.close()
    return {**line, "seconds": round(time.process_time() - began, 2)}


def told(chain: Chain) -> str:
    """Tells apart chains that are drawn otherwise, because there are more templates now."""
    return sha256(repr((chain.start.seed, chain.start.layout, [task.words for task in chain.tasks])).encode()).hexdigest()[:12]


def play_number(which: Drawn, number: int) -> Line:
    chain = drawn(which)[number]
    return {"number": number, "chain": told(chain), **play(chain)}


def played(which: Drawn, worlds: int, processes: int, out: Path | None) -> Iterator[Line]:
    """A line for each of the first chains, those first that were played before."""
    log = out / "chains.jsonl" if out is not None else None
    known: dict[int, Line] = {}
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.loads(text) for text in log.read_text().splitlines() if text.endswith("}")] if log.exists() else []
        known = {line["number"]: line for line in lines if line["number"] < worlds and line["chain"] == told(drawn(which)[line["number"]])}
        log.write_text("".join(json.dumps(line) + "\n" for line in known.values()))
    yield from known.values()
    missing = [number for number in range(worlds) if number not in known]
    with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
        for done in as_completed([pool.submit(play_number, which, number) for number in missing]):
            line = done.result()
            if log is not None:
                with log.open("a") as file:
                    file.write(json.dumps(line) + "\n")
            yield line


def listed(title: str, entries: list[str], most: int = 40) -> None:
    print(f"{title}: {len(entries)}")
    for text, count in Counter(entries).most_common(most):
        print(f"    {f'{count} × ' if count > 1 else ''}{text}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=int, default=1000)
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--length", type=int, default=5)
    parser.add_argument("--seed-base", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=None, help="Folder; one that was cut off goes on there.")
    given = parser.parse_args()
    which = (max(given.chains, given.worlds), given.length, given.seed_base)
    began = time.perf_counter()
    chains = drawn(which)
    count = Counter(task.template for chain in chains for task in chain.tasks)
    wrong = [line for chain in chains for line in reckon(chain)]
    print(f"{len(chains)} chains of {given.length}, drawn in {time.perf_counter() - began:.0f} s: {sum(count.values())} tasks, each of "
          f"{len(count)} of {len(templates())} templates {min(count.values())} to {max(count.values())} times")  # fmt: skip
    listed("contradictions in reckoning", wrong, 20)
    sys.stdout.flush()
    began, lines = time.perf_counter(), []
    for line in played(which, min(given.worlds, len(chains)), given.processes, given.out):
        lines.append(line)
        if len(lines) % 50 == 0:
            print(f"    {len(lines)} played, {sum(len(one['unmet']) for one in lines)} unmet", file=sys.stderr, flush=True)
    if lines:
        report(lines, time.perf_counter() - began)


def report(lines: list[Line], wall_s: float) -> None:
    sums = {key: sum(line[key] for line in lines) for key in ("reached", "checked", "done", "seconds")}
    whole = sum(not line["failed"] for line in lines)
    print(f"{len(lines)} of them in the world: {sums['reached']} tasks reached, {sums['checked']} preconditions checked there; "
          f"{sums['done']} tasks done, {whole} whole chains; {sums['seconds'] / len(lines):.1f} s of CPU a chain, "
          f"{wall_s:.0f} s in all")  # fmt: skip
    listed("preconditions that were not met when reached", [text for line in lines for text in line["unmet"]])
    listed("lasting facts otherwise than reckoned", [text for line in lines for text in line["otherwise"]], 20)
    by = Counter(line["failed"].partition(":")[0] for line in lines if line["failed"])
    print(f"chains that the oracle did not finish, by template: {dict(by.most_common())}")
    listed("where", [line["failed"] for line in lines if line["failed"]])


if __name__ == "__main__":
    main()
