"""How well and how fast plain words are understood without a model: the table of instructions, played on a tabletop of facts.

    python benchmarks/planner_words.py

For each group: how many come out as they should (goal reached in the least number of steps, or a question before anything moves), and
milliseconds per decision, planning included; then the same decision put to a model server on this machine, one rung after the other.
"""

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from agent.planner import server
from agent.planner.decision import Request
from agent.planner.memory import Memory
from agent.planner.saycan import Planner
from agent.skills.library import gather
from tests.model_server import MODEL, model_server
from tests.planner.scorers.test_embedded import ASKED, REACHED
from tests.planner.symbolic import holds, play, settings, world

RUNGS = {"decisions": {}, "letters": {"decisions": False}, "ratings": {"decisions": False, "logprobs": 0}}


def reached() -> tuple[int, int, list[float]]:
    """Instructions that end with their goal, without a wasted step; all of them; the slowest decision of each, ms."""
    good, times = 0, []
    for words, setup, goals, least in REACHED:
        story = play(words, world(**setup))
        held = all(holds(goal, story.world.scene()) for goal in goals.split(", "))
        good += story.last.chosen.kind == "done" and held and len(story.steps) == least
        times.append(story.slowest_ms)
    return good, len(REACHED), times


def asked() -> tuple[int, int, list[float]]:
    """Doubtful instructions that lead to a question before anything moves."""
    stories = [play(words, world(**setup)) for words, setup, _, _ in ASKED]
    return sum(s.last.chosen.kind == "ask" and not s.steps for s in stories), len(stories), [s.slowest_ms for s in stories]


def by_server(manners: dict[str, object], times: int = 30) -> list[float]:
    """ms of decisions by a model server that answers at once: what the planner and HTTP cost."""
    with model_server(favourite="open the drawer", **manners) as (url, _):
        server.KNOWN.clear()
        planner = Planner(gather(), settings(model=MODEL, base_url=url), Memory(None))
        request, took = Request(words=("open the drawer",), scene=world().scene()), []
        planner.decide(request)
        for _ in range(times):
            start = time.perf_counter()
            planner.decide(request)
            took.append(1000 * (time.perf_counter() - start))
        planner.close()
    return took


def line(name: str, result: str, times: list[float]) -> None:
    p95 = sorted(times)[int(0.95 * (len(times) - 1))]
    print(f"{name:<34}{result:>12}{statistics.median(times):>10.1f}{p95:>10.1f}{max(times):>10.1f}")


def main() -> None:
    print(f"{'':<34}{'as wanted':>12}{'ms p50':>10}{'ms p95':>10}{'ms max':>10}")
    for name, group in (("goal reached, no wasted step", reached), ("asked before anything moved", asked)):
        good, number, times = group()
        line(name, f"{good}/{number}", times)
    for rung, manners in RUNGS.items():
        line(f"model server, {rung}", "", by_server(manners))


if __name__ == "__main__":
    main()
