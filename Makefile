# Everything a person needs: `make demo` and `make test`. Each sets up what it needs by itself.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

UV_VERSION := 0.13.9
TOOLS := .cache/tools
UV := $(TOOLS)/bin/uv
BIN := .venv/bin
# a Python that writes no bytecode compiles every module at every start of every worker
unexport PYTHONDONTWRITEBYTECODE
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := .venv

.PHONY: help demo test check lint unit bench faults soak deb dashboards clean setup packages

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: setup ## watch three agents trade a day on the embedded exchange; ARGS="--bars DIR --once DAY ..."
	@$(BIN)/ztrade demo $(ARGS)

# four at once on two cores: machines that boot and alerts that are waited for leave time
test: setup packages lint ## everything that CI runs
	@$(BIN)/pytest -q -p no:cacheprovider -n 4 --dist loadgroup --durations=30 tests

check: setup lint unit ## lint, types, unit and property tests: under a minute

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache > .cache/lint-imports.log || { cat .cache/lint-imports.log; exit 1; }
	@$(BIN)/mypy

unit: setup
	@$(BIN)/pytest -q -n 3 -m "not slow" tests/unit tests/property

bench: setup ## measure, and print ratios against named baselines; ARGS="memory exporters=1000000"
	@$(BIN)/python -m tests.benchmarks $(ARGS)

faults: setup ## the fault matrix, into docs/reliability.md; ARGS="--cover --runs 20 --stacks 2"; --help
	@$(BIN)/python -m tests.faults $(ARGS)

deb: setup ## the Debian package, into dist/
	@$(BIN)/python -m tools.deb $(ARGS)

soak: setup ## a month of three agents under random faults, into docs/reliability.md; ARGS="--seed N --days N"
	@$(BIN)/python -m tests.faults.soak $(ARGS)

dashboards: setup ## Grafana's, into ops/grafana and their reference; ARGS="FOLDER" draws them there
	@$(BIN)/python -m tools.dashboards
	@if [ -n "$(ARGS)" ]; then $(BIN)/python -m tools.dashboards.pictures $(ARGS); fi

clean: ## remove what the other targets made
	rm -rf .venv .cache build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

setup: .venv/.complete

packages:
	@tools/packages.sh

$(UV):
	@mkdir -p .cache
	@if ! python3 -c 'import ensurepip' 2>/dev/null; then \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq python3-venv; \
	  else echo "error: python3 has no venv module; fix: as root, apt install python3-venv" >&2; exit 2; fi; fi
	@python3 -m venv $(TOOLS)
	@$(TOOLS)/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.complete: $(UV) uv.lock pyproject.toml
	@$(UV) sync --quiet --frozen --extra embedded --compile-bytecode
	@touch $@
