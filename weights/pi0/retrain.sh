#!/bin/sh
# From nothing to this folder, in about fourteen hours of two cores. Every command goes on where it was cut off.
set -e
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
saydo collect --recipe tabletop --samples 160000 --out runs/data/tabletop
saydo train --family pi0 --data runs/data/tabletop --samples 400000 --processes 2 --out runs/train/pi0-first
saydo collect --recipe bench --samples 160000 --out runs/data/bench
saydo collect --recipe tabletop --samples 20000 --out runs/data/mistakes --driver runs/train/pi0-first/policy
saydo train --family pi0 --init runs/train/pi0-first/policy --data runs/data/tabletop --data runs/data/mistakes --data runs/data/bench \
  --samples 300000 --processes 2 --share visited=3 --share bench=1.8 --share stack=1.5 --share home=0.5 --share press=0.5 \
  --out runs/train/pi0-second
saydo collect --recipe bench --samples 30000 --out runs/data/mistakes-bench --driver runs/train/pi0-second/policy
saydo train --family pi0 --init runs/train/pi0-second/policy --data runs/data/tabletop --data runs/data/mistakes --data runs/data/bench \
  --data runs/data/mistakes-bench --samples 300000 --processes 2 \
  --share visited=3 --share bench=1.5 --share place=1.4 --share push=1.5 --share turn=1.3 --share stack=1.3 --share home=0.5 --share press=0.6 \
  --out runs/train/pi0-third
saydo collect --recipe bench --samples 190000 --seed-base 31000000 --out runs/data/bench-more
saydo collect --recipe bench --samples 30000 --seed-base 37000000 --out runs/data/mistakes-more --driver runs/train/pi0-third/policy
saydo train --family pi0 --init runs/train/pi0-third/policy --data runs/data/bench-more --data runs/data/mistakes-more \
  --samples 300000 --processes 2 \
  --share visited=3 --share place=1.4 --share push=1.5 --share turn=1.5 --share stack=1.2 --share slide=0.6 --share cover=0.8 \
  --share uncover=0.8 --share open=0.7 --share close=0.7 --share press=0.6 --share home=0.5 --out runs/train/pi0
python benchmarks/card.py runs/train/pi0/policy --to weights/pi0 --without turn --episodes 8 --others 1
