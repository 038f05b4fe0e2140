# Every target works in a fresh checkout; what it needs is made first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.vistune-installed
VISTUNE_DEMO_MINUTES ?= 6
export VISTUNE_DEMO_MINUTES

# One thread for each of the two test processes: faster than two threads in one.
TEST_WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format clean

help: ## Show the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make .venv and install vistune with the tested versions

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[train,eval,video,quant,serve,dev]' --constraint constraints.txt
	touch $@

demo: setup ## Tune and compare both models on the picture world (6 minutes; VISTUNE_DEMO_MINUTES)
	$(BIN)/vistune demo --out runs/demo

test: setup ## Run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal $(PYTEST_ARGS)

lint: setup ## Check style (ruff) and types (mypy)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup ## Let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove .venv, caches and runs
	rm -rf $(VENV) runs build dist .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
