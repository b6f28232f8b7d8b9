"""What the entries of a ledger come to: a figure for each contender and number of segments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from benchmarks.course import WHOLE
from benchmarks.ledger import Entry, Ledger

#: What each contender is, in words.
TITLES = {
    WHOLE: "Muster, end to end",
    "engine": "Muster, engine part",
    "floor-store": "floor: reading the store's columns",
    "floor": "floor: reading the files' columns",
    "duckdb-all": "DuckDB, one query for all",
    "duckdb-store": "DuckDB, a query a segment, prepared store",
    "duckdb-sorted": "DuckDB, a query a segment, files sorted by time",
    "duckdb": "DuckDB, a query a segment",
    "clickhouse": "ClickHouse (chdb), a query a segment",
    "spark": "Spark SQL, a query a segment",
}
#: Contenders that need the prepared store.
ON_STORE = {WHOLE, "engine", "floor-store", "duckdb-store"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """The median of a contender's rounds; scaled up where only a sample was run."""

    contender: str
    segments: int
    run: int
    seconds: float = math.nan
    cpu_seconds: float = math.nan
    peak_bytes: int = 0
    failed: str = ""

    @property
    def scaled(self) -> bool:
        """Return whether it was computed from a sample."""
        return self.run < self.segments


@dataclass(frozen=True, slots=True)
class Summary:
    """One data set of a ledger; without `point` the main one."""

    ledger: Ledger
    point: str = ""

    def __post_init__(self) -> None:
        points = self.points
        if not self.point and points:
            object.__setattr__(self, "point", self.ledger.head.get("main", points[-1]))

    @property
    def points(self) -> list[str]:
        """Return the data sets in the order they were measured."""
        return [str(entry["point"]) for entry in self.ledger.of("data")]

    @property
    def data(self) -> Entry:
        """Return what the data set is."""
        return next(self.ledger.of("data", point=self.point), {})

    @property
    def sizes(self) -> list[int]:
        """Return the numbers of segments that were measured."""
        return sorted({int(e["segments"]) for e in self.ledger.of("refresh", point=self.point)})

    def figure(self, contender: str, segments: int) -> Figure | None:
        """Return the figure, None where it was not measured."""
        found = list(
            self.ledger.of("refresh", point=self.point, contender=contender, segments=segments)
        )
        if not found:
            return None
        run = int(found[0]["run"])
        done = [entry for entry in found if "failed" not in entry]
        if not done:
            said = str(found[0]["failed"])
            return Figure(contender=contender, segments=segments, run=run, failed=said)
        scale = segments / run
        return Figure(
            contender=contender,
            segments=segments,
            run=run,
            seconds=median(e["seconds"] for e in done) * scale,
            cpu_seconds=median(e["cpu_seconds"] for e in done) * scale,
            peak_bytes=max(e["peak_bytes"] for e in done),
        )

    def figures(self, segments: int) -> list[Figure]:
        """Return everybody's figure for a number of segments."""
        found = [self.figure(name, segments) for name in TITLES]
        return [figure for figure in found if figure is not None]

    def seconds(self, contender: str, segments: int) -> float:
        """Return the seconds, NaN where there are none."""
        figure = self.figure(contender, segments)
        return math.nan if figure is None else figure.seconds

    def stages(self, segments: int) -> dict[str, float]:
        """Return the medians of what Muster recorded of its stages, in seconds."""
        found = self.ledger.of("refresh", point=self.point, contender=WHOLE, segments=segments)
        rounds = [entry["stages"] for entry in found if "failed" not in entry]
        names = dict.fromkeys(name for stages in rounds for name in stages)
        return {name: median(stages.get(name, 0.0) for stages in rounds) for name in names}

    def prepared(self, what: str, contender: str = WHOLE) -> Entry:
        """Return the preparation `first` or `day`; empty where it was not measured."""
        return next(self.ledger.of("prepare", point=self.point, contender=contender, what=what), {})

    def preparing(self, what: str, contender: str = WHOLE) -> float:
        """Return its seconds, NaN where there are none."""
        return float(self.prepared(what, contender).get("seconds", math.nan))

    def pays_from(self, what: str, against: str) -> int | None:
        """Return from how many segments preparing and refreshing takes less than `against`, a query each.

        Between the numbers measured a refresh is taken to grow evenly, below the first not at all.
        """
        costs = [(n, self.seconds(WHOLE, n)) for n in self.sizes]
        costs = [(n, cost) for n, cost in costs if not math.isnan(cost)]
        measured = [n for n, _ in costs if not math.isnan(self.seconds(against, n))]
        fixed = self.preparing(what)
        if not costs or not measured or math.isnan(fixed):
            return None
        # the mix is the same in every ten segments; beyond that a query more costs the same
        each = self.seconds(against, measured[-1]) / measured[-1]
        for segments in range(1, 100_001):
            if fixed + _between(costs, segments) <= each * segments:
                return segments
        return None

    def task_bytes(self) -> int:
        """Return the most that one task's process held, preparing or refreshing."""
        entries = [*self.ledger.of("prepare", point=self.point, contender=WHOLE)]
        entries += self.ledger.of("refresh", point=self.point, contender=WHOLE)
        return max((int(e.get("task_bytes", 0)) for e in entries), default=0)

    def agreement(self) -> tuple[int, list[str]]:
        """Return how many counts were compared, and the differences found."""
        compared = sum(int(e["segments"]) for e in self.ledger.of("agreed", point=self.point))
        return compared, [str(e["said"]) for e in self.ledger.of("difference")]


def _between(costs: Sequence[tuple[int, float]], segments: int) -> float:
    if segments <= costs[0][0]:
        return costs[0][1]
    for (low, at_low), (high, at_high) in pairwise(costs):
        if segments <= high:
            return at_low + (at_high - at_low) * (segments - low) / (high - low)
    high, at_high = costs[-1]
    return at_high * segments / high
