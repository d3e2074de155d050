"""Measure a small policy and write its card: success by template, under other looks, colours and words, and what a chunk costs.

    python benchmarks/card.py runs/train/pi0/policy --to weights/pi0 --episodes 200 --workers 2

Copies the weights to --to (left out: the card is written beside them) and writes README.md there; what is said in it below the line BY_HAND
stays. Evaluations go to --out, where those that were cut off go on. Every figure in the card is of one of them.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from agent.config import load_config
from agent.evaluate.episodes import trained_for, with_weights
from agent.evaluate.protocol import Protocol, load_protocol
from agent.evaluate.runner import evaluate
from agent.evaluate.statistics import wilson
from agent.executor.policies import described

BY_HAND = "<!-- Above: benchmarks/card.py. Below: by hand, and kept. -->"
SEEDS = 800_000
"""First seed: neither of the demonstrations (10,000,000 and on) nor of the trials during training (600,000 and on)."""
ONE_STEP = ("lift", "stack", "light on", "open the drawer", "close the drawer")
"""Templates of one subtask: what is said to the policy is the whole sentence."""
CONDITIONS: dict[str, dict[str, Any]] = {
    "its own scenes": {},
    "looks that were trained on": {"look": "trained"},
    "the look that was held out": {"look": "held out"},
    "colours that were held out": {"colours": "held out"},
}
SENTENCES: dict[str, dict[str, Any]] = {
    "one sentence, as in training": {"rows": ("alone",), "templates": ONE_STEP, "language": "train"},
    "one sentence, phrased as never in training": {"rows": ("alone",), "templates": ONE_STEP, "language": "phrasing"},
    "one sentence, with words never in training": {"rows": ("alone",), "templates": ONE_STEP, "language": "words"},
}

SHORT = (*ONE_STEP, "in a bowl", "in a zone", "lever up", "uncover a bay", "rotate left")
OTHER_ARMS: dict[str, dict[str, Any]] = {
    "ten short tasks, commanded at 10 Hz": {"templates": SHORT, "options": {"rate_hz": 10}},
    "ten short tasks, the front camera alone": {"templates": SHORT, "options": {"cameras": ["front"]}},
    "ten short tasks, 10 Hz and the front camera alone": {"templates": SHORT, "options": {"rate_hz": 10, "cameras": ["front"]}},
}
"""What an RDT knows besides."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("policy", type=Path, help="the folder that `saydo train` wrote")
    parser.add_argument("--to", type=Path, help="where it is to ship from")
    parser.add_argument("--out", type=Path, help="of the evaluations; left out, a folder named after the weights, in runs/evaluations")
    parser.add_argument("--episodes", type=int, default=200, help="of each template in its own scenes")
    parser.add_argument("--others", type=int, default=20, help="of each template in the other conditions")
    parser.add_argument("--short", type=int, help="of each short task, by one sentence, chunks late or another arm; as others if left out")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--without", default="", help="skills, with commas, that it was shown but is not to be asked for: measured, "
                        "and taken off the list of what it was taught")
    given = parser.parse_args()
    given.short = given.short or given.others
    left_out = [name.strip() for name in given.without.split(",") if name.strip()]
    about = described(given.policy)
    if not about:
        raise SystemExit(f"{given.policy} holds no small policy: it is the folder `policy` of a run of `saydo train`.")
    about = without(about, left_out)
    given.out = given.out or Path("runs/evaluations") / f"card-{about['config']['family']}-{about['sha256'][:8]}"
    conditions = CONDITIONS | SENTENCES | (OTHER_ARMS if about["config"]["family"] == "rdt" else {})
    results = {name: played(name, given, about, **changes) for name, changes in conditions.items()}
    late = played_late(given, about)
    to = given.to or given.policy
    to.mkdir(parents=True, exist_ok=True)
    if to != given.policy:
        shutil.copy(given.policy / "model.safetensors", to / "model.safetensors")
        if (curves := given.policy.parent / "curves.svg").is_file():
            shutil.copy(curves, to / "curves.svg")
    (to / "config.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    readme = to / "README.md"
    by_hand = readme.read_text(encoding="utf-8").partition(BY_HAND)[2].strip() if readme.is_file() else ""
    readme.write_text(card(about, results, late, by_hand), encoding="utf-8")
    print(to / "README.md")


def without(about: dict[str, Any], left_out: list[str]) -> dict[str, Any]:
    """A config.json with skills taken off the list of what it was taught."""
    trained = about["trained"]
    taught = trained["taught"]
    if unknown := set(left_out) - set(taught["skills"]):
        raise SystemExit(f"It was not taught {', '.join(sorted(unknown))}; it was taught {', '.join(taught['skills'])}.")
    skills = [skill for skill in taught["skills"] if skill not in left_out]
    return {**about, "trained": {**trained, "taught": {**taught, "skills": skills}}}


def played(name: str, given: argparse.Namespace, about: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """One condition, over the templates that the policy was trained for."""
    episodes = {"its own scenes": given.episodes, **dict.fromkeys(SENTENCES | OTHER_ARMS, given.short)}.get(name, given.others)
    protocol = Protocol(name=name, kind="skills", policy=about["config"]["family"], checkpoint=given.policy, ticks=600, episodes=episodes,
                        seed_base=SEEDS, **changes)  # fmt: skip
    return measured(name, trained_for(protocol, load_config()), given)


def played_late(given: argparse.Namespace, about: dict[str, Any]) -> dict[str, Any]:
    """Chunks that come 0, 2, 4 and 8 ticks late."""
    changes = {"policy": about["config"]["family"], "checkpoint": given.policy, "episodes": given.short, "seed_base": SEEDS}
    return measured("chunks come late", load_protocol("delays", **changes), given)


def measured(name: str, protocol: Protocol, given: argparse.Namespace) -> dict[str, Any]:
    failed: list[str] = []

    def progress(done: int, of: int, line: dict[str, Any] | None) -> None:
        if line is not None:
            failed.extend([] if line["success"] else [line["key"]])
            print(f"\r{name}: {done} of {of}, {len(failed)} failed now ", end="", flush=True)

    folder = given.out / name.replace(" ", "-").replace(",", "")
    result = evaluate(with_weights(protocol), load_config(), folder, workers=given.workers, progress=progress)
    print()
    return result


def card(about: dict[str, Any], results: dict[str, dict[str, Any]], late: dict[str, Any], by_hand: str) -> str:
    trained, plain = about["trained"], results["its own scenes"]
    taught, plan, at = trained["taught"], trained["plan"], trained["progress"]
    lines = [
        f"# {about['config']['family']}, {about['parameters'] / 1e6:.2f} M parameters",
        "",
        f"Trained for {', '.join(taught['skills'])}, in scenes with {', '.join(taught['kinds'])}.",
        "",
        "| | |", "| --- | --- |",
        f"| data | {' and '.join(f'recipe `{name}` (sha256 {sha[:12]})' for name, sha in taught['recipes'].items())}, "
        f"{trained['frames']:,} frames, "
        f"seeds from {', '.join(f'{seed:,} ({name})' for name, seed in taught['seed_bases'].items())} |",
        f"| training | {at['samples']:,} samples in {at['seconds'] / 60:.0f} minutes, {trained['processes']} processes of one thread at "
        f"the end, torch {trained['torch']} |",
        *([f"| mean | of the weights {' and '.join(sha[:12] for sha in trained['mean_of'])}, the first of which this training made |"]
          if "mean_of" in trained else []),
        f"| settings | {plan['optimiser']}, rate {plan['rate']:g}, batch {plan['batch']}, {plan['precision']}, seed {plan['seed']}"
        + "".join(f", {part:.0%} of the {name} pictures taken away" for name, part in trained.get("lost", {}).items()) + " |",
        f"| measured on | {plain['machine']['processor']}, {plain['machine']['cores']} cores |",
        f"| weights | sha256 {about['sha256']} |",
        "",
        f"Success over fresh worlds in full physics, {share(plain['overall'])} over all tasks; seeds from {SEEDS:,}, the template's own",
        f"plan, each step by these weights alone. {plain['overall']['chunk_ms']:.0f} ms in the model for a chunk of 32 rows, 16 of them "
        "carried out.",
        "",
        "| task | success | 95 % interval | a wrong thing taken or moved | chunks to success |",
        "| --- | --- | --- | --- | --- |",
        *(row(one) for one in plain["skills"]),
        "",
        "Each skill, over all tasks that asked for it:",
        "",
        "| skill | success | 95 % interval |", "| --- | --- | --- |",
        *(f"| {one['name']} | {share(one)} | {interval(one)} |" for one in plain["calls"]["plan"]),
        "",
        f"Elsewhere, {results['the look that was held out']['skills'][0]['n']} of each task"
        f", {late['rows']['plan']['clean']['n'] // len(ONE_STEP)} of the short ones:",
        "",
        "| | success | 95 % interval |", "| --- | --- | --- |",
        *(f"| {name} | {share(result['overall'])} | {interval(result['overall'])} |" for name, result in results.items()),
        "",
        f"Chunks that come late ({', '.join(late['protocol']['templates'])}):",
        "",
        "| ticks | success | 95 % interval |", "| --- | --- | --- |",
        *(f"| {ticks} | {share(one)} | {interval(one)} |" for ticks, one in lateness(late)),
        "",
    ]  # fmt: skip
    return "\n".join([*lines, BY_HAND, "", by_hand]).rstrip() + "\n"


def row(one: dict[str, Any]) -> str:
    chunks = "–" if one["chunks"] is None else f"{one['chunks']:.0f}"
    return f"| {one['name']} | {share(one)} | {interval(one)} | {one['wrong']:.1%} | {chunks} |"


def lateness(late: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """(ticks, figures)."""
    levels = late["protocol"]["perturbations"][0]["levels"]
    of = late["rows"]["plan"]
    return [(0, of["clean"]), *((levels[one["level"] - 1]["delay_ticks"], one) for one in of["cells"])]


def share(one: dict[str, Any]) -> str:
    return f"{one['successes']} of {one['n']}"


def interval(one: dict[str, Any]) -> str:
    low, high = wilson(one["successes"], one["n"])
    return f"{low:.1%} to {high:.1%}"


if __name__ == "__main__":
    main()
