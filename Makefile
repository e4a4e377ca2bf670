# Everything here needs git, make and Python 3.11 or newer, and makes its own .venv with pinned versions.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help compare test test-slow test-all check docs faults fuzz bench bench-long simulate scale settings clean

help:  ## show these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

compare: $(VENV)/installed  ## which is better, the MLP or the WaveNet?
	$(BIN)/python cli.py compare --models mlp,wavenet

test: $(VENV)/installed-dev  ## the test suite, without the long tests
	$(BIN)/python -m pytest -m "not slow" --numprocesses 2 --dist loadfile

test-slow: $(VENV)/installed-dev  ## the tests that need data files, or more time
	$(BIN)/python -m pytest -m slow --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-all: test test-slow  ## both

check: $(VENV)/installed-dev  ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/installed-docs  ## the documentation site, in build/site: pages, API reference, links checked
	$(BIN)/python docs/build_site.py

faults: $(VENV)/installed-dev  ## kill commands and children at 1,300 random moments, damage files, run 2,000 cells: two hours
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.kill 1000
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.children 100
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.damage 200 500
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.soak 2000

fuzz: $(VENV)/installed-dev  ## 200,000 generated calls, study files, texts, records and command lines: an hour
	ZOO_FUZZ=200000 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow tests/fuzz -o timeout=0

bench: $(VENV)/installed-dev  ## speed, against the machine's limits and plain loops; ARGS="-k train --benchmark-json=a.json"
	$(BIN)/python -m pytest -c benchmarks/pytest.ini benchmarks -m "not long" $(ARGS)

bench-long: $(VENV)/installed-dev  ## the benchmarks that take minutes: time to a loss
	$(BIN)/python -m pytest -c benchmarks/pytest.ini benchmarks -m long $(ARGS)

simulate: $(VENV)/installed  ## how often verdicts err, on simulated studies: docs/results/simulations*.md and time-to-a-loss.md, in minutes
	OMP_NUM_THREADS=1 $(BIN)/python studies/simulate.py > docs/results/simulations.md.new
	mv docs/results/simulations.md.new docs/results/simulations.md
	OMP_NUM_THREADS=1 $(BIN)/python studies/simulate_designs.py > docs/results/simulations-judge.md.new
	mv docs/results/simulations-judge.md.new docs/results/simulations-judge.md
	OMP_NUM_THREADS=1 $(BIN)/python studies/simulate_looks.py > docs/results/simulations-looks.md.new
	mv docs/results/simulations-looks.md.new docs/results/simulations-looks.md
	OMP_NUM_THREADS=1 $(BIN)/python studies/simulate_target.py > docs/results/time-to-a-loss.md.new
	mv docs/results/time-to-a-loss.md.new docs/results/time-to-a-loss.md

scale: $(VENV)/installed  ## runs, report and verify on up to 100,000 records: docs/results/scale.md, in half an hour
	PYTHONPATH=. OMP_NUM_THREADS=1 $(BIN)/python studies/measure_scale.py > docs/results/scale.md.new
	mv docs/results/scale.md.new docs/results/scale.md

settings: $(VENV)/installed  ## the table of settings: docs/settings.md
	$(BIN)/python -c 'from zoo.experiments.study.settings import SETTINGS; from zoo.settings.table import render_page; \
	  print(render_page(SETTINGS), end="")' > docs/settings.md.new
	mv docs/settings.md.new docs/settings.md

clean:  ## remove the environment and what tools leave behind
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .benchmarks build dist

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/installed

$(VENV)/installed-docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) --editable '.[docs]'
	@touch $@
