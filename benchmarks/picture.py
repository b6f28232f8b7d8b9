"""The curves: seconds over segments, customers and rows, and what preparing costs and saves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from benchmarks.course import WHOLE
from benchmarks.summary import TITLES, Summary

#: One colour a contender in every panel (Okabe and Ito: told apart by everybody).
_COLOURS = {
    WHOLE: "#0072B2",
    "engine": "#56B4E9",
    "duckdb": "#D55E00",
    "duckdb-sorted": "#A0522D",
    "duckdb-store": "#E69F00",
    "duckdb-all": "#CC79A7",
    "clickhouse": "#000000",
    "spark": "#009E73",
    "floor": "#999999",
    "floor-store": "#BBBBBB",
}
_PLAIN = FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
_CURVE = (WHOLE, "engine", "duckdb", "floor")


def draw(main: Summary, curves: list[Summary], target: Path) -> None:
    """Write the picture as PNG; `curves` are all data sets, the main one and larger ones among them."""
    mpl.rcParams["font.size"] = 9
    canvas = Canvas(figsize=(12, 9), dpi=90, layout="constrained")
    axes: Any = canvas.subplots(2, 2)
    _over_segments(axes[0][0], main)
    _with_preparing(axes[0][1], main)
    usual = main.data["rows"] / main.data["customers"]
    same = [s for s in curves if s.data["rows"] / s.data["customers"] == usual]
    _over(axes[1][0], same, lambda s: s.data["customers"], "customers")
    small = min((s.data["customers"] for s in curves), default=0)
    rows = [s for s in curves if s.data["customers"] == small]
    _over(axes[1][1], rows, lambda s: s.data["rows"], f"rows of {small:,} customers")
    target.parent.mkdir(parents=True, exist_ok=True)
    canvas.savefig(target, metadata={"Software": None})


def _over_segments(axis: Any, main: Summary) -> None:
    for name in TITLES:
        points = [(n, main.seconds(name, n)) for n in main.sizes]
        _line(axis, points, name)
    _dress(axis, "segments refreshed together", "Refresh alone")


def _with_preparing(axis: Any, main: Summary) -> None:
    for what, style in (("first", "-"), ("day", "--")):
        fixed = main.preparing(what)
        points = [(n, fixed + main.seconds(WHOLE, n)) for n in main.sizes]
        label = "Muster with the first preparing" if what == "first" else "Muster with a new day"
        _line(axis, points, WHOLE, style, label)
    for name in ("duckdb", "duckdb-sorted", "clickhouse", "spark", "duckdb-all"):
        _line(axis, [(n, main.seconds(name, n)) for n in main.sizes], name)
    _dress(axis, "segments refreshed together", "Preparing and refresh")


def _over(
    axis: Any, points: list[Summary], measure: Callable[[Summary], float], label: str
) -> None:
    ordered = sorted(points, key=measure)
    for name in _CURVE:
        _line(axis, [(measure(s), s.seconds(name, 100)) for s in ordered], name)
    first = [(measure(s), s.preparing("first")) for s in ordered]
    _line(axis, first, WHOLE, ":", "Muster, first preparing")
    day = [(measure(s), s.preparing("day")) for s in ordered]
    _line(axis, day, WHOLE, "--", "Muster, preparing a new day")
    _dress(axis, label, "100 segments")


def _line(
    axis: Any,
    points: Sequence[tuple[float, float]],
    name: str,
    style: str = "-",
    label: str | None = None,
) -> None:
    known = [(x, y) for x, y in points if not math.isnan(y)]
    if known:
        across, up = zip(*known, strict=True)
        axis.plot(across, up, style, color=_COLOURS[name], marker="o", markersize=4,
                  label=label or TITLES[name])  # fmt: skip


def _dress(axis: Any, label: str, title: str) -> None:
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel(label)
    axis.set_ylabel("seconds")
    axis.set_title(title)
    axis.yaxis.set_major_formatter(_PLAIN)
    axis.yaxis.set_minor_formatter(NullFormatter())
    measured = sorted({float(x) for line in axis.get_lines() for x in line.get_xdata()})
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xticks(measured)
    axis.xaxis.set_major_formatter(_PLAIN)
    axis.grid(visible=True, which="major", alpha=0.3)
    if axis.get_lines():
        axis.legend(fontsize=7)
