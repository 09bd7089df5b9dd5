# Each target makes .venv by itself when it is missing; stamp files make a second run quick.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SHARED ?= ../shared
PYTEST_ARGS ?=
# Most tests wait for processes: more of them at once than cores; those of a file stay together.
PYTEST_WORKERS ?= 3
PYTEST := -n $(PYTEST_WORKERS) --dist loadfile $(PYTEST_ARGS)

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint contract bench bench-overload bench-failures bench-drift bench-drift-short docs clean audit faults faults-short fuzz bench-redaction

help: ## Show the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(VENV)/.installed-test ## Install everything that tests and development need (with torch).

demo: $(VENV)/.installed ## The main job on example traces, on this machine: scores, a drift event, an alert (no torch).
	$(BIN)/python examples/demo.py

test: $(VENV)/.installed-test lint ## All checks and all tests.
	$(BIN)/python -m pytest $(PYTEST)

lint: $(VENV)/.installed-test ## ruff, import-linter and mypy.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

audit: $(VENV)/.installed-test ## Known vulnerabilities of what is installed (pip-audit); says so when it could not ask.
	$(BIN)/python .ci/audit

contract: $(VENV)/.installed-test ## Contract and end-to-end tests on real Apache Kafka, PostgreSQL and Collector (../shared).
	SHARED=$(SHARED) PYTHON=$(BIN)/python .ci/contract $(PYTEST)

faults: $(VENV)/.installed-test ## Everything that can fail, fails: nothing lost, nothing twice (half an hour a world; Kafka and PostgreSQL where given).
	$(BIN)/python -m tests.faults

faults-short: $(VENV)/.installed-test ## A few of the faults, a few times, without Kafka or PostgreSQL: for CI (minutes).
	$(BIN)/python -m tests.faults --world embedded --short

fuzz: $(VENV)/.installed-test ## 12,000 made-up records over all input topics of a running stack, each accounted for; atheris where it is installed.
	EVALSTREAM_FUZZ_RECORDS=12000 $(BIN)/python -m pytest tests/fuzz -s
	$(BIN)/python -m tests.fuzz.guided --seconds 120

bench: $(VENV)/.installed-test ## Speed of the pipeline, the judge and the dev broker, each beside a bare loop (minutes).
	$(BIN)/python -m tests.benchmarks.pipeline
	$(BIN)/python -m tests.benchmarks.judge
	$(BIN)/python -m tests.benchmarks.broker

bench-overload: $(VENV)/.installed-test ## Memory, lag and shedding at ten times the sustainable rate.
	$(BIN)/python -m tests.benchmarks.overload

bench-failures: $(VENV)/.installed-test ## Recall, false alarms and cost of the evaluators of failure modes, beside baselines.
	$(BIN)/python -m tests.benchmarks.failure_modes

bench-redaction: $(VENV)/.installed-test ## Precision and recall of redaction and of `pii`, beside bare regular expressions.
	$(BIN)/python -m tests.benchmarks.redaction
	$(BIN)/python -m tests.benchmarks.pii

bench-drift: $(VENV)/.installed-test ## False alarms and delays of the detectors, cost of the monitor.
	$(BIN)/python -m tests.benchmarks.drift_gates
	$(BIN)/python -m tests.benchmarks.detectors
	$(BIN)/python -m tests.benchmarks.embedding_drift
	$(BIN)/python -m tests.benchmarks.monitor

bench-drift-short: $(VENV)/.installed-test ## The gates of the detectors in a few minutes; an error if one of the scores' is missed.
	$(BIN)/python -m tests.benchmarks.drift_gates --short
	$(BIN)/python -m tests.benchmarks.embedding_drift --short

docs: $(VENV)/.installed ## Write the generated pages: configuration, metrics, JSON Schemas and the catalogue of evaluators.
	$(BIN)/python -m schemas.settings.document
	$(BIN)/python -m schemas.document
	$(BIN)/python -m streams.telemetry.document
	$(BIN)/python -m evaluators.catalogue > docs/evaluators/catalogue.md

clean: ## Remove .venv and caches.
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --editable .
	touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --editable '.[test,postgres,embeddings,plots]'
	touch $(VENV)/.installed $@
