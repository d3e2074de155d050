#!/bin/sh
# From weights/pi0, whose reading it takes, to this folder, in about nine hours of two cores. Every command goes on where it was cut off;
# the data of pi0's own retrain.sh will do, too. The recipe `places` has more bays and familiar scenes now than when these weights learned,
# and the first three trainings read as the π0 of their day did, not as the one that ships; the last one trains the reading as well.
set -e
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
saydo collect --recipe bench --samples 160000 --out runs/data/bench
saydo collect --recipe bench --samples 30000 --out runs/data/mistakes-bench --driver weights/pi0
saydo train --family rdt --init weights/pi0 --data runs/data/bench --data runs/data/mistakes-bench --samples 400000 --rate 2e-3 --processes 2 \
  --share visited=2 --share stack=1.3 --share place=1.3 --share push=1.3 --share turn=1.2 --share home=0.5 --share press=0.6 \
  --out runs/train/rdt-first
saydo collect --recipe bench --samples 190000 --seed-base 31000000 --out runs/data/bench-more
saydo collect --recipe bench --samples 30000 --seed-base 37000000 --out runs/data/mistakes-more --driver weights/pi0
saydo collect --recipe places --samples 20000 --seed-base 51000000 --out runs/data/places
saydo train --family rdt --init runs/train/rdt-first/policy --reading weights/pi0 --data runs/data/bench-more --data runs/data/mistakes-more \
  --data runs/data/places --samples 150000 --rate 1.5e-3 --processes 2 --share places=2 --share visited=2 --share place=1.4 \
  --share push=1.3 --share turn=1.3 --share stack=1.3 --share slide=0.7 --share home=0.5 --share press=0.6 --out runs/train/rdt-second
saydo train --family rdt --init runs/train/rdt-second/policy --reading weights/pi0 --data runs/data/bench-more --data runs/data/mistakes-more \
  --data runs/data/places --samples 40000 --rate 8e-4 --processes 2 --share places=2 --share visited=2 --share open=2.5 --share place=1.3 \
  --share push=2 --share turn=1.3 --share stack=1.3 --share slide=0.7 --share home=0.5 --share press=0.6 --out runs/train/rdt-third
saydo collect --recipe bench --samples 42000 --seed-base 91000000 --out runs/data/bench-fourth
saydo collect --recipe bench --samples 15000 --seed-base 93000000 --out runs/data/mistakes-fourth --driver runs/train/rdt-third/policy
saydo train --family rdt --init runs/train/rdt-third/policy --reading weights/pi0 --data runs/data/bench-fourth --data runs/data/mistakes-fourth \
  --samples 77000 --rate 1e-3 --processes 2 --share visited=2 --share push=2.5 --share press=1.4 --share open=1.2 --share place=1.4 \
  --share turn=1.3 --share slide=0.7 --share cover=0.8 --share uncover=0.8 --share close=0.8 --share home=0.5 --out runs/train/rdt-fourth
saydo weights mean runs/train/rdt-fourth/policy runs/train/rdt-third/policy --out runs/train/rdt-between
saydo collect --recipe bench --samples 57000 --seed-base 97000000 --out runs/data/bench-fifth
saydo collect --recipe bench --samples 58000 --seed-base 101000000 --out runs/data/bench-sixth
saydo collect --recipe bench --samples 12000 --seed-base 103000000 --out runs/data/mistakes-fifth --driver runs/train/rdt-between
saydo collect --recipe bench --samples 13000 --seed-base 107000000 --out runs/data/mistakes-by-front --driver runs/train/rdt-between \
  --cameras front
saydo train --family rdt --init runs/train/rdt-between --data runs/data/bench-fifth --data runs/data/bench-sixth \
  --data runs/data/mistakes-fifth --data runs/data/mistakes-by-front --samples 148800 --rate 7e-4 --processes 2 --lost wrist=0.3 \
  --lost front=0.05 --share visited=2 --share push=1.8 --share press=1.2 --share place=1.3 --share turn=1.3 --share rotate=1.3 \
  --share stack=1.2 --share slide=0.7 --share cover=0.8 --share uncover=0.8 --share home=0.5 --out runs/train/rdt-fifth
saydo weights mean runs/train/rdt-fifth/policy runs/train/rdt-between --out runs/train/rdt/policy
python benchmarks/card.py runs/train/rdt/policy --to weights/rdt --episodes 4 --others 1 --short 8
