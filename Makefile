# All that a fresh machine needs is Python >= 3.11: uv is fetched when it is missing, and `uv sync` makes .venv from uv.lock.

PYTHON ?= python3
# Airflow comes with the tests only: it is larger than all the rest.
EXTRAS ?= dataset
PYTEST_ARGS ?=
# Tests wait for processes of their own half of the time: four at once keep two cores busy.
JOBS ?= 4
BENCH_ARGS ?=
DEMO_ARGS ?=
# Of `uv audit`: --ignore-until-fixed ID, say.
AUDIT_ARGS ?=

SHELL := /bin/sh
BIN := .venv/bin
# Beside the cache of uv, so that a second checkout needs no network.
TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/scratch-harvester/tools
STAMP := .venv/.synced
TESTED := .venv/.tested
BENCHED := .venv/.benched
# The cache of uv may lie on another file system: copying works everywhere, hard links warn there.
export UV_LINK_MODE ?= copy
# Trust what the system trusts, as pip does: behind a proxy that matters.
export UV_SYSTEM_CERTS ?= 1
# Use the Python that is installed; the lock file is the only thing that decides what else comes in.
export UV_PYTHON_DOWNLOADS := never
# Every command of the demo and the tests is a process: compiled modules halve its start.
export UV_COMPILE_BYTECODE := 1
unexport PYTHONDONTWRITEBYTECODE
# A virtual environment of the caller's is not ours to fill.
unexport VIRTUAL_ENV UV_PROJECT_ENVIRONMENT

.DEFAULT_GOAL := help
.PHONY: help demo test test-unit soak bench lint docs picture clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(STAMP) ## Run the whole pipeline on this machine alone
	@$(BIN)/harvester demo $(DEMO_ARGS)

test: $(TESTED) ## Run the tests (PYTEST_ARGS="-k offset")
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

test-unit: $(TESTED) ## Run the tests that need no server and no process
	@$(BIN)/python -m pytest -n auto --dist worksteal -m "unit and not soak" $(PYTEST_ARGS)

soak: $(TESTED) ## Run the tests that take minutes, and the crawl tests from replay and in other surroundings
	@$(BIN)/python -m pytest -m soak $(PYTEST_ARGS)
	@$(if $(PYTEST_ARGS),,$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --replayed tests/crawl)
	@$(if $(PYTEST_ARGS),,$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --hostile tests/crawl)
	@$(if $(PYTEST_ARGS),,$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --pooled tests/crawl)

bench: $(BENCHED) ## Measure what the documentation claims (BENCH_ARGS="pipeline --record")
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

lint: $(TESTED) ## Check style, types, imports, dead code, and the dependencies: used, and not known to be vulnerable
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/vulture
	@$(BIN)/deptry harvester
	@$(AUDIT)

docs: $(TESTED) ## Build the documentation as a site, and what is generated from the code: pages and the dashboard
	@$(BIN)/python deploy/dashboard.py > harvester/deploy/templates/monitoring/dashboard.json
	@$(BIN)/python -m harvester.api.reference > docs/endpoints.md
	@$(BIN)/python -m harvester.report.dictionary > docs/dictionary.md
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "build/site/index.html"

picture: ## Draw the picture of the README, the head of a report: REPORT=report.html, by Chromium
	@chromium --headless --no-sandbox --hide-scrollbars --force-device-scale-factor=0.75 --window-size=1280,1565 \
		--screenshot=docs/assets/report.png "file://$(realpath $(REPORT))"

clean: ## Remove caches and build products (.venv stays)
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* htmlcov build dist
	@find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

# uv: the one on PATH, else a private one in TOOLS. Debian without python3-venv has no ensurepip, and its pip refuses
# to touch the system (PEP 668) but may fill a folder. Offline first: a warm cache needs no network, and the lock file
# fixes every hash, so both ways give the same .venv.
define UV
set -e; \
if command -v uv >/dev/null 2>&1; then uv=uv; \
elif [ -x "$(TOOLS)/bin/uv" ]; then uv="$(TOOLS)/bin/uv"; \
elif [ -x "$(TOOLS)/lib/bin/uv" ]; then uv="$(TOOLS)/lib/bin/uv"; \
elif $(PYTHON) -m venv "$(TOOLS)" >/dev/null 2>&1 && "$(TOOLS)/bin/python" -m pip install --quiet --disable-pip-version-check uv; \
then uv="$(TOOLS)/bin/uv"; \
elif $(PYTHON) -m pip --version >/dev/null 2>&1 && \
     $(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$(TOOLS)/lib" uv; \
then uv="$(TOOLS)/lib/bin/uv"; \
else echo "make: cannot fetch uv: install the package python3-venv (or uv itself) and check the network" >&2; exit 1; fi
endef

define SYNC
$(UV); \
sync="sync --locked --quiet $(1) $(if $(filter-out python3,$(PYTHON)),--python $(PYTHON))"; \
"$$uv" $$sync --offline 2>/dev/null || "$$uv" $$sync
endef

# Ends with 1 where a locked version is known to be vulnerable. Who cannot be asked now (2) is passed over, and told.
define AUDIT
$(UV); \
"$$uv" audit --quiet --locked --preview-features audit-command $(AUDIT_ARGS) || \
{ code=$$?; [ $$code -eq 2 ] || exit $$code; echo "make: the dependencies were not audited: is there a network?" >&2; }
endef

$(STAMP): pyproject.toml uv.lock
	@$(call SYNC,$(foreach extra,$(EXTRAS),--extra $(extra)) --no-dev)
	@touch $@

$(TESTED): $(STAMP)
	@$(call SYNC,--all-extras)
	@touch $@

# What is compared with comes for measuring only.
$(BENCHED): $(TESTED)
	@$(call SYNC,--all-extras --group bench)
	@touch $@
