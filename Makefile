# `make demo` and `make test` set up everything they need; nothing else has to be typed.
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3.14 python3 python,$(shell command -v $(p) 2>/dev/null)))
BIN := .venv/bin
SERVE ?= 1
.DEFAULT_GOAL := help

.PHONY: help setup demo test bench messages lock format

help:
	@echo "make demo    set up everything, show the main job on the sample study, serve it on 127.0.0.1:8000"
	@echo "             (SERVE=0 stops after the report; PORT=8001 serves there; CODER=claude uses Claude)"
	@echo "make test    set up everything and run all checks and tests"
	@echo "make bench   measure speed and memory"

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Concord needs Python 3.11 or newer; none was found."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Concord needs Python 3.11 or newer; $(PYTHON) is older. Try: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/.run: requirements.lock | $(BIN)/python
	@echo "Installing Concord's packages (about a minute the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

.venv/.dev: requirements-dev.lock | $(BIN)/python
	@echo "Installing Concord's packages and what its tests need (about a minute the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@ .venv/.run

setup: .venv/.run
	@$(BIN)/python -m config.catalogues

demo: setup
	@$(BIN)/python manage.py demo --serve $(SERVE) $(if $(PORT),--port $(PORT)) $(if $(CODER),--coder $(CODER))

test: .venv/.dev
	@$(BIN)/python -m config.catalogues
	@$(BIN)/python -m tests

bench: .venv/.dev
	@$(BIN)/python -m config.catalogues
	@$(BIN)/python -m benchmarks

messages: .venv/.dev # a developer's step: needs gettext
	@$(BIN)/python manage.py makemessages --all --no-wrap --no-location --ignore .venv --ignore tests --ignore benchmarks --ignore var -v0

lock: | $(BIN)/python # a developer's step
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --universal -p 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url -q pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --universal -p 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url -q pyproject.toml --group dev -o requirements-dev.lock

format: .venv/.dev
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .
