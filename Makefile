# Outcry: the commands of the house. `make` alone lists them.

# Python to build the environments with; the first of these that is 3.11 or newer.
PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11 python
UV_VERSION := 0.13.8

VENV := .venv
DEV := .venv-dev
TOOLS := .venv-lock
CLIENTS := .venv-clients
CLIENTS_JS := tests/clients/js
STAMP := .installed
DEV_PYTHON := $(DEV)/bin/python

# An example's date, a backtest's days and where the gateway is; `make local-model`'s port; `make prove SHORT=1`, one group of
# it, its seed.
DATE ?=
DAYS ?=
URL ?= http://127.0.0.1:8080
MODEL_PORT ?= 8081
SHORT ?=
ONLY ?=
SEED ?=
SECONDS ?=

# Each in its own environment, since they disagree about each other's versions; Node comes from a wheel.
CLIENT_NAMES := openai2 openai3 anthropic langchain instructor pydantic-ai node

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-clients check lock prove bench fuzz example backtest local-model clean

help:  ## this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/$(STAMP)  ## install, migrate and serve on 127.0.0.1:8080
	@exec $(VENV)/bin/python -m app.cli run

test: $(DEV)/$(STAMP)  ## every test, storage on SQLite and PostgreSQL
	$(DEV_PYTHON) -m pytest --numprocesses auto --dist loadfile $(ARGS)

test-clients: $(DEV)/$(STAMP) $(CLIENT_NAMES:%=$(CLIENTS)/%/$(STAMP)) $(CLIENTS_JS)/node_modules/$(STAMP)  ## unmodified clients, Python's and npm's, against the service (ARGS="openai langchain")
	@$(DEV_PYTHON) -m tests.clients $(ARGS)

check: $(DEV)/$(STAMP)  ## format, lint, types, imports, Dockerfile
	$(DEV_PYTHON) -m ruff format --check .
	$(DEV_PYTHON) -m ruff check .
	$(DEV_PYTHON) -m mypy
	$(DEV_PYTHON) $(DEV)/bin/lint-imports
	$(DEV)/bin/hadolint Dockerfile

prove: $(DEV)/$(STAMP)  ## the scoreboard: what is promised, measured; writes docs/scoreboard.md (SHORT=1, ONLY=overload, SEED=7)
	$(DEV_PYTHON) -m benchmarks.prove $(if $(SHORT),--short) $(ONLY:%=--only %) $(if $(SEED),--seed $(SEED))

bench: $(DEV)/$(STAMP)  ## CPU per proxied request and per streamed chunk
	$(DEV_PYTHON) -m benchmarks.bench $(if $(SHORT),--short)

fuzz: $(DEV)/$(STAMP)  ## mutated answers against the parser's properties, for SECONDS=180; failing ones go to fuzz-failures/
	$(DEV_PYTHON) -m benchmarks.fuzz $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

example: $(VENV)/$(STAMP)-examples  ## a decision about a real day: make example DATE=2018-12-24
	@$(VENV)/bin/python examples/first_decision.py $(DATE) --base-url $(URL)

backtest: $(VENV)/$(STAMP)-examples  ## two years of decisions, made twice from one recording: make backtest DAYS=60
	@$(VENV)/bin/python examples/backtest.py $(if $(DAYS),--days $(DAYS)) --base-url $(URL)

local-model: $(VENV)/$(STAMP)-local-model  ## a small real language model as a provider on 127.0.0.1:8081
	@exec $(VENV)/bin/python examples/local_model.py --port $(MODEL_PORT)

lock: $(TOOLS)/$(STAMP)  ## resolve the lock files again (UPGRADE=1: to the newest versions)
	$(call compile,requirements.lock)
	$(call compile,requirements-dev.lock,--group dev -c requirements.lock)
	$(call compile,requirements-examples.lock,--extra examples -c requirements.lock)
	$(call compile,requirements-local-model.lock,--extra local-model -c requirements.lock)
	@set -e; for client in $(CLIENT_NAMES); do \
		echo "resolving requirements-clients-$$client.lock"; \
		$(call resolve,--group clients-$$client -o requirements-clients-$$client.lock); \
	done

clean:  ## remove environments and caches; the database, .env and .outcry stay
	rm -rf $(VENV) $(DEV) $(TOOLS) $(CLIENTS) $(CLIENTS_JS)/node_modules .mypy_cache .ruff_cache .hypothesis .import_linter_cache bench-out fuzz-failures dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

define compile
$(call resolve,pyproject.toml $(2) -o $(1))
endef

define resolve
$(TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) $(1)
endef

# A stamp is newer than its lock file when the environment is complete, so that a second start installs nothing.
$(VENV)/$(STAMP): requirements.lock
	$(call environment,$(VENV))
	$(call install,$(VENV),$<)
	@touch $@

$(VENV)/$(STAMP)-%: requirements-%.lock $(VENV)/$(STAMP)
	$(call install,$(VENV),$<)
	@touch $@

$(DEV)/$(STAMP): requirements-dev.lock
	$(call environment,$(DEV))
	$(call install,$(DEV),$<)
	@touch $@

# uv, because seven environments by pip take minutes; they share what they have in common.
$(CLIENTS)/%/$(STAMP): requirements-clients-%.lock | $(DEV)/$(STAMP) $(TOOLS)/$(STAMP)
	@echo "installing $< into $(@D)"
	@$(TOOLS)/bin/uv venv --quiet --clear --python $(DEV_PYTHON) $(@D)
	@$(TOOLS)/bin/uv pip install --quiet --require-hashes --python $(@D)/bin/python -r $<
	@touch $@

$(CLIENTS_JS)/node_modules/$(STAMP): $(CLIENTS_JS)/package-lock.json | $(CLIENTS)/node/$(STAMP)
	@echo "installing $< into $(@D)"
	@PATH="$(CURDIR)/$(CLIENTS)/node/bin:$$PATH" npm --prefix $(CLIENTS_JS) ci --ignore-scripts --loglevel=error
	@touch $@

$(TOOLS)/$(STAMP): Makefile
	$(call environment,$(TOOLS))
	@$(TOOLS)/bin/python -m pip install --quiet uv==$(UV_VERSION)
	@touch $@

define install
@echo "installing $(2) into $(1)"
@$(1)/bin/python -m pip install --quiet --require-hashes -r $(2)
endef

# Keeps a working environment; makes it anew when its Python or pip is gone.
define environment
@$(1)/bin/python -m pip --version >/dev/null 2>&1 || { \
	for python in $(PYTHON); do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "making $(1) with $$($$python --version)"; \
			$$python -m venv --clear $(1) && exit 0; \
			echo "make: $$python could not make a virtual environment (Debian and Ubuntu: apt install python3-venv)" >&2; \
			exit 1; \
		fi; \
	done; \
	echo "make: Outcry needs Python 3.11 or newer; found $$(python3 --version 2>&1 || echo none)." >&2; \
	echo "make: install one, or name it: make PYTHON=/path/to/python3.11" >&2; \
	exit 1; \
}
endef
