# The project's commands; each makes the virtual environment first where there is none.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS := .venv-peers

export TF_CPP_MIN_LOG_LEVEL ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-backends lint format conformance reproduce bench

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST)

demo: $(STAMP) ## train, strip, export and serve a small model
	$(BIN)/python examples/quickstart.py

test: $(STAMP) ## run every test, those of the layers on JAX and on PyTorch as well
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup
	$(MAKE) test-backends

test-fast: $(STAMP) ## run the tests that take no more than a few seconds each
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup -m "not slow"

test-backends: $(STAMP) ## run the tests of the layers on JAX and on PyTorch
	for backend in jax torch; do \
		KERAS_BACKEND=$$backend $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup \
			--ignore tests/keras_dropouts/test_replicas.py tests/keras_dropouts || exit 1; \
	done

bench: $(STAMP) $(PEERS) ## time every layer against Keras's and peers', on every backend that is installed
	PYTHONPATH=$(PEERS) $(BIN)/python benchmarks/speed $(BENCH)

conformance: $(STAMP) $(PEERS) ## check every layer on every backend and print the report
	PYTHONPATH=$(PEERS) $(BIN)/python benchmarks/conformance

reproduce: $(STAMP) ## reproduce results of the papers into docs/reproduction.md
	$(BIN)/python benchmarks/reproduce

lint: $(STAMP) ## check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(PEERS): | $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $@ \
		timm torchvision || { mkdir -p $@; echo "timm and torchvision: left out"; }

$(STAMP): pyproject.toml
	@command -v $(PYTHON) >/dev/null || \
		{ echo "There is no $(PYTHON) here. Set another one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else \
		"keras-dropouts needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is %d.%d. " % v + \
		"Set another one: make PYTHON=/path/to/python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
