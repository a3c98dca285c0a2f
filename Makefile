# One command each. CI calls the same ones.

PY := .venv/bin/python
export PYTHONUNBUFFERED := 1

RUNS := 12
SEED := 1
ONLY :=

.PHONY: help setup demo dev seed test check bench docs pictures faults lock stop clean

help:
	@echo "make demo    the whole thing with a sample world, on http://127.0.0.1:8000"
	@echo "make dev     all processes, with your own data under var/"
	@echo "make seed    put the sample world into the database"
	@echo "make test    all tests     make check   all other checks     make bench   what we claim"
	@echo "make setup   the environment alone, into .venv     make lock   pin all packages again"
	@echo "make docs    the documentation, into docs/_build"
	@echo "make pictures  those in README and docs/, of a demo of their own (needs Chromium)"
	@echo "make faults  real processes killed and worse: RUNS=12 SEED=1 ONLY='part of a name'"
	@echo "make stop    stop what runs here     make clean   remove what was built (var/ stays)"

setup:
	@config/setup.sh

demo: setup
	@$(PY) manage.py demo

dev: setup
	@$(PY) manage.py dev

seed: setup
	@$(PY) manage.py migrate --verbosity 0
	@$(PY) manage.py seed

test: setup
	@$(PY) -m pytest -n auto $(ARGS)

check: setup
	@$(PY) -m config.lint

bench: setup
	@$(PY) -m benchmarks $(ARGS)

# Afresh: a page that did not change may link to one that did.
docs: setup
	@$(PY) -m sphinx -E -W --keep-going -q -b html docs docs/_build
	@echo "docs/_build/index.html"

pictures: setup
	@$(PY) -m tests.browser.pictures

faults: setup
	@$(PY) -m tests.faults --runs $(RUNS) --seed $(SEED) --only "$(ONLY)" $(ARGS)

lock:
	@config/lock.sh

stop: setup
	@$(PY) manage.py stop

clean: stop
	@rm -rf .venv docs/_build staticfiles .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
