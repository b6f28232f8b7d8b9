"""Figures, targets and the ledger they come from."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.ledger import Ledger
from benchmarks.meter import metered
from benchmarks.summary import Summary
from benchmarks.target import verdicts


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    found = Ledger(tmp_path / "figures.json", name="test")
    found.add("data", point="p", customers=100, rows=4000, bytes=1)
    return found


def refreshed(ledger: Ledger, contender: str, segments: int, seconds: float, run: int = 0) -> None:
    ledger.add(
        "refresh",
        point="p",
        contender=contender,
        segments=segments,
        run=run or segments,
        seconds=seconds,
        cpu_seconds=seconds,
        peak_bytes=1,
        task_bytes=2**30,
    )


def test_an_interrupted_run_keeps_its_figures_and_the_next_one_keeps_them_beside(
    ledger: Ledger,
) -> None:
    refreshed(ledger, "engine", 10, 1.0)

    assert Ledger.read(ledger.path).entries == ledger.entries
    Ledger(ledger.path, name="next")
    assert Ledger.read(ledger.path.with_suffix(".old.json")).entries == ledger.entries


def test_the_median_of_the_rounds_counts_and_a_sample_is_scaled(ledger: Ledger) -> None:
    for seconds in (5.0, 1.0, 2.0):
        refreshed(ledger, "engine", 10, seconds)
    refreshed(ledger, "duckdb", 1000, 3.0, run=50)

    engine, duckdb = (
        Summary(ledger).figure(name, size) for name, size in (("engine", 10), ("duckdb", 1000))
    )

    assert engine is not None
    assert duckdb is not None
    assert (engine.seconds, engine.scaled) == (2.0, False)
    assert (duckdb.seconds, duckdb.scaled) == (60.0, True)


def test_a_contender_that_gave_up_has_its_reason_and_no_seconds(ledger: Ledger) -> None:
    ledger.add("refresh", point="p", contender="duckdb-all", segments=10, run=10, failed="too long")

    figure = Summary(ledger).figure("duckdb-all", 10)

    assert figure is not None
    assert figure.failed == "too long"
    assert math.isnan(figure.seconds)


def test_preparing_pays_from_where_both_together_take_less_than_a_query_each(
    ledger: Ledger,
) -> None:
    for size, seconds in ((10, 1.0), (100, 10.0)):
        refreshed(ledger, "muster", size, seconds)
        refreshed(ledger, "duckdb", size, 3 * seconds)
    ledger.add("prepare", point="p", contender="muster", what="first", seconds=18.0)
    ledger.add("prepare", point="p", contender="muster", what="day", seconds=1e9)

    summary = Summary(ledger)

    # a segment costs 0.1 s where a query costs 0.3 s
    assert summary.pays_from("first", "duckdb") == 90
    assert summary.pays_from("day", "duckdb") is None


def test_targets_pass_miss_or_were_not_measured(ledger: Ledger) -> None:
    refreshed(ledger, "engine", 100, 2.0)
    refreshed(ledger, "muster", 100, 4.0)
    refreshed(ledger, "duckdb", 100, 56.0)

    found = {v.measure: (v.measured, v.passed) for v in verdicts(Summary(ledger), None)}

    assert found["100 segments against per-segment DuckDB, engine part"] == ("28.0 times", True)
    assert found["100 segments against per-segment DuckDB, end to end"] == ("14.0 times", False)
    assert found["1,000 segments against per-segment DuckDB, end to end"] == ("not measured", None)
    assert found["peak memory per task"] == ("1.00 GiB", True)


def test_the_time_and_memory_of_all_processes_below_count_also_of_those_that_have_ended() -> None:
    inner = "import time; end = time.process_time() + 1\nwhile time.process_time() < end: pass"
    outer = (
        "import subprocess, sys; sys.stdin.readline();"
        f" subprocess.run([sys.executable, '-c', {inner!r}]); print(flush=True); sys.stdin.readline()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", outer], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None

    with process, metered([process.pid]) as usage:
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()

    assert usage.seconds > 1
    assert usage.cpu_seconds > 0.4
    assert usage.peak_bytes > 2**20
