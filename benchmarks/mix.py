"""The mix of segments every contender evaluates, and how Muster writes them.

Of ten segments three ask for attributes only, four for an aggregate of transactions with an attribute or none,
two for a count of activities, and one for all three. Any multiple of ten has the same shares, and the first
segments of a longer mix are those of a shorter one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.data import CATEGORIES, CHANNELS, CITIES, COUNTRIES, KINDS, PLANS

WINDOWS = (7, 14, 30, 60, 90, 120, 180, 270, 365)
Compare = Literal["eq", "in", "gte", "gt", "lt", "between", "is_true"]
Function = Literal["count", "sum", "avg", "max", "none"]
_PATTERN = ("attributes", "spending", "spending", "activity", "attributes",
            "spending", "all", "attributes", "spending", "activity")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """A comparison of one column; `value` is None for `is_true`."""

    column: str
    compare: Compare
    value: Any = None

    #: Not a class of tests, whatever pytest thinks of its name.
    __test__ = False

    def document(self) -> dict[str, Any]:
        """Return it as Muster's documents write it."""
        found = {"kind": "attribute", "column": self.column, "compare": self.compare}
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return found if value is None else found | {"value": value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """What the rows of a customer in the last `days` come to; function `none`: there are none."""

    table: str
    function: Function
    column: str | None = None
    days: int
    test: Test | None = None
    value: Any = None

    @property
    def compare(self) -> Literal["gte", "gt"]:
        """Return how the value is compared: averages so that no rounding can decide."""
        return "gt" if self.function == "avg" else "gte"

    def document(self) -> dict[str, Any]:
        """Return it as Muster's documents write it."""
        rows: dict[str, Any] = {
            "kind": "rows",
            "table": self.table,
            "window": {"last": f"{self.days} days"},
        }
        if self.test is not None:
            rows["where"] = self.test.document()
        if self.function == "none":
            return {"kind": "not", "of": rows | {"aggregate": {"function": "exists"}}}
        aggregate = {"function": self.function} | ({"column": self.column} if self.column else {})
        return rows | {"aggregate": aggregate, "compare": self.compare, "value": self.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """All of its tests and aggregates hold."""

    name: str
    tests: tuple[Test, ...]
    aggregates: tuple[Aggregate, ...]

    def document(self) -> dict[str, Any]:
        """Return it as Muster's documents write it."""
        parts = [test.document() for test in self.tests]
        parts += [aggregate.document() for aggregate in self.aggregates]
        where = parts[0] if len(parts) == 1 else {"kind": "all", "of": parts}
        return {"name": self.name, "schedule": "off", "rules": [{"where": where}]}


def segments(count: int, seed: int = 11) -> list[Segment]:
    """Return the first `count` segments of the mix."""
    rng = random.Random(seed)
    return [_segment(rng, number) for number in range(count)]


def _segment(rng: random.Random, number: int) -> Segment:
    kind = _PATTERN[number % len(_PATTERN)]
    tests: tuple[Test, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    if kind == "attributes":
        tests = tuple(_attributes(rng, rng.randint(1, 3)))
    elif kind == "spending":
        tests = tuple(_attributes(rng, rng.randint(0, 1)))
        aggregates = (_spending(rng),)
    elif kind == "activity":
        aggregates = (_activity(rng),)
    else:
        tests = tuple(_attributes(rng, 1))
        aggregates = (_spending(rng), _activity(rng))
    return Segment(name=f"s{number:04d}", tests=tests, aggregates=aggregates)


def _attributes(rng: random.Random, count: int) -> list[Test]:
    low = rng.randint(18, 60)
    choices = [
        Test(column="country", compare="in", value=tuple(rng.sample(COUNTRIES, 3))),
        Test(column="city", compare="in", value=tuple(rng.sample(CITIES[:60], 8))),
        Test(column="plan", compare="eq", value=rng.choice(PLANS)),
        Test(column="age", compare="between", value=(low, low + rng.randint(5, 30))),
        Test(column="opted_in", compare="is_true"),
        Test(column="points", compare="gte", value=rng.randrange(100, 1500, 50)),
        Test(
            column="joined",
            compare="lt",
            value=f"{rng.randint(2021, 2025)}-{rng.randint(1, 12):02d}-01",
        ),
    ]
    return rng.sample(choices, count)


def _spending(rng: random.Random) -> Aggregate:
    function: Function = rng.choice(("count", "sum", "avg", "max", "none"))
    test = rng.choice(
        (
            None,
            Test(column="category", compare="eq", value=rng.choice(CATEGORIES)),
            Test(column="channel", compare="eq", value=rng.choice(CHANNELS)),
            Test(column="amount", compare="gte", value=rng.choice((20, 50, 100, 200))),
        )
    )
    # no average of cents over a few thousand rows has these five decimals, so engines that divide in
    # floating point agree with those that do not
    value = {
        "count": rng.randint(1, 6),
        "sum": rng.randrange(50, 1000, 50),
        "avg": f"{rng.randrange(20, 80, 5)}.00503",
        "max": rng.randrange(50, 400, 25),
        "none": None,
    }[function]
    column = None if function in ("count", "none") else "amount"
    return Aggregate(
        table="transactions",
        function=function,
        column=column,
        days=rng.choice(WINDOWS),
        test=test,
        value=value,
    )


def _activity(rng: random.Random) -> Aggregate:
    test = rng.choice((None, Test(column="kind", compare="eq", value=rng.choice(KINDS))))
    return Aggregate(
        table="activities",
        function="count",
        days=rng.choice(WINDOWS),
        test=test,
        value=rng.randint(1, 8),
    )
