SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

help:            ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/  /'

setup: $(STAMP)  ## build .venv once, from pyproject.toml and constraints.txt
demo: $(STAMP)   ## watch the robot be told something and do it; leaves a run folder
	@$(BIN)/saydo demo bowl-then-drawer
test: $(STAMP)   ## the whole suite
	@$(BIN)/pytest
nightly: $(STAMP) ## the suite and the long runs
	@SAYDO_NIGHTLY=1 $(BIN)/pytest
lint: $(STAMP)   ## ruff
	@$(BIN)/ruff check .
types: $(STAMP)  ## mypy
	@$(BIN)/mypy
bench: $(STAMP)  ## the README's speeds, and the oracle without learned weights, measured here
	@$(BIN)/python benchmarks/run.py
clean:           ## remove .venv and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(STAMP): pyproject.toml constraints.txt
	@echo "Building $(VENV): 2 to 5 minutes, about 2 GB, once."
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install -q pip; }
	@$(BIN)/python -m pip install -q --upgrade pip -c constraints.txt
	@$(BIN)/python -m pip install --progress-bar on -c constraints.txt -e . --group dev | awk '/^ *(Collecting|Downloading|Using cached)/ {printf "\r  %d packages fetched", ++n; fflush()} /^Installing/ {printf "\n  installing …\n"; fflush()} /^Successfully/ {print "  done"}'
	@touch $@

.PHONY: help setup demo test nightly lint types bench clean
