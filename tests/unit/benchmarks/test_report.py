"""The report and its picture, from figures as a run leaves them: whole, or interrupted."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from benchmarks.ledger import Ledger
from benchmarks.machine import describe

pytest.importorskip("matplotlib", reason="matplotlib comes with requirements-bench.txt")

from benchmarks import refreshing, report


def asked(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    refreshing.add_arguments(parser)
    return parser.parse_args(words)


def begun(folder: Path) -> Ledger:
    ledger = Ledger(
        folder / "quick.json", name="quick", began="now", machine=describe(folder), main="main"
    )
    ledger.add("data", point="main", customers=100, rows=4000, bytes=1)
    return ledger


def test_an_interrupted_run_has_a_report_of_what_it_measured(tmp_path: Path) -> None:
    begun(tmp_path)

    page = report.write(tmp_path, None)

    assert page == tmp_path / "report.md"
    assert "| peak memory per task | at most 1.5 GiB | not measured |  |" in page.read_text()


def test_the_report_names_every_contender_and_has_a_picture_beside_it(tmp_path: Path) -> None:
    ledger = begun(tmp_path)
    ledger.add("data", point="small", customers=10, rows=400, bytes=1)
    for point, seconds in (("main", 2.0), ("small", 1.0)):
        for size in (10, 100):
            for name, factor in (("muster", 1), ("duckdb", 30)):
                ledger.add(
                    "refresh",
                    point=point,
                    contender=name,
                    segments=size,
                    run=size,
                    seconds=factor * seconds,
                    cpu_seconds=seconds,
                    peak_bytes=2**30,
                    task_bytes=2**29,
                    stages={"evaluate": seconds},
                )

    page = report.write(tmp_path, tmp_path / "docs" / "performance.md")

    text = page.read_text()
    assert "| DuckDB, a query a segment | 60.0 | 2.00 | 1,024 | 30.0 | 60.0 | 60.0 |" in text
    assert "| 10 | 400 |" in text
    assert "30.0 times | passed |" in text
    assert (tmp_path / "docs" / "performance.png").stat().st_size > 10_000


def test_without_figures_it_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make bench"):
        report.write(tmp_path, None)


@pytest.mark.parametrize(
    ("words", "customers", "rows"),
    [
        ([], 50_000, 2_000_000),
        (["--full"], 1_000_000, 40_000_000),
        (["--ten-million"], 10_000_000, 400_000_000),
    ],
)
def test_a_run_has_the_size_it_is_named_for(words: list[str], customers: int, rows: int) -> None:
    shape, _ = refreshing.shapes(asked(*words))[0]

    assert (shape.customers, shape.related) == (customers, rows)


def test_a_disk_without_room_is_told_before_anything_is_made(tmp_path: Path) -> None:
    chosen = asked("--customers", "100000000000", "--no-curves", "--folder", str(tmp_path))

    with pytest.raises(SystemExit, match="GiB free"):
        refreshing.measure(chosen)

    assert list(tmp_path.iterdir()) == []
