"""Is the symbolic side true of the world? Chains drawn by reckoning, checked by reckoning and played by the oracle.

    python benchmarks/chains.py [--chains 1000] [--worlds 20] [--length 5] [--seed-base 0]

In reckoning each task's preconditions must hold when it is reached and its plan must reach its goal. In the world (`--worlds` of the
same chains, the oracle on each task's own plan) the same preconditions are looked up in the true scene, and so is every lasting fact that
was reckoned: in, on, open, closed, lit, dark, and what the hand holds.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from agent.config import load_config
from agent.evaluate.protocol import Fault
from agent.evaluate.rollout import Stage
from sim.oracle import Oracle
from sim.tasks import known_facts, templates
from sim.tasks.chains import Chain, draw_chains
from sim.tasks.reckoning import after

LASTING = ("in", "on", "open", "closed", "lit", "dark", "holding", "empty")
TICKS = 400


def reckon(chain: Chain) -> list[str]:
    """What is wrong with a chain by its own rules."""
    wrong, scene = [], chain.start.scene
    for task in chain.tasks:
        wrong += [f"{task.words}: {fact}" for fact in task.unmet(scene)]
        start, scene = scene, after(scene, *task.plan)
        wrong += [f"{task.words}: its plan does not reach its goal"] * (task.progress(scene, start) < 1.0)
    return wrong


def play(chain: Chain) -> tuple[int, int, int, list[str]]:
    """Tasks reached, tasks whose preconditions held in the world, tasks done, and what was otherwise than reckoned."""
    stage = Stage(load_config(), chain.start, Oracle(), "plan", Fault())
    reached, held, done, otherwise, reckoned = 0, 0, 0, [], chain.start.scene
    for task in chain.tasks:
        line = stage.play(task, task.words, TICKS)
        reached, held, done = reached + 1, held + (not line["unmet"]), done + line["success"]
        otherwise += [f"before {task.words}: {fact}" for fact in line["unmet"]]
        if not line["success"]:
            otherwise.append(f"{task.words}: {line['why']}")
            break
        reckoned = after(reckoned, *task.plan)
        lasting = {fact for fact in known_facts(reckoned) if fact[0] in LASTING}
        otherwise += [f"after {task.words}: not {' '.join(fact)}" for fact in lasting - known_facts(stage.watched.scene())]
    stage.close()
    return reached, held, done, otherwise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=int, default=1000)
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--length", type=int, default=5)
    parser.add_argument("--seed-base", type=int, default=0)
    given = parser.parse_args()
    chains = draw_chains(templates(), given.chains, given.length, given.seed_base)
    count = Counter(task.template for chain in chains for task in chain.tasks)
    wrong = [line for chain in chains for line in reckon(chain)]
    print(f"{len(chains)} chains of {given.length}: {sum(count.values())} tasks, each of {len(count)} templates {min(count.values())} to "
          f"{max(count.values())} times; {len(wrong)} contradictions in reckoning", flush=True)  # fmt: skip
    for line in wrong[:20]:
        print(f"    {line}")
    played = [play(chain) for chain in chains[: given.worlds]]
    reached, held, done = (sum(one[index] for one in played) for index in range(3))
    print(f"{len(played)} of them in the world: {reached} tasks reached, preconditions held {held} times, {done} done")
    for line in (line for one in played for line in one[3]):
        print(f"    {line}")


if __name__ == "__main__":
    main()
