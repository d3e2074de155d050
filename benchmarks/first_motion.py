"""Seconds from the command to the first motion of the robot: through a Ray of its own, through a server that runs already, in process.

    python benchmarks/first_motion.py [--times 3]

Each run is the real command in a process of its own; the time is read from its record: from the launch to the first chunk that moved.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

WORDS = "pick up the red block"


def first_motion(folder: Path, *options: str) -> tuple[float, float]:
    """(seconds to the first chunk in use, seconds to the end of the command) of one `saydo run`."""
    launched = time.time()
    command = [sys.executable, "-m", "agent", "run", "--json", "--no-video", "--runs", str(folder), *options, WORDS]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    took = time.time() - launched
    run = Path(json.loads(shown.stdout.splitlines()[-1])["folder"])
    events = (json.loads(line) for line in (run / "events.jsonl").read_text().splitlines())
    moved = next(event["time"] for event in events if event["kind"] == "chunk")
    return datetime.fromisoformat(moved).timestamp() - launched, took


def serving() -> subprocess.Popen[str]:
    """`saydo serve`, once it says that it is ready."""
    server = subprocess.Popen([sys.executable, "-m", "agent", "serve"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    for line in server.stdout:
        if "Ctrl-C" in line:
            return server
    raise SystemExit("saydo serve ended before it was ready")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = {"own Ray": [first_motion(folder) for _ in range(times)], "--local": [first_motion(folder, "--local") for _ in range(times)]}
        server = serving()
        rows["saydo serve runs"] = [first_motion(folder) for _ in range(times)]
        server.send_signal(2)
        server.wait(timeout=60)
    print(f"{'policy':20}{'first motion s':>16}{'whole command s':>18}   (median of {times})")
    for kind, pairs in rows.items():
        print(f"{kind:20}{statistics.median(p[0] for p in pairs):16.1f}{statistics.median(p[1] for p in pairs):18.1f}")


if __name__ == "__main__":
    main()
