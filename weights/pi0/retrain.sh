#!/bin/sh
# From nothing to this folder, in about sixteen hours of two cores. Every command goes on where it was cut off. The weights that ship learned
# from the labels and scenes of their day; what makes these has changed on the way (docs/adr/0009).
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
  --share uncover=0.8 --share open=0.7 --share close=0.7 --share press=0.6 --share home=0.5 --out runs/train/pi0-fourth
saydo collect --recipe bench --samples 88000 --seed-base 61000000 --out runs/data/bench-fifth
saydo collect --recipe places --samples 84000 --seed-base 63000000 --out runs/data/places-fifth
saydo collect --recipe bench --samples 20000 --seed-base 67000000 --out runs/data/mistakes-fifth --driver runs/train/pi0-fourth/policy
saydo collect --recipe places --samples 19000 --seed-base 69000000 --out runs/data/misplaced-fifth --driver runs/train/pi0-fourth/policy
saydo train --family pi0 --init runs/train/pi0-fourth/policy --data runs/data/bench-fifth --data runs/data/places-fifth \
  --data runs/data/mistakes-fifth --data runs/data/misplaced-fifth --samples 211000 --rate 8e-4 --processes 2 \
  --share visited=3 --share places-fifth=0.7 --share push=1.3 --share turn=1.3 --share stack=1.2 --share slide=0.6 --share cover=0.8 \
  --share uncover=0.8 --share open=0.8 --share close=0.7 --share press=0.6 --share home=0.5 --out runs/train/pi0-fifth
saydo weights mean runs/train/pi0-fifth/policy runs/train/pi0-fourth/policy --out runs/train/pi0-between
saydo collect --recipe bench --samples 37000 --seed-base 81000000 --out runs/data/bench-sixth
saydo collect --recipe places --samples 33000 --seed-base 83000000 --out runs/data/places-sixth
saydo collect --recipe bench --samples 9000 --seed-base 87000000 --out runs/data/mistakes-sixth --driver runs/train/pi0-between
saydo collect --recipe places --samples 9000 --seed-base 89000000 --out runs/data/misplaced-sixth --driver runs/train/pi0-between
saydo train --family pi0 --init runs/train/pi0-between --data runs/data/bench-fifth --data runs/data/bench-sixth --data runs/data/places-sixth \
  --data runs/data/mistakes-fifth --data runs/data/misplaced-fifth --data runs/data/mistakes-sixth --data runs/data/misplaced-sixth \
  --samples 86500 --rate 7e-4 --processes 2 --share bench-fifth=0.5 --share bench-fifth:place=0.3 --share mistakes-fifth:place=0.2 \
  --share misplaced-fifth:place=0.2 --share visited=1.5 --share mistakes-sixth=2 --share misplaced-sixth=2 --share push=1.5 --share turn=1.3 \
  --share stack=1.2 --share slide=0.7 --share cover=0.8 --share uncover=0.8 --share open=0.8 --share close=0.7 --share press=0.6 \
  --share home=0.5 --out runs/train/pi0-sixth
saydo weights mean runs/train/pi0-sixth/policy runs/train/pi0-between --out runs/train/pi0/policy
python benchmarks/card.py runs/train/pi0/policy --to weights/pi0 --without turn --episodes 8 --others 1 --short 8
