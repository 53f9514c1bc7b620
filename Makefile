# Everything is installed into .venv/ in this folder. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BASE := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
ALL := $(VENV)/.installed-all
KERNELS := $(VENV)/.installed-kernels
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --constraint constraints.txt

.PHONY: help venv demo quick test units lint types layers check docs wheel kernel-wheels clean

help:
	@echo "make demo    install bittrue, and run the demo into demo/ (report: demo/report.html)"
	@echo "make quick   install what developing needs, and run the tests of half a minute"
	@echo "make test    install all witnesses too (TensorFlow, JAX, hls4ml, …), and run all tests"
	@echo "make units   run the simulation's tests again, without the compiled kernels and with those in plain C"
	@echo "make lint    ruff: rules and format"
	@echo "make types   mypy --strict"
	@echo "make layers  which package may import which"
	@echo "make check   test, units, lint, types and layers"
	@echo "make docs    build the documentation's site into site/"
	@echo "make wheel   build the wheel into dist/, and try it in an empty environment"
	@echo "make kernel-wheels  build the compiled kernels' wheels into dist/, for x86-64 and (with its compiler) aarch64"
	@echo "make venv    only install bittrue into .venv/ (PYTHON=python3.12 chooses the interpreter)"
	@echo "make clean   remove .venv/, demo/, site/, dist/ and all caches"

venv: $(BASE)

# Three environments in one, each a step further: to use bittrue, to change it, and to ask every witness.
#
# A stamp is written last: an installation that broke off is taken up again by the next call. A folder without pip was
# broken off before that, and starts over. torch comes first and alone, because the index that it comes from decides
# which build it is (for the CPU or for CUDA), and everything else then has to agree with it.
$(BASE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "bittrue needs Python 3.11 or newer, and '$(PYTHON)' is not: install one, or name it as in 'make PYTHON=python3.12 venv'." >&2; \
	  exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV) || { \
	  echo "'$(PYTHON)' can't make virtual environments: install its venv module (on Debian and Ubuntu: python3-venv)." >&2; \
	  exit 1; }
	$(PIP) torch==2.13.0
	$(PIP) --editable .
	@touch $@

$(DEV): $(BASE)
	$(PIP) --editable '.[dev]'
	@touch $@

$(ALL): $(BASE)
	$(PIP) --editable '.[dev,witness]'
	@touch $(DEV) $@

# The compiled kernels are an accelerator with the same bits: without a C compiler all goes on without them.
$(KERNELS): $(BASE) $(shell find kernels -name '*.py' -o -name '*.[ch]' -o -name pyproject.toml)
	@if command -v "$${CC:-cc}" > /dev/null; then $(PIP) --force-reinstall --no-deps ./kernels; else \
	  echo "No C compiler was found: bittrue goes on without its compiled kernels, slower and with the same bits."; fi
	@touch $@

demo: $(BASE) $(KERNELS)
	$(BIN)/bittrue demo --out demo

quick: $(DEV) $(KERNELS)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile @tests/quick.txt

test: $(ALL) $(KERNELS)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

# The fastest vector unit is what `make test` has, and every unit in the tests of tests/simulation/compiled.
units: $(ALL) $(KERNELS)
	BITTRUE_KERNELS=none $(BIN)/python -m pytest --numprocesses auto --dist loadfile tests/simulation
	BITTRUE_KERNELS=portable $(BIN)/python -m pytest --numprocesses auto --dist loadfile tests/simulation

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV)
	$(BIN)/mypy

layers: $(DEV)
	$(BIN)/lint-imports

check: test units lint types layers

docs: $(ALL)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

wheel: $(BASE)
	$(BIN)/python -m pip --disable-pip-version-check wheel . --no-deps --wheel-dir dist
	$(BIN)/python tests/try_wheel.py dist

kernel-wheels: $(BASE)
	$(BIN)/python kernels/wheels.py dist

clean:
	rm -rf $(VENV) demo site build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
