"""The report: figures of the runs in a folder as one Markdown page with a picture beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import picture
from benchmarks.course import WHOLE
from benchmarks.ledger import Ledger
from benchmarks.summary import TITLES, Summary
from benchmarks.table import cells, columns, judged, number
from benchmarks.target import job_start, verdicts

#: Written by hand: how to read the figures, and why a target is missed.
_NOTES = Path(__file__).parent / "notes.md"
_RUNS = ("full", "quick")


def write(folder: Path, target: Path | None) -> Path:
    """Write the report of the figures in `folder` to `target`, or into the folder itself.

    Raises:
        FileNotFoundError: nothing was measured yet.
    """
    found = [folder / f"{name}.json" for name in _RUNS if (folder / f"{name}.json").exists()]
    if target is None:
        # a report beside the figures is of the latest run; the one to be committed of the full one
        found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    ten_million = folder / "ten-million.json"
    if not found and not ten_million.exists():
        raise FileNotFoundError(f"There are no figures in {folder}: run `make bench` first.")
    large = Summary(Ledger.read(ten_million)) if ten_million.exists() else None
    main = Summary(Ledger.read(found[0])) if found else large
    assert main is not None
    if large is not None and not large.point:
        large = None
    page = (target or folder / "report.md").absolute()
    image = page.with_suffix(".png")
    page.parent.mkdir(parents=True, exist_ok=True)
    if main.point:
        points = [Summary(main.ledger, point) for point in main.points]
        picture.draw(main, points + ([large] if large else []), image)
    page.write_text("\n".join(_page(main, large, image.name)) + "\n")
    return page


def _page(main: Summary, large: Summary | None, image: str) -> Iterator[str]:
    yield "# Performance"
    yield ""
    yield 'This page is written by `make bench`; the section "How to read it" by hand.'
    yield from _machine(main)
    if not main.point:
        return
    yield from _targets(main, large)
    yield f"\n![Seconds over segments, customers and rows]({image})"
    yield from _contenders(main)
    yield from _preparing(main)
    yield from _curves(main, large)
    if large is not None:
        yield from _large(large)
    yield from _agreement([main] + ([large] if large else []))
    yield ""
    yield _NOTES.read_text().rstrip()


def _machine(main: Summary) -> Iterator[str]:
    head = main.ledger.head
    machine = head["machine"]
    packages = ", ".join(f"{name} {found}" for name, found in machine["packages"].items())
    yield "\n## The machine\n"
    yield from _table(
        ["", ""],
        [
            ["processor", f"{machine['processor']}, {machine['cores']} cores"],
            ["memory", f"{machine['memory_bytes'] / 2**30:.0f} GiB"],
            ["system", f"{machine['system']}, Python {machine['python']}"],
            ["versions", packages],
            ["load before the run", f"{machine['load_before']:.1f}"],
            ["run", f"{head['name']}, {head['began']} to {head.get('ended', 'interrupted')}"],
        ],
    )


def _targets(main: Summary, large: Summary | None) -> Iterator[str]:
    data = main.data
    yield "\n## Targets\n"
    yield (
        f"Measured with {data['customers']:,} customers and {data['rows']:,} related rows"
        f" ({data['bytes'] / 2**20:,.0f} MiB of Parquet); the targets are set for 1,000,000 and 40,000,000.\n"
    )
    yield from _table(
        ["measure", "target", "measured", ""],
        [[v.measure, v.target, v.measured, judged(v.passed)] for v in verdicts(main, large)],
    )


def _contenders(main: Summary) -> Iterator[str]:
    yield "\n## Every contender\n"
    yield "`~` marks what was scaled up from a sample of the segments, MiB is the peak of memory."
    yield "`x Muster` is the time in times of Muster's, end to end."
    yield "`+ first` and `+ day` are the seconds with the first preparing, and with that of a new day."
    for size in main.sizes:
        yield f"\n### {size:,} segments\n"
        yield from _table(
            ["contender", *columns()],
            [[TITLES[f.contender], *cells(main, f)] for f in main.figures(size)],
        )
        stages = main.stages(size)
        if stages:
            said = ", ".join(f"{name} {number(seconds)} s" for name, seconds in stages.items())
            yield f"\nMuster's own record, of which `plan` is a part of `evaluate`: {said}."


def _preparing(main: Summary) -> Iterator[str]:
    yield "\n## Preparing\n"
    rows = []
    for what, title in (("first", "first time"), ("day", "one new day of rows")):
        for name, said in ((WHOLE, "Muster"), ("duckdb-prepare", "DuckDB, the same join and sort")):
            entry = main.prepared(what, name)
            if entry:
                memory, disk = (
                    f"{entry.get(of, 0) / 2**20:,.0f}" for of in ("peak_bytes", "disk_bytes")
                )
                seconds, cpu = number(entry["seconds"]), number(entry["cpu_seconds"])
                rows.append([title, said, seconds, cpu, memory, disk])
    yield from _table(["", "", "seconds", "CPU s", "MiB", "MiB of disk"], rows)
    store = next(main.ledger.of("store", point=main.point), None)
    if store:
        yield (
            f"\nThe store has {store['partitions']} partitions and {store['bytes'] / 2**20:,.0f} MiB;"
            f" starting a job of the engine takes {number(job_start(main))} s."
        )
    paid = []
    for name in ("duckdb", "duckdb-sorted", "clickhouse", "spark"):
        first, day = main.pays_from("first", name), main.pays_from("day", name)
        if first or day:
            paid.append([TITLES[name], _segments(first), _segments(day)])
    if not paid:
        return
    yield "\nPreparing and refreshing end to end takes less than a query a segment:\n"
    yield from _table(["against", "from, with the first preparing", "from, with a new day"], paid)


def _segments(count: int | None) -> str:
    return "never" if count is None else f"{count:,} segments"


def _curves(main: Summary, large: Summary | None) -> Iterator[str]:
    summaries = [Summary(main.ledger, point) for point in main.points]
    summaries += [large] if large else []
    summaries.sort(key=lambda s: (s.data["customers"], s.data["rows"]))
    yield "\n## Over customers and rows\n"
    yield "Seconds for 100 segments, and the most memory one task's process held.\n"
    names = (WHOLE, "engine", "duckdb")
    rows = []
    for summary in summaries:
        data = summary.data
        rows.append(
            [
                f"{data['customers']:,}",
                f"{data['rows']:,}",
                number(summary.preparing("first")),
                number(summary.preparing("day")),
                *(_figure(summary, name) for name in names),
                f"{summary.task_bytes() / 2**20:,.0f} MiB",
            ]
        )
    heads = ["customers", "rows", "first preparing", "a new day", *(TITLES[n] for n in names)]
    yield from _table([*heads, "task memory"], rows)


def _figure(summary: Summary, name: str) -> str:
    figure = summary.figure(name, 100)
    if figure is None or math.isnan(figure.seconds):
        return ""
    return ("~" if figure.scaled else "") + number(figure.seconds)


def _large(large: Summary) -> Iterator[str]:
    data = large.data
    yield f"\n## {data['customers']:,} customers, {data['rows']:,} rows\n"
    yield f"{data['bytes'] / 2**30:.1f} GiB of Parquet; run {large.ledger.head['began']}."
    first, store = large.prepared("first"), next(large.ledger.of("store", point=large.point), {})
    if first and store:
        yield (
            f"Preparing took {number(first['seconds'])} s, one new day"
            f" {number(large.preparing('day'))} s; at most {first['peak_bytes'] / 2**30:.1f} GiB of memory"
            f" and {first.get('disk_bytes', 0) / 2**30:.1f} GiB of disk more than before;"
            f" the store has {store['partitions']} partitions and {store['bytes'] / 2**30:.1f} GiB."
        )
    yield ""
    for size in large.sizes:
        yield from _table(
            ["contender", *columns()],
            [[TITLES[f.contender], *cells(large, f)] for f in large.figures(size)],
        )


def _agreement(summaries: Sequence[Summary]) -> Iterator[str]:
    compared = sum(Summary(s.ledger, p).agreement()[0] for s in summaries for p in s.points)
    differences = [said for s in summaries for said in s.agreement()[1]]
    yield "\n## Equal answers\n"
    if not differences:
        yield f"{compared:,} counts of members were compared across contenders; all are equal."
    for said in differences:
        yield f"* {said}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'|'.join(' --- ' for _ in heads)}|"
    for row in rows:
        yield f"| {' | '.join(str(cell) for cell in row)} |"
