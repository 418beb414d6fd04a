PYTHON := .venv/bin/python
.PHONY: help setup test test-all lint format types bench demo

help: ## show these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv and install the project, its tools and the commit hooks into it
	python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pre-commit install

test: ## run the tests and doctests
	$(PYTHON) -m pytest

test-all: ## run the slow tests too; not those that need a GPU or the network
	$(PYTHON) -m pytest -m 'not gpu and not network'

lint: ## check style and format
	$(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check .

format: ## mend style and format where that can be done by itself
	$(PYTHON) -m ruff check --fix . && $(PYTHON) -m ruff format .

types: ## check types, strictly
	$(PYTHON) -m mypy

bench: ## run every benchmark, and write the README's table
	@set -e; for name in overhead batch quality projector invariance large severity encoder time_to_quality line_search transfer_speed diffusion table; do $(PYTHON) benchmarks/$$name.py; done

demo: ## restore the portraits that come with the package from a blur
	$(PYTHON) cli.py fit --config inversion.yaml --config deblur.yaml
