# What there is to do here; `make help` lists it. Needs Python 3.11 or newer with venv, and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
SAMPLE ?= sample_images/deleted/image.tar.gz
BENCH ?= --size small
ACCURACY ?=
.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

$(BIN)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

.PHONY: setup
setup: $(BIN)/.installed ## Make a virtual environment with layerleak and its tools in it

.PHONY: demo
demo: setup ## Scan a sample image and show the report
	$(BIN)/layerleak scan --no-fail $(SAMPLE)

.PHONY: test
test: setup ## Run the tests
	$(BIN)/python -m pytest -q

.PHONY: signatures
signatures: setup ## Run every signature's examples through the engine
	$(BIN)/layerleak signatures test

.PHONY: lint
lint: setup ## Format, lint, types, import contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: check
check: lint signatures test ## Everything that CI checks

.PHONY: format
format: setup ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: samples
samples: setup ## Rebuild the sample images with real builders (root, Linux; see sample_images/README.md)
	$(BIN)/python sample_images/rebuild.py

.PHONY: bench
bench: setup ## Measure speed, memory and findings beside other scanners (BENCH="--size full" for 2 GB)
	$(BIN)/python tests/bench/run.py $(BENCH)

.PHONY: accuracy
accuracy: setup ## Compare findings and false reports beside other scanners (ACCURACY="--repo FOLDER" with known risks)
	$(BIN)/python tests/bench/accuracy.py $(ACCURACY)

.PHONY: scaling
scaling: setup ## Show that the cost of a scan grows in proportion to what is scanned
	$(BIN)/python tests/bench/scaling.py

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist
