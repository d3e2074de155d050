#!/bin/sh
# From nothing to this folder, in about eight hours of two cores. Every command goes on where it was cut off.
set -e
saydo collect --recipe tabletop --samples 160000 --out runs/data/tabletop
saydo train --family pi0 --data runs/data/tabletop --samples 400000 --processes 2 --out runs/train/pi0-first
saydo collect --recipe tabletop --samples 20000 --out runs/data/tabletop --driver runs/train/pi0-first/policy
saydo collect --recipe bench --samples 100000 --out runs/data/bench
saydo train --family pi0 --init runs/train/pi0-first/policy --data runs/data/tabletop --data runs/data/bench --samples 400000 --processes 2 \
  --share visited=3 --share bench=1.8 --share stack=1.5 --share close=1.3 --share open=1.3 --share home=0.5 --share press=0.5 \
  --out runs/train/pi0
python benchmarks/card.py runs/train/pi0/policy --to weights/pi0 --episodes 20 --others 4
