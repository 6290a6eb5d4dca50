# Needs make, network and Python 3.11-3.13 with venv; everything else is brought into .venv.

UV_VERSION := 0.13.9
UV_DIR := .cache/uv-$(UV_VERSION)
UV := $(UV_DIR)/bin/uv
ENVIRONMENT := .venv/.synced
BIN := .venv/bin

# Empty SECONDS: until Ctrl-C (soak: 1800). ARGS go to pytest, as in `make test ARGS='-k watermark'`,
# or to the soak, as in `make soak ARGS='--schedules 500'`.
SECONDS ?=
SEED ?=
ARGS ?=

# Tests of a file run on one worker. `auto`: what cores and memory allow; 0: no workers, as with --pdb.
WORKERS ?= auto

export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench accuracy soak fuzz docs docs-serve release rehearse install clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(ENVIRONMENT) ## Broker, simulator and live forecasts in the terminal (SECONDS=60, SEED=1)
	@exec $(BIN)/genrecast demo $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

test: $(ENVIRONMENT) ## The whole suite, on real Kafka and Redis (ARGS= for pytest, WORKERS=)
	@exec $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(ENVIRONMENT) ## Lint, format, types, imports between folders, licences, vulnerabilities
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/audit.py

format: $(ENVIRONMENT) ## Write the format and the fixes that are safe
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(ENVIRONMENT) ## Speed beside other systems, on real Kafka and Redis; writes page and plots
	@exec $(BIN)/python -m bench $(ARGS)

accuracy: $(ENVIRONMENT) ## Backtests on three sets of real counts beside other methods; writes the tables
	@exec $(BIN)/python -m bench.accuracy $(ARGS)

soak: $(ENVIRONMENT) ## Random faults on real processes, then the exactness report (SECONDS=1800, SEED=)
	@exec $(BIN)/python -m tests.faults.soak $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

docs: $(ENVIRONMENT) ## The documentation as a site, in build/site; a broken link is an error
	@exec $(BIN)/python -m docsite

docs-serve: $(ENVIRONMENT) ## The same on http://127.0.0.1:8000, made anew when a page changes
	@exec $(BIN)/python -m docsite --serve

fuzz: $(ENVIRONMENT) ## Hostile bytes into all that reads from outside (SECONDS=300, SEED=)
	@exec $(BIN)/python -m tests.fuzz $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

release: $(ENVIRONMENT) ## Wheel, SBOM, image and checksums out of a tagged commit (ARGS=--no-image)
	@exec $(BIN)/python .ci/release.py $(ARGS)

rehearse: $(ENVIRONMENT) ## The same of this commit, on a throw-away clone that is tagged; nothing is kept
	@exec $(BIN)/python .ci/rehearse.py $(ARGS)

install: $(ENVIRONMENT) ## Only the environment, .venv

clean: ## Remove the environment and caches of this checkout
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The first that runs: a version manager's shim may stand for a version that is not there.
find-python = for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	  $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	    2>/dev/null && break; python=; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "genrecast needs Python 3.11, 3.12 or 3.13, found $$(python3 -V 2>&1 || true)." \
	    "Install one, or say where it is: make PYTHON=/path/to/python3.12" >&2; exit 2; \
	fi

$(UV):
	@$(find-python); \
	$$python -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$$python has no venv module. Debian and Ubuntu: apt-get install python3-venv" >&2; \
	  exit 2; }; \
	echo "Fetching uv $(UV_VERSION) ..."; \
	rm -rf $(UV_DIR) && $$python -m venv $(UV_DIR) && \
	$(UV_DIR)/bin/pip install --quiet --disable-pip-version-check --only-binary :all: \
	  uv==$(UV_VERSION) || { rm -rf $(UV_DIR); \
	  echo "Could not fetch uv from PyPI: is there network, or a proxy to name in PIP_INDEX_URL?" >&2; \
	  exit 2; }

$(ENVIRONMENT): $(UV) pyproject.toml uv.lock
	@$(find-python); \
	echo "Making .venv (the first time fetches TensorFlow, some hundred MB) ..."; \
	$(UV) sync --locked --python "$$(command -v $$python)"
	@touch $@
