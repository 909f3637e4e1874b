# `make demo` and `make test` do all the set-up themselves; `make` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PACKAGES := $(VENV)/.packages
OURS := $(wildcard bot handlers blocks storage tests bench docs)
KILLS ?= 200
AD ?= practice

.DEFAULT_GOAL := help
.PHONY: help demo test check bench crash pictures docs lock

help: ## list what can be made
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 8

demo: $(READY) ## the whole bot in a browser, on a pretend Slack; nothing of yours (AD=samba: on a real domain)
	@$(BIN)/python -m bot demo --ad $(AD)

test: $(READY) $(PACKAGES) ## every test, on real parts
	@$(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist worksteal

check: $(READY) ## style, types, import floors, the lock
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "Some files are not formatted: $(BIN)/ruff format" >&2; exit 1; }
	@$(BIN)/mypy --no-error-summary $(OURS)
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python docs/tree.py --check
	@$(BIN)/pytest --quiet tests/test_requirements.py

bench: $(READY) $(PACKAGES) ## speed, as ratios measured in one run
	@$(BIN)/python -m bench

crash: $(READY) $(PACKAGES) ## KILLS=200 kills at random instants on a real domain controller
	@REKEY_CRASH_KILLS=$(KILLS) $(BIN)/pytest -m crash --timeout 0 tests/crash

docs: $(READY) ## draw the tree in docs/architecture.md from the modules' docstrings, and the statuses' page
	@$(BIN)/python docs/tree.py
	@$(BIN)/python docs/statuses.py

pictures: $(READY) $(PACKAGES) ## the README's pictures, taken while a newcomer's story is played in Chromium
	@REKEY_PICTURES=docs/pictures $(BIN)/pytest --quiet tests/browser

lock: $(READY) ## write requirements.lock anew from pyproject.toml, with the newest versions
	@$(BIN)/uv pip compile pyproject.toml --extra postgres --group dev --universal --upgrade --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --quiet --output-file requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Rekey needs Python 3.11 or newer. Name one: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Setting up $(VENV)" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --require-hashes --requirement requirements.lock
	@PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --no-deps --no-build-isolation \
		--config-settings editable_mode=compat --editable . # compat: the folder itself, so that a new package is found too
	@touch $@

$(PACKAGES): .ci/packages $(READY)
	@.ci/packages
	@touch $@
