# Every target is one line in `make help`; what they do is described in README.md.
SHELL := /bin/sh
PYTHON ?= $(firstword $(shell for p in python3 python3.12 python3.11 python3.13 python3.14; do "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p && break; done))
PIP = .venv/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes --only-binary :all:
COMPILE = .venv/bin/uv pip compile --universal --generate-hashes --no-emit-index-url --only-binary :all: --python-version 3.11 --no-header -q pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help run test fuzz faults bench lock format lint types system-packages

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

run: .venv/run.stamp ## start everything on http://127.0.0.1:$PORT (8000), data in $DATA_DIR (./var)
	@COUNTERSIGN_PARENT=$$PPID exec .venv/bin/python -m portal.run

test: .venv/dev.stamp system-packages ## everything that CI runs
	@echo "== format"; .venv/bin/ruff format --check -q .
	@echo "== lint"; .venv/bin/ruff check -q .
	@echo "== types"; .venv/bin/mypy .
	@echo "== floors"; .venv/bin/lint-imports --no-cache
	@echo "== tests"; .venv/bin/python -m pytest -q -n 2

fuzz: .venv/dev.stamp ## other examples than the gate's on each run, FUZZ (5000) for each operation
	@FUZZ=$${FUZZ:-5000} .venv/bin/python -m pytest -q -n 2 -rP -o timeout=7200 tests/fuzz \
	  tests/invariants/test_limits_model.py tests/invariants/test_limits_machine.py

faults: .venv/dev.stamp ## break stores and processes, FAULTS (200) kills, and write docs/reliability.md
	@mkdir -p var && rm -f var/faults.jsonl
	@FAULTS=$${FAULTS:-200} FAULTS_FIGURES=var/faults.jsonl .venv/bin/python -m pytest -q -s tests/faults
	@.venv/bin/python -m tests.faults var/faults.jsonl

bench: .venv/dev.stamp .venv-peers/stamp ## measure the check path beside a hello and what others use, then every page
	@.venv/bin/python -m bench
	@.venv/bin/python -m bench.pages

lock: .venv/dev.stamp ## compile requirements*.txt from pyproject.toml
	$(COMPILE) -o requirements.txt
	$(COMPILE) --group dev -c requirements.txt -o requirements-dev.txt
	$(COMPILE:pyproject.toml=bench/requirements-peers.in) -o bench/requirements-peers.txt

format: .venv/dev.stamp ## rewrite the code in the house format
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

lint: .venv/dev.stamp ## ruff and the import floors
	@.venv/bin/ruff check . && .venv/bin/lint-imports --no-cache

types: .venv/dev.stamp ## mypy, strict
	@.venv/bin/mypy .

.venv/bin/python:
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: install it, or say PYTHON=/path/to/python3." >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing: install the package python3-venv." >&2; exit 1; }
	@"$(PYTHON)" -m venv .venv || { rm -rf .venv; exit 1; }

# The stamps say which requirements are installed.
.venv/run.stamp: requirements.txt | .venv/bin/python
	@echo "installing requirements.txt into .venv"
	@$(PIP) -r requirements.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt .venv/run.stamp
	@echo "installing requirements-dev.txt into .venv"
	@$(PIP) -r requirements-dev.txt
	@touch $@

# What is measured beside us is installed apart: nothing of it is the product's.
.venv-peers/stamp: bench/requirements-peers.txt | .venv/bin/python
	@echo "installing bench/requirements-peers.txt into .venv-peers"
	@test -x .venv-peers/bin/python || .venv/bin/python -m venv .venv-peers
	@.venv-peers/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes --only-binary :all: -r $<
	@touch $@

system-packages:
	@missing=; for name in chromium nginx; do \
	  PATH="$$PATH:/usr/sbin:/sbin" command -v $$name >/dev/null || missing="$$missing $$name"; done; \
	test -z "$$missing" && exit 0; \
	as=; if test "$$(id -u)" != 0; then as="sudo -n "; sudo -n true 2>/dev/null || as=none; fi; \
	if test "$$as" = none || ! command -v apt-get >/dev/null; then \
	  echo "The tests need the system packages:$$missing. Install them (apt-get install$$missing)." >&2; exit 1; fi; \
	echo "$${as}apt-get install -y --no-install-recommends$$missing"; \
	$${as}apt-get update -q && $${as}env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends$$missing
