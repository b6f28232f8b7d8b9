"""The targets, each with how its figure is found among those measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

from benchmarks.course import WHOLE
from benchmarks.summary import Summary

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One target: what was measured, in words, and whether that passes; None: it was not measured."""

    measure: str
    target: str
    measured: str
    passed: bool | None


def verdicts(main: Summary, large: Summary | None) -> list[Verdict]:
    """Hold the figures of the main data set, and of the ten-million one, against the targets."""
    found = [
        _ratio("100 segments against per-segment DuckDB, engine part", 25, main, "engine", 100),
        _ratio("1,000 segments against per-segment DuckDB, engine part", 60, main, "engine", 1000),
        _ratio("100 segments against per-segment DuckDB, end to end", 15, main, WHOLE, 100),
        _ratio("1,000 segments against per-segment DuckDB, end to end", 40, main, WHOLE, 1000),
        _floor("100 segments against reading the files' columns", main, "floor"),
        _floor("100 segments against reading the store's columns", main, "floor-store"),
        _at_most(
            "cost of 1,000 segments over 100, engine part",
            main.seconds("engine", 1000) / main.seconds("engine", 100),
            5,
        ),
        _alone(main),
        _at_most(
            "preparing the first time against the same join and sort in DuckDB",
            main.preparing("first") / main.preparing("first", "duckdb-prepare"),
            3,
        ),
        _day(main),
        _memory(main, large),
        _large(main, large),
        _hint(main),
        _due(main),
        _up(main),
    ]
    return found


def _verdict(measure: str, target: str, value: float, text: str, limit: bool) -> Verdict:
    if math.isnan(value):
        return Verdict(measure=measure, target=target, measured="not measured", passed=None)
    return Verdict(measure=measure, target=target, measured=text, passed=limit)


def _ratio(measure: str, wanted: float, main: Summary, contender: str, segments: int) -> Verdict:
    ratio = main.seconds("duckdb", segments) / main.seconds(contender, segments)
    target = f"at least {wanted:g} times faster"
    ordered = main.seconds("duckdb-sorted", segments) / main.seconds(contender, segments)
    # the target is about the files as they are; whoever can sort them first should know, too
    more = "" if math.isnan(ordered) else f" ({ordered:.1f} where the files are sorted by time)"
    return _verdict(measure, target, ratio, f"{ratio:.1f} times{more}", ratio >= wanted)


def _at_most(measure: str, ratio: float, wanted: float) -> Verdict:
    target = f"at most {wanted:g} times"
    return _verdict(measure, target, ratio, f"{ratio:.2f} times", ratio <= wanted)


def _floor(measure: str, main: Summary, floor: str) -> Verdict:
    return _at_most(measure, main.seconds("engine", 100) / main.seconds(floor, 100), 3)


def _alone(main: Summary) -> Verdict:
    entries = list(main.ledger.of("alone", point=main.point))
    duckdb = sum(e["duckdb"] for e in entries)
    ratio = sum(e["engine"] for e in entries) / duckdb if entries else math.nan
    middle = median([e["engine"] / e["duckdb"] for e in entries]) if entries else math.nan
    text = f"{ratio:.2f} times over ten segments (median of the ten ratios {middle:.1f})"
    measure = "one segment alone on a prepared store against its own DuckDB query"
    return _verdict(measure, "at most 1.3 times", ratio, text, ratio <= 1.3)


def job_start(main: Summary) -> float:
    """Return the seconds of the quickest job of one segment: almost all of it is starting the job."""
    return min((e["engine"] for e in main.ledger.of("alone", point=main.point)), default=math.nan)


def _day(main: Summary) -> Verdict:
    first, day, start = main.preparing("first"), main.preparing("day"), job_start(main)
    limit = 0.05 * first + start
    share = day / first
    text = f"{day:.1f} s: {share:.1%} of {first:.1f} s (limit {limit:.1f} s)"
    target = "at most 5 % of the first preparation plus job start"
    return _verdict("preparing one new day of rows", target, share + start, text, day <= limit)


def _memory(main: Summary, large: Summary | None) -> Verdict:
    peak = max(s.task_bytes() for s in (main, large) if s is not None)
    value = float(peak) if peak else math.nan
    text = f"{peak / 2**30:.2f} GiB"
    return _verdict("peak memory per task", "at most 1.5 GiB", value, text, peak <= 1.5 * 2**30)


def _large(main: Summary, large: Summary | None) -> Verdict:
    measure = "10 M customers, 400 M rows, 100 segments"
    target = "finishes; cost grows linearly"
    nothing = Verdict(measure=measure, target=target, measured="not measured", passed=None)
    if large is None or large.data.get("customers") != 10 * _MILLION:
        return nothing
    seconds, small = large.seconds(WHOLE, 100), main.seconds(WHOLE, 100)
    growth = large.data["customers"] / main.data["customers"]
    prepared = large.preparing("first") / main.preparing("first") / growth
    ratio = seconds / small / growth
    if math.isnan(ratio):
        return nothing
    text = (
        f"prepared in {large.preparing('first'):.0f} s, refreshed in {seconds:.1f} s:"
        f" {prepared:.2f} and {ratio:.2f} times the cost per customer of the smaller data"
    )
    # a quarter for noise and for caches that no longer hold everything
    return _verdict(measure, target, ratio, text, max(ratio, prepared) <= 1.25)


def _hint(main: Summary) -> Verdict:
    waited = [s for e in main.ledger.of("hint", point=main.point) for s in e["seconds"]]
    middle = median(waited) if waited else math.nan
    measure = "request to claim, idle system"
    return _verdict(measure, "p50 under 100 ms", middle, f"{middle * 1000:.0f} ms", middle < 0.1)


def _due(main: Summary) -> Verdict:
    entry = next(main.ledger.of("due", point=main.point), None)
    seconds = entry["seconds"] if entry else math.nan
    text = f"{seconds:.2f} s in {entry['transactions']} transactions" if entry else ""
    measure = "10,000 segments due at one instant"
    target = "planned and enqueued in under 5 s"
    return _verdict(measure, target, seconds, text, seconds < 5)


def _up(main: Summary) -> Verdict:
    seconds = min((e["seconds"] for e in main.ledger.of("up")), default=math.nan)
    measure = "`muster up` in an empty home"
    return _verdict(measure, "usable in under 20 s", seconds, f"{seconds:.1f} s", seconds < 20)
