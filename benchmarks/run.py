"""Speeds, the oracle and the sentence, as README states them, measured here and now: `make bench`. Ten minutes on two idle cores."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = (
    ("Cameras and physics", ["sim_speed.py"]),
    ("A chunk through Ray Serve against in process", ["round_trip.py"]),
    ("From the command to the first motion", ["first_motion.py"]),
    ("The oracle, skill by skill", ["oracle_success.py", "--episodes", "100"]),
    ("The sentence, seeds 0 to 99", ["success.py", "--episodes", "100"]),
)


def main() -> None:
    for title, command in SCRIPTS:
        print(f"\n== {title}\n   python benchmarks/{' '.join(command)}\n", flush=True)
        subprocess.run([sys.executable, str(HERE / command[0]), *command[1:]], check=True)


if __name__ == "__main__":
    main()
