# One-word commands. Each does its own set-up: a virtual environment in .venv, from uv.lock.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV_VERSION := 0.13.9
BIN := .venv/bin
ARGS ?=
# Measuring coverage makes a test half as slow again: only those that are of what is measured.
COVERED := tests/unit/engine tests/unit/manifest tests/conformance
# One more than processors, as many tests wait for servers and disks.
WORKERS := $(shell $(PYTHON) -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')
# What decides, its files and the client: `make fast` is for between two edits, on a laptop under twenty seconds.
QUICK := tests/unit/engine tests/unit/events tests/unit/manifest tests/unit/profiles tests/unit/sdk
# Where it is set, every command and every test would be compiled again at each start.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-spark test-clickhouse fast statistical lint types bench clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/:/' | sort | column -t -s:

setup: .venv/.installed ## Create .venv and install everything from the lock

.venv/.installed: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Fairlot needs Python 3.11 or newer; $(PYTHON) is older. Set PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv \
		|| { echo "No venv module: on Debian, apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@UV_PROJECT_ENVIRONMENT=.venv $(BIN)/uv sync --quiet --frozen --inexact --all-extras
	@touch $@

demo: setup ## Start a server with the example shop and simulated visitors (ARGS=--once to stop after)
	@$(BIN)/fairlot demo $(ARGS)

test: setup ## All tests, with full branch coverage of the engine and the manifest by their own
	@$(BIN)/python -m pytest $(COVERED) -n auto --maxprocesses=4 --cov=fairlot.engine --cov=fairlot.manifest \
		--cov-branch --cov-fail-under=100 --cov-report=term-missing:skip-covered $(ARGS)
	@$(BIN)/python -m pytest -n $(WORKERS) $(COVERED:%=--ignore=%) $(ARGS)

test-spark: setup ## The rules of attribution on a real Spark too (needs Java 17; 1 GB to download)
	@UV_PROJECT_ENVIRONMENT=.venv $(BIN)/uv sync --quiet --frozen --inexact --all-extras --group spark
	@TESTS_SPARK=1 $(BIN)/python -m pytest -k spark -W "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning" tests/integration/test_attribution*.py tests/integration/test_engines_agree.py $(ARGS)

test-clickhouse: setup ## The rules of attribution on an embedded ClickHouse too (180 MB to download)
	@UV_PROJECT_ENVIRONMENT=.venv $(BIN)/uv sync --quiet --frozen --inexact --all-extras --group clickhouse
	@TESTS_CLICKHOUSE=1 $(BIN)/python -m pytest -k clickhouse tests/integration/test_attribution*.py $(ARGS)

fast: setup ## Unit tests of the engine, files, events, profiles and the client (under 20 s)
	@$(BIN)/python -m pytest -n auto --maxprocesses=4 -m "not slow" -q $(QUICK) \
		--ignore=tests/unit/manifest/test_schema.py -p no:schemathesis $(ARGS)

statistical: setup ## The peeking simulation with 2,000 runs of each case (half an hour of one core)
	@SIMULATED_RUNS=2000 $(BIN)/python -m pytest -n auto --maxprocesses=4 -s tests/statistical $(ARGS)

lint: setup ## ruff and import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: setup ## mypy --strict over everything
	@$(BIN)/mypy

bench: setup ## Benchmarks with their peers (the HTTP one needs wrk and node)
	@UV_PROJECT_ENVIRONMENT=.venv $(BIN)/uv sync --quiet --frozen --inexact --all-extras --group bench
	@$(BIN)/python benchmarks/decide.py
	@$(BIN)/python benchmarks/sdk.py
	@$(BIN)/python benchmarks/memory.py
	@$(BIN)/python benchmarks/plan.py
	@$(BIN)/python benchmarks/authoring.py
	@$(BIN)/python benchmarks/apply.py
	@$(BIN)/python benchmarks/publish.py
	@$(BIN)/python benchmarks/feeds.py
	@$(BIN)/python benchmarks/http.py
	@$(BIN)/python benchmarks/choose.py
	@$(BIN)/python benchmarks/ingest.py
	@$(BIN)/python benchmarks/results.py

clean: ## Remove the environment and all caches
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
