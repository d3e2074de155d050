#!/bin/sh
# From weights/pi0, whose reading it takes, to this folder, in about five hours of two cores. Every command goes on where it was cut off.
set -e
saydo collect --recipe bench --samples 160000 --out runs/data/bench
saydo collect --recipe bench --samples 30000 --out runs/data/mistakes-bench --driver weights/pi0
saydo train --family rdt --init weights/pi0 --data runs/data/bench --data runs/data/mistakes-bench --samples 400000 --rate 2e-3 --processes 2 \
  --share visited=2 --share stack=1.3 --share place=1.3 --share push=1.3 --share turn=1.2 --share home=0.5 --share press=0.6 \
  --out runs/train/rdt
python benchmarks/card.py runs/train/rdt/policy --to weights/rdt --without push,turn --episodes 10 --others 2
