# Everything is installed into .venv/ in this folder. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --constraint constraints.txt

.PHONY: help venv demo test lint types layers check docs wheel clean

help:
	@echo "make demo    install, and run the demo into demo/ (report: demo/report.html)"
	@echo "make test    install, and run the tests"
	@echo "make lint    ruff: rules and format"
	@echo "make types   mypy --strict"
	@echo "make layers  which package may import which"
	@echo "make check   test, lint, types and layers"
	@echo "make docs    build the documentation's site into site/"
	@echo "make wheel   build the wheel into dist/, and try it in an empty environment"
	@echo "make venv    only install into .venv/ (PYTHON=python3.12 chooses the interpreter)"
	@echo "make clean   remove .venv/, demo/, site/, dist/ and all caches"

venv: $(STAMP)

# The stamp is written last: an installation that broke off is taken up again by the next call. A folder without pip was
# broken off before that, and starts over. torch comes first and alone, because the index that it comes from decides
# which build it is (for the CPU or for CUDA), and everything else then has to agree with it.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "bittrue needs Python 3.11 or newer, and '$(PYTHON)' is not: install one, or name it as in 'make PYTHON=python3.12 venv'." >&2; \
	  exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV) || { \
	  echo "'$(PYTHON)' can't make virtual environments: install its venv module (on Debian and Ubuntu: python3-venv)." >&2; \
	  exit 1; }
	$(PIP) torch==2.13.0
	$(PIP) --editable '.[dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/bittrue demo --out demo

test: $(STAMP)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports

check: test lint types layers

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

wheel: $(STAMP)
	$(BIN)/python -m pip --disable-pip-version-check wheel . --no-deps --wheel-dir dist
	$(BIN)/python tests/try_wheel.py dist

clean:
	rm -rf $(VENV) demo site build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
