"""Do our models give the numbers of the reference implementations?  python benchmarks/parity.py DIR

Finds every fixture set under DIR by its files, whatever its sizes:

    π0, π0.5    NAME_config.json, NAME_weights.safetensors, NAME_io.npz     (parity_pi0.py)
    RDT         NAME.config.json, NAME.safetensors, NAME.io.npz             (parity_rdt.py)

and prints one line per array: the largest absolute error and its bound. The exit status is 1 if any array is past its bound, or if DIR
holds no fixtures. Bounds in float32: 2e-5 on velocities, actions, model outputs and samples, 1e-4 on the loss of single elements.
"""

import argparse
import math
import sys
import time
from pathlib import Path

import torch
from parity_pi0 import pi0_sets
from parity_rdt import rdt_sets


def verdict(error: float, bound: float) -> str:
    """NaN is past any bound; a NaN bound marks an array that is not compared."""
    return "skip" if math.isnan(bound) else "ok" if error <= bound else "PAST"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="searched with all its subfolders")
    folder = parser.parse_args().folder
    torch.set_float32_matmul_precision("highest")
    verdicts, began = [], time.perf_counter()
    for sets in (pi0_sets(folder), rdt_sets(folder)):
        for name, rows in sets:
            for array, error, bound in rows:
                verdicts.append(verdict(error, bound))
                print(f"{verdicts[-1]:<5}{name:<16} {array:<48} {error:9.2e}   bound {bound:.0e}", flush=True)
    compared = len(verdicts) - verdicts.count("skip")
    if not compared:
        print(f"No fixture sets under {folder}.")
        return 1
    past = verdicts.count("PAST")
    print(f"{compared} arrays compared in {time.perf_counter() - began:.0f} s, {past} past their bound.")
    return 1 if past else 0


if __name__ == "__main__":
    sys.exit(main())
