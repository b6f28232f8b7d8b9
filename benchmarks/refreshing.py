"""The benchmark of refreshing: every contender on the same files in one run, then the report.

    python -m benchmarks refresh [--full | --ten-million] [--customers N] [--segments 10 100 1000]
                                 [--contenders muster,engine,...] [--sample 50] [--rounds 3] [--no-curves]
                                 [--folder DIR] [--report FILE]

Data is made once for each size and kept in DIR (default ~/.cache/muster-benchmark), as are the figures, one
JSON file a kind of run, written after every single figure.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import machine, report, table
from benchmarks.course import WHOLE, Course, Plan
from benchmarks.data import Dataset, Shape, generate
from benchmarks.lane import CONTENDERS
from benchmarks.ledger import Ledger

#: In the order they take turns; preparing is measured apart.
ORDER = (WHOLE, "engine", "floor-store", "floor", "duckdb-all", "duckdb-store", "duckdb-sorted", "duckdb",
         "clickhouse", "spark")  # fmt: skip
#: What the curves over customers and rows are drawn of.
_CURVE = (WHOLE, "engine", "duckdb", "floor")
_WARM_UP = Shape(customers=20_000)
_GIBIBYTE = 2**30
#: Of disk, for every row of a related table.
_BYTES_A_ROW = 120
#: Where data and figures are kept.
DEFAULT_FOLDER = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "muster-benchmark"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may be chosen."""
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--full", action="store_true", help="1 M customers and 40 M rows")
    size.add_argument("--ten-million", action="store_true", help="10 M customers and 400 M rows")
    parser.add_argument("--customers", type=int, help="instead of 50,000")
    parser.add_argument("--segments", type=int, nargs="+", metavar="S")
    parser.add_argument("--contenders", help=f"some of {','.join(ORDER)}")
    parser.add_argument("--sample", type=int, default=50, help="segments of those asked one by one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--limit", type=float, help="seconds before the one query for all segments is given up"
    )
    parser.add_argument("--no-curves", action="store_true", help="the main data set only")
    parser.add_argument("--no-duckdb-prepare", action="store_true")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report there, too")


def measure(chosen: argparse.Namespace) -> int:
    """Run what is chosen, print and write the figures; return the exit code."""
    folder: Path = chosen.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    _require_disk(folder, [shape for shape, _ in shapes(chosen)])
    name = "ten-million" if chosen.ten_million else "full" if chosen.full else "quick"
    ledger = Ledger(
        folder / f"{name}.json",
        name=name,
        began=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine.describe(folder),
        sample=chosen.sample,
        main=shapes(chosen)[0][0].name,
    )
    # told to end, stop what was started as after Ctrl-C
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wrong: list[str] = []
    target = None
    try:
        wrong = _courses(chosen, folder, ledger)
        ledger.note(ended=datetime.now(UTC).isoformat(timespec="seconds"))
        # a report that is committed is of a whole run
        target = chosen.report
    finally:
        table.show(ledger)
        print(f"\nFigures: {ledger.path}\nReport: {report.write(folder, target)}")
    for said in wrong:
        print(said, file=sys.stderr)
    return 1 if wrong else 0


def _courses(chosen: argparse.Namespace, folder: Path, ledger: Ledger) -> list[str]:
    """Run every data set's course; return what went wrong."""
    wrong: list[str] = []
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as progress:
        planned = shapes(chosen)
        courses = progress.add_task("", total=len(planned) + 1)
        now = progress.add_task("", total=None)

        def tell(text: str) -> None:
            progress.update(now, description=text)
            if not progress.console.is_terminal:
                progress.console.print(f"{datetime.now(UTC):%H:%M:%S} {text}")

        def made(shape: Shape) -> Dataset:
            tell(f"making {shape.customers:,} customers and {shape.related:,} rows")
            return generate(
                shape, folder, lambda done, total: progress.update(now, completed=done, total=total)
            )

        warm_up = made(_WARM_UP)
        progress.advance(courses)
        for shape, plan in planned:
            progress.update(
                courses, description=f"{shape.customers:,} customers, {shape.related:,} rows"
            )
            course = Course(
                dataset=made(shape),
                plan=plan,
                ledger=ledger,
                work=folder / "work",
                cores=os.cpu_count() or 1,
                memory_bytes=int(psutil.virtual_memory().total * 0.4),
                limit_seconds=chosen.limit or (180.0 if chosen.full else 60.0),
                tell=tell,
                warm_up=warm_up,
            )
            progress.update(now, total=None)
            try:
                course.run()
            except Exception as exc:  # noqa: BLE001 - the other data sets are measured all the same
                traceback.print_exc()
                wrong.append(f"{course.point} was given up: {type(exc).__name__}: {exc}")
                ledger.add("given-up", point=course.point, said=wrong[-1])
            wrong += course.differences
            progress.advance(courses)
    return wrong


def shapes(chosen: argparse.Namespace) -> list[tuple[Shape, Plan]]:
    """Return the data sets and what is measured on each: the main one, then the small ones of the curves."""
    contenders = _contenders(chosen.contenders)
    customers = chosen.customers or (
        10_000_000 if chosen.ten_million else 1_000_000 if chosen.full else 50_000
    )
    plan = Plan(
        contenders=contenders,
        sizes=chosen.segments or [10, 100, 1000],
        rounds=chosen.rounds,
        sample=chosen.sample,
        prepare_duckdb=not chosen.no_duckdb_prepare,
        extras=True,
    )
    if chosen.ten_million:
        few = [name for name in contenders if name in (WHOLE, "engine", "floor-store", "duckdb")]
        asked = contenders if chosen.contenders else few
        plan = replace(
            plan,
            contenders=asked,
            sizes=chosen.segments or [100],
            rounds=min(chosen.rounds, 2),
            sample=min(chosen.sample, 10),
            most=10,
            prepare_duckdb=False,
            extras=False,
        )
        return [(Shape(customers=customers), plan)]
    main = (Shape(customers=customers), plan)
    if chosen.no_curves:
        return [main]
    curve = replace(
        plan,
        contenders=[name for name in _CURVE if name in contenders],
        sizes=[100],
        rounds=min(chosen.rounds, 2),
        prepare_duckdb=False,
        extras=False,
    )
    return [
        main,
        (Shape(customers=customers // 10), curve),
        (Shape(customers=customers // 3), curve),
        (Shape(customers=customers // 10, rows=5), curve),
        (Shape(customers=customers // 10, rows=80), curve),
    ]


def _require_disk(folder: Path, shapes: list[Shape]) -> None:
    """Refuse a run the disk has no room for: files, store, and what sorting spills."""
    needed = max(shape.related for shape in shapes) * _BYTES_A_ROW
    free = psutil.disk_usage(str(folder)).free
    if free < needed:
        raise SystemExit(
            f"{folder} has {free / _GIBIBYTE:.0f} GiB free, and this needs about"
            f" {needed / _GIBIBYTE:.0f} GiB: choose another folder with --folder."
        )


def _contenders(asked: str | None) -> list[str]:
    names = asked.split(",") if asked else list(ORDER)
    unknown = sorted(set(names) - {WHOLE, *CONTENDERS})
    if unknown:
        raise SystemExit(f"no such contender: {', '.join(unknown)}; there are {', '.join(ORDER)}")
    return [name for name in ORDER if name in names]


def help_text() -> str:
    """Return what this benchmark is, for the command line."""
    return (__doc__ or "").splitlines()[0]
