"""The figures as aligned tables on a terminal."""

from __future__ import annotations

import math

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.course import WHOLE
from benchmarks.ledger import Ledger
from benchmarks.summary import ON_STORE, TITLES, Figure, Summary
from benchmarks.target import verdicts


def show(ledger: Ledger) -> None:
    """Print what was measured on the main data set, and the targets."""
    console = Console(width=max(Console().width, 120))
    main = Summary(ledger)
    if not main.point:
        return
    for size in main.sizes:
        console.print(_sizes(main, size))
    console.print(
        "+ first, + day: seconds with the first preparing, or that of a new day; ~: scaled from a sample"
    )
    console.print(_targets(main))
    compared, differences = main.agreement()
    if differences:
        console.print(f"[red]{len(differences)} counts differ[/red]")
    else:
        console.print(f"{compared:,} counts compared, all equal.")


def _sizes(main: Summary, size: int) -> Table:
    data = main.data
    table = Table(
        title=f"{size:,} segments, {data['customers']:,} customers, {data['rows']:,} rows",
        title_justify="left",
        box=SIMPLE,
    )
    table.add_column("contender", no_wrap=True)
    for name in columns():
        table.add_column(name, justify="right", no_wrap=True)
    for figure in main.figures(size):
        table.add_row(TITLES[figure.contender], *cells(main, figure))
    return table


def columns() -> list[str]:
    """Return the headings of `cells`."""
    return ["seconds", "CPU s", "MiB", "x Muster", "+ first", "+ day"]


def cells(main: Summary, figure: Figure) -> list[str]:
    """Return a contender's figures in words: refresh alone, and with preparing on top."""
    if figure.failed:
        return [figure.failed, "", "", "", "", ""]
    whole = main.seconds(WHOLE, figure.segments)
    mark = "~" if figure.scaled else ""
    needs = figure.contender in ON_STORE
    first = figure.seconds + (main.preparing("first") if needs else 0.0)
    day = figure.seconds + (main.preparing("day") if needs else 0.0)
    return [
        mark + number(figure.seconds),
        mark + number(figure.cpu_seconds),
        f"{figure.peak_bytes / 2**20:,.0f}",
        number(figure.seconds / whole),
        mark + number(first),
        mark + number(day),
    ]


def number(value: float) -> str:
    """Return a number with about three digits; nothing where there is none."""
    if math.isnan(value):
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _targets(main: Summary) -> Table:
    table = Table(
        title="Targets (for 1 M customers and 40 M rows)", title_justify="left", box=SIMPLE
    )
    for name in ("measure", "target", "measured"):
        table.add_column(name)
    table.add_column("", no_wrap=True)
    for verdict in verdicts(main, None):
        table.add_row(verdict.measure, verdict.target, verdict.measured, judged(verdict.passed))
    return table


def judged(passed: bool | None) -> str:
    """Return the verdict in a word."""
    return "" if passed is None else "passed" if passed else "missed"
