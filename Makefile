# Every target installs what it needs into .venv by itself; nothing but Python 3.11+ and make is expected.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
comma := ,

.PHONY: demo test test-long test-rules mutate lint check bench bench-10m bench-kinds bench-export test-kills tpc format lock chaos clean pictures help
.DEFAULT_GOAL := help

help: ## show this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

# The stamp is newer than the lists it was made from, so a second call installs and downloads nothing.
$(READY): requirements.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

demo: $(READY) ## a shop of 100,000 customers, 12 segments, a scheduled refresh and exports (CUSTOMERS=N)
	$(BIN)/muster demo $(if $(CUSTOMERS),--customers $(CUSTOMERS))

# Most integration tests wait for processes, so four share two cores well. Files are begun in their order, so the
# long journeys of acceptance come first and the quick unit tests fill up the end. Chaos has deadlines: it runs alone.
test: $(READY) ## the tests: kernels, integration, acceptance, chaos smoke (PROCESSES=4 side by side)
	$(BIN)/python -m pytest -n $(or $(PROCESSES),4) --dist loadfile --no-loadscope-reorder --durations 40 -m "not long and not chaos"
	$(BIN)/python -m pytest -m "chaos and not long"

# MUSTER_RULE_SEED=N starts elsewhere; a failure names the seed of its slice and the case file it was cut down to.
test-long: $(READY) ## the tests that take minutes each: large real data sets, long sequences of changes
	$(BIN)/python -m pytest -m long

test-rules: $(READY) ## hold the kernels against the reference evaluator on 100,000 random examples (EXAMPLES=N)
	MUSTER_RULE_EXAMPLES=$(or $(EXAMPLES),100000) $(BIN)/python -m pytest tests/conformance/test_property.py -k agree

mutate: $(READY) ## break rules and kernels on purpose, one way at a time; the conformance tests must notice
	$(BIN)/python -m tests.mutation

lint: $(READY) ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint ## lint and unit tests: what to run before every commit
	$(BIN)/python -m pytest tests/unit

# The other contenders and the picture's library; nothing else needs them, so only these targets install them.
# More of what `python -m benchmarks refresh --help` offers goes into BENCH, such as BENCH="--contenders muster,duckdb".
BENCH_READY = $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.txt

bench: $(READY) ## every way to count the same segments, 50,000 customers (FULL=1: a million, and docs/performance.md)
	$(BENCH_READY)
	$(BIN)/python -m benchmarks refresh $(if $(FULL),--full --report docs/performance.md) $(BENCH)

bench-10m: $(READY) ## 10 M customers, 400 M rows; needs 50 GB of disk
	$(BENCH_READY)
	$(BIN)/python -m benchmarks refresh --ten-million --report docs/performance.md $(BENCH)

bench-kinds: $(READY) ## every kind of rule against a plain count of the same rows
	$(BENCH_READY)
	$(BIN)/python -m benchmarks kinds

# 20 M members need 5 GB of disk and about half an hour: MEMBERS=20000000.
bench-export: $(READY) ## deliveries against a bare PyArrow writer, their memory, and beside a sink that hangs (MEMBERS=1000000 ROUNDS=3 PAIRS=20)
	$(BIN)/python -m benchmarks export --members $(or $(MEMBERS),1000000) --rounds $(or $(ROUNDS),3) --pairs $(or $(PAIRS),20)

# Two versions a kind, so each kind is killed twice as often; 7 kinds make 112 kills.
test-kills: $(READY) ## kill exporters while they deliver to every kind of destination, each read 20 times a second (KILLS=8)
	CHAOS_KILLS=$(or $(KILLS),8) $(BIN)/python -m pytest -m "long or not long" tests/integration/exporter/test_kill.py

# DuckDB makes the data and the answers; nothing else needs it, so only this target installs it.
tpc: $(READY) ## members against the published answers of TPC-H and TPC-DS (SCALE=1)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-tpc.txt
	MUSTER_TPC_SCALE=$(or $(SCALE),1) $(BIN)/python -m pytest tests/tpc

pictures: $(READY) ## pictures of every page of the console, light and dark, wide and narrow, into pictures/ (ONLY=word)
	$(BIN)/python -m tests.browser.pictures $(if $(ONLY),--only $(ONLY))

format: $(READY) ## put the code into the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Only releases that have been out for two weeks: registries and their mirrors have them all by then.
# uv's own lock file names a registry's host, so only the exported, hash-locked list is kept.
lock: ## renew requirements.txt from pyproject.toml (needs uv)
	uv lock --upgrade --python 3.11 --exclude-newer "$$(date -u -d "-14 days" +%FT00:00:00Z)"
	uv export --frozen --no-emit-project --all-extras --group dev --no-header --format requirements-txt -o requirements.txt
	rm -f uv.lock

# A seed is replayed with SEEDS=N; the same faults at the same times of the campaign, as far as the machine lets them.
chaos: $(READY) ## break everything at random: SEEDS=1,2,3,4,5 MINUTES=6 each; CONTROL=unfenced shows that it would be noticed
	$(BIN)/python -m tests.chaos --seeds $(or $(SEEDS),1$(comma)2$(comma)3$(comma)4$(comma)5) --minutes $(or $(MINUTES),6) $(if $(CONTROL),--control $(CONTROL))

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
