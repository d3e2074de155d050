"""How many steps a small policy's answer takes, and how much noise it begins with: what that does to it, on frames never trained on.

    python benchmarks/sampling.py weights/pi0 weights/rdt --data runs/data/bench

For each: how far row 16, the last that is usually carried out, is from the demonstration's (of the hand's place, cm), and the share of rows
whose gripper is on the right side of half open. That it does not hover more, being more alike each time, only episodes tell:
`saydo eval skills --option steps=10 --option noise=1.0`.
"""

import argparse
from pathlib import Path

import numpy as np

from agent.learn.dataset import Samples
from agent.learn.learner import Choices, SmallLearner
from agent.learn.train import unseen

STEPS, NOISE = (1, 2, 4, 10), (0.0, 0.4, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("policies", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True, help="a folder of `saydo collect`")
    parser.add_argument("--frames", type=int, default=512)
    asked = parser.parse_args()
    data, rng = Samples(asked.data), np.random.default_rng(0)
    batch = unseen(data, asked.frames, rng)
    print("policy | steps | noise | cm at 16 | gripper right")
    for folder in asked.policies:
        learner = SmallLearner.further(folder, Choices())
        for steps in STEPS:
            for noise in NOISE:
                learner.answer_with({"steps": steps, "noise": noise})
                found = learner.check(batch)
                print(f"{folder} | {steps} | {noise} | {found['error_cm']:.2f} | {found['grip']:.1%}", flush=True)


if __name__ == "__main__":
    main()
