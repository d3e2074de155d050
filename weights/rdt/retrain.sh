#!/bin/sh
# From weights/pi0, whose reading it takes, to this folder, in about three hours of two cores. Every command goes on where it was cut off.
set -e
saydo collect --recipe tabletop --samples 160000 --out runs/data/tabletop
saydo collect --recipe tabletop --samples 20000 --out runs/data/mistakes --driver weights/pi0
saydo train --family rdt --init weights/pi0 --data runs/data/tabletop --data runs/data/mistakes --samples 240000 --rate 2e-3 --processes 2 \
  --share visited=2 --share stack=1.8 --share close=2 --share open=1.3 --share place=1.3 --share home=0.4 --share press=0.4 \
  --out runs/train/rdt
python benchmarks/card.py runs/train/rdt/policy --to weights/rdt --episodes 10 --others 2
