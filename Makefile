# Ringback: everything a developer types. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
# The first of these that is there and is Python 3.11 to 3.13; name another with make PYTHON=…
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	2>/dev/null && echo $$p && break; done)
ROOMS := streams rules outreach infra tests
# Pure decisions: every branch of them is covered, always.
DECISIONS := $(shell echo 'rules/* \
	outreach/cases/decide.py outreach/cases/alerts.py outreach/cases/answers.py outreach/cases/card_actions.py \
	outreach/cases/calls.py outreach/cases/evolve_calls.py outreach/cases/contacts.py outreach/cases/supervision.py outreach/cases/tasks.py outreach/cases/draft.py outreach/cases/evolve.py \
	outreach/cases/identity.py outreach/cases/state.py \
	outreach/contact/policy.py outreach/contact/replies.py outreach/contact/encoding.py streams/rulesets/decide.py' | tr -s ' \t\\' ,)
TESTS ?= tests
PYTEST := $(BIN)/python -m pytest

.PHONY: help demo test check format lock bench bench-detection bench-history bench-limits test-kafka test-faults test-faults-full clean setup

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## Run the whole system with a rehearsal bank, phone and mail network, and tell its story
	@$(BIN)/ringback demo $(DEMO)

test: $(READY) ## Run the tests with branch coverage
	@rm -f .coverage .coverage.*
	@# hypothesis's tables of Unicode: made here in seconds, and not by each process under coverage in many
	@$(BIN)/python -c 'from hypothesis import given, strategies; given(strategies.text())(lambda text: None)()'
	@# Each process begins in another room and, at its end, takes over what others still have: those that wait for servers
	@# and those that compute go side by side. Compiled files are kept whatever the environment says: they serve all.
	env -u PYTHONDONTWRITEBYTECODE $(PYTEST) -m "not faults" --numprocesses 4 --dist worksteal --cov --cov-branch --cov-report= $(TESTS)
	@echo; echo "Coverage, branches included:"
	@$(BIN)/coverage report --skip-covered --skip-empty --format=text | tail -n 40
	@echo; echo "Uncovered in the rules and the deciders (must be nothing):"
	@$(BIN)/coverage report --include='$(DECISIONS)' --show-missing --skip-covered --fail-under=100

test-kafka: $(READY) ## The tests of what flows on Apache Kafka itself (needs Java 17 and Maven)
	RINGBACK_TEST_BROKER=apache $(PYTEST) -m "not faults" --timeout 300 tests/streams

test-faults: $(READY) ## Kill workers, servers and the broker in the middle of everything (slow; what it takes: tests/faults/detection/run.py)
	$(PYTEST) -m faults --timeout 1200 --capture=tee-sys $(TESTS)

# 200 kills, 50 rebalances, 20 bounces over 100,000 transactions; RINGBACK_FAULT_SEED=N does the same again.
test-faults-full: $(READY) ## What befalls detection, at full size on Apache Kafka (two hours)
	RINGBACK_FAULT_SIZE=full $(PYTEST) -m faults --capture=tee-sys tests/faults/detection

check: $(READY) ## Format, lint, strict types, import contracts, file length, lock
	$(BIN)/ruff format --check $(ROOMS)
	$(BIN)/ruff check $(ROOMS)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	@echo "Files of more than 400 lines:"
	@long=$$(git ls-files -co --exclude-standard '*.py' '*.html' '*.css' '*.sql' | xargs wc -l | awk '$$2 != "total" && $$1 > 400'); \
	if [ -n "$$long" ]; then echo "$$long"; echo "One concept a file: split them."; exit 1; else echo "none"; fi
	@if grep -nE -e '--(extra-)?index-url|^[a-z0-9._-]+ @ ' requirements.lock; then echo "The lock names an index."; exit 1; fi

format: $(READY) ## Format, and mend what the linter can mend
	$(BIN)/ruff format $(ROOMS)
	$(BIN)/ruff check --fix $(ROOMS)

lock: $(READY) ## Resolve the dependencies anew into requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --all-extras --upgrade \
		--custom-compile-command 'make lock' pyproject.toml --output-file requirements.lock

bench: $(READY) bench-detection bench-limits bench-history ## Measure what the documents claim
	$(BIN)/python -m tests.bench.bench_rules
	$(BIN)/python -m tests.bench.bench_backtest
	$(BIN)/python -m tests.bench.bench_latency

bench-detection: $(READY) ## Measure detection beside others on Apache Kafka (needs Java 17 and Maven); BENCH=--embedded: alone
	$(BIN)/python -m tests.bench.bench_detection $(BENCH)

bench-history: $(READY) ## Measure the history beside the eventsourcing library's PostgreSQL recorder, up to a million events
	$(BIN)/python -m tests.bench.bench_history $(BENCH)

bench-limits: $(READY) ## Measure two workers, delay, broken rows, a long lag, growth and recovery
	$(BIN)/python -m tests.bench.bench_workers
	$(BIN)/python -m tests.bench.bench_delay
	$(BIN)/python -m tests.bench.bench_strain
	$(BIN)/python -m tests.bench.bench_growth
	$(BIN)/python -m tests.bench.bench_recovery

setup: $(READY) ## Make .venv with everything that the lock names

clean: ## Remove .venv and everything generated
	rm -rf $(VENV) .coverage .coverage.* htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find $(ROOMS) -name __pycache__ -type d -prune -exec rm -rf {} +

# uv installs the lock in seconds; where it cannot reach the packages (an index that only pip is told of), pip does it.
$(READY): requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then echo "Ringback needs Python 3.11, 3.12 or 3.13 on the PATH (or make PYTHON=/path/to/python)."; exit 1; fi
	@echo "Setting up $(VENV) with $$($(PYTHON) --version) …"
	@$(PYTHON) -m venv $(VENV) || { echo "python -m venv failed: on Debian and Ubuntu, apt-get install python3-venv."; exit 1; }
	@awk '/^uv==/ {on = 1} on {print} on && !/\\$$/ {exit}' requirements.lock > $(VENV)/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@# Compiled once here, not by every role of the first start at the same time.
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -c 'import infra.cli.demo, streams.casework, streams.web, streams.detection.worker, streams.contact, streams.rehearsal.server'
	@touch $(READY)
