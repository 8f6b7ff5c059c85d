# Everything a checkout needs, from Python 3.11 or 3.12, make and the package index. `make help` lists it.

SHELL := /bin/sh
PY := .venv/bin/python
# Settings of a production server that exists nowhere, for checks that need no server.
THROWAWAY := $(PY) scripts/with_throwaway_environment.py $(PY)

.DEFAULT_GOAL := help
.PHONY: help run test check bench format audit lock setup clean

help:
	@echo "make run            start everything here and show a payment through every gateway; Ctrl-C stops it"
	@echo "make run ONCE=1     the same, then stop; exits 0 only if every step came true"
	@echo "make test           all tests;  make test ARGS='tests/core -k money'  some of them"
	@echo "make check          format, lint, types, import contracts, migrations, deployment checks"
	@echo "make bench          how fast it is on this machine, beside what its PostgreSQL can do"
	@echo "make format         put the code into shape"
	@echo "make audit          known holes in what we depend on (asks the network)"
	@echo "make lock           pin requirements/*.in again;  make lock ARGS=--upgrade  to newer ones"
	@echo "make setup          only the environments (the others do it when needed)"
	@echo "make clean          remove environments and caches; .run (local books and keys) stays"
	@echo "PYTHON=/path/to/python3.11 chooses the interpreter."

setup:
	@PYTHON="$(PYTHON)" sh scripts/bootstrap.sh dev

run: setup
	@$(PY) manage.py demo $(if $(filter-out 0,$(ONCE)),--once) $(ARGS)

test:
	@PYTHON="$(PYTHON)" sh scripts/bootstrap.sh dev localstripe ninth
	@$(PY) -m scripts.run_tests $(ARGS)

check: setup
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	.venv/bin/lint-imports
	$(PY) -W ignore:"Got an error checking a consistent migration history":RuntimeWarning manage.py makemigrations --check --dry-run
	$(THROWAWAY) manage.py check --deploy --fail-level WARNING
	$(PY) -m scripts.check_addresses
	$(PY) -m scripts.check_docs

bench: setup
	@$(PY) manage.py bench $(ARGS)

format: setup
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

audit: setup
	$(PY) -m pip_audit --requirement requirements/base.txt --require-hashes --disable-pip
	$(PY) -m pip_audit --requirement requirements/dev.txt --require-hashes --disable-pip

lock: setup
	$(PY) -m scripts.lock $(ARGS)

clean:
	rm -rf .venv .venv-* .venv.lock .static .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
