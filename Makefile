# Msingi: `make up` runs a country; `make test` proves it. Everything is installed into .venv, nothing elsewhere.
SHELL := /bin/sh
PY := .venv/bin/python
HOME_DIR ?= .msingi
SAMPLE ?= 1000
PORT ?= 8080
COUNTRY ?= taifa

.PHONY: help up tour test check bench mutate room lock fmt clean

help: ## Show what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile
	@echo "  Variables: PORT=$(PORT) SAMPLE=$(SAMPLE) COUNTRY=$(COUNTRY) HOME_DIR=$(HOME_DIR)"

.venv/run.stamp: requirements/run.lock tools/env.sh
	@sh tools/env.sh run

.venv/dev.stamp: .venv/run.stamp requirements/dev.lock
	@sh tools/env.sh dev

up: .venv/run.stamp ## Start the stack with a sample country (first start makes it)
	@exec $(PY) -m msingi up --home $(HOME_DIR) --port $(PORT) --sample $(SAMPLE) --country $(COUNTRY)

tour: .venv/run.stamp ## Do the whole main job against the running stack, narrated
	@exec $(PY) -m msingi tour --home $(HOME_DIR)

test: .venv/dev.stamp ## Run every check and test, from nothing, in under 15 minutes on 2 cores
	@sh tools/test.sh

check: .venv/dev.stamp ## Only the quick checks: format, lint, types, layers
	@sh tools/test.sh quick

bench: .venv/dev.stamp ## Measure: ratios against a yardstick in the same run
	@sh tools/bench.sh

mutate: .venv/dev.stamp ## Put small faults into the laws, and see whether the tests notice
	@$(PY) -m tools.mutate

room: .venv/dev.stamp ## Scaffold a building block: make room NAME=licences
	@test -n "$(NAME)" || { echo "Give the room a name: make room NAME=licences"; exit 2; }
	@$(PY) -m msingi room "$(NAME)"

fmt: .venv/dev.stamp ## Format the code
	@.venv/bin/ruff format -q . && .venv/bin/ruff check -q --fix .

lock: .venv/dev.stamp ## Pin the newest versions that pyproject.toml and requirements/dev.in allow
	@sh tools/lock.sh

clean: ## Remove the environment and caches (not the data in .msingi)
	rm -rf .venv node_modules tests/js/node_modules .pytest_cache .ruff_cache .hypothesis build dist
