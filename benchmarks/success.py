"""How often a sentence ends well: `saydo run --json --seed N WORDS` for many seeds, each in a process of its own.

    python benchmarks/success.py [--episodes 100] [--seed-base 0] [--policy oracle] [--served] [WORDS]

Without --served the policy runs in process, which gives equal results (a test proves it) without 100 starts of Ray. With it, every
run goes through Ray Serve; start `saydo serve` first and they share one.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile

WORDS = "put the red block in the blue bowl"


def wilson(successes: int, n: int) -> tuple[float, float]:
    """95 % interval for a success rate."""
    z, p = 1.96, successes / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - half, middle + half


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="?", default=WORDS)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--seed-base", type=int, default=0)
    parser.add_argument("--policy", default="oracle")
    parser.add_argument("--served", action="store_true")
    given = parser.parse_args()
    done, others = 0, []
    with tempfile.TemporaryDirectory() as runs:
        for seed in range(given.seed_base, given.seed_base + given.episodes):
            how = [] if given.served else ["--local"]
            command = [sys.executable, "-m", "agent", "run", "--json", "--no-video", "--runs", runs, *how,
                       "--policy", given.policy, "--seed", str(seed), given.words]  # fmt: skip
            shown = subprocess.run(command, capture_output=True, text=True, timeout=600)
            result = json.loads(shown.stdout.splitlines()[-1])
            done += result["status"] == "done"
            if result["status"] != "done":
                others.append(f"seed {seed}: {result['status']}: {result['why']}")
                print(others[-1], flush=True)
    low, high = wilson(done, given.episodes)
    interval = f"95 % interval {low:.1%} to {high:.1%}"
    print(f'"{given.words}", {given.policy}: done {done} of {given.episodes} ({interval}), seeds from {given.seed_base}')


if __name__ == "__main__":
    main()
