# Every target sets up what it needs. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -W ignore::SyntaxWarning
STAMP := $(VENV)/.ready
# Tryton is a program of its own: it runs from its own environment, only for its tests.
TRYTON_VENV := .venv-tryton
TRYTON_STAMP := $(TRYTON_VENV)/.ready
SQL := $(shell find dbt_project/models dbt_project/macros -name '*.sql')
SQL_LINTED := .make/sql-linted
DATASET ?=
ARGS ?=
SEEDS ?= 1000
SEED_FROM ?= 1

.PHONY: help setup demo test check format dev bench simulate clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 14

$(STAMP): requirements.lock pyproject.toml
	@echo "Setting up $(VENV) (hash-pinned; about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit("Ledgerloop needs Python 3.11; this is " + sys.version.split()[0] + ". Call: make PYTHON=python3.11") if sys.version_info[:2] != (3, 11) else None'
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(STAMP)

$(TRYTON_STAMP): sandbox/tryton/requirements.lock
	@echo "Setting up $(TRYTON_VENV) (a real ERP for its tests; hash-pinned)"
	@test -x $(TRYTON_VENV)/bin/python || $(PYTHON) -m venv $(TRYTON_VENV)
	@$(TRYTON_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r sandbox/tryton/requirements.lock
	@touch $(TRYTON_STAMP)

setup: $(STAMP) ## make the virtual environment .venv with every pinned dependency

demo: $(STAMP) $(if $(LEDGERLOOP_TRYTON_POSTGRES_URL),$(TRYTON_STAMP)) ## close the loop on the sandbox, twice, and prove it [DATASET=DIR] [ARGS="--json FILE"]
	@$(VENV)/bin/ledgerloop demo $(if $(DATASET),--dataset $(DATASET)) $(ARGS)

# Compiled modules are kept, whatever the environment says: the tests start hundreds of processes.
test: $(STAMP) $(TRYTON_STAMP) ## run every test
	@PYTHONDONTWRITEBYTECODE= $(RUN) -m pytest -n 2 $(ARGS)

check: $(STAMP) ## format, lint, types, SQL and house rules (no servers; quick)
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(MAKE) --no-print-directory $(SQL_LINTED)
	@$(RUN) -m pytest -q tests/tidy

# Half a minute: only where a model, a macro or a rule changed since it was last found clean.
$(SQL_LINTED): $(SQL) pyproject.toml $(STAMP)
	@$(VENV)/bin/sqlfluff lint --processes 2 --disable-progress-bar dbt_project/models
	@mkdir -p $(@D) && touch $@

format: $(STAMP) ## format code and sort imports
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

dev: $(STAMP) ## open the Dagster UI on a running sandbox (Ctrl-C stops both)
	@$(VENV)/bin/ledgerloop dev $(if $(DATASET),--dataset $(DATASET)) $(ARGS)

bench: $(STAMP) ## measure speed and memory beside peers; writes data/home/bench/*.json
	@$(RUN) -m bench $(ARGS)

simulate: $(STAMP) ## run the write engine under seeded faults, and kill the real one [SEEDS=N] [SEED_FROM=M] [ARGS="--kills N --sync-kills N"]
	@$(RUN) -m tests.simulation.run --seeds $(SEEDS) --from $(SEED_FROM) $(ARGS)

clean: ## remove the virtual environment and all run state
	rm -rf $(VENV) $(TRYTON_VENV) .make data/home
