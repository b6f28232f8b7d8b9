"""How a column's values among some customers differ from those of everybody.

Both are counted over the same bins: the most frequent texts, or tenths of everybody's numbers, and one for those
without a value. The distance is half the sum of differences of shares: the part of the members that would have to
have another value for the two to be alike, 0 to 1, so that columns of every type compare.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from muster_core.catalog.type import ColumnType, Kind
from muster_core.kernel.column import Column, one_array
from muster_core.kernel.source import Bits

#: Texts that are bins of their own, and tenths of numbers.
_TEXTS = 10
_TENTHS = 10
_REST, _MISSING = "all others", "no value"
#: The standard normal quantile of 99 %.
_Z = 2.3263478740408408


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """One value or range of values: its share, in percent, of the members and of everybody."""

    #: A text, ``true`` or ``false``; of numbers and times None.
    value: str | None
    #: Ends of a range: from (included) and to (excluded, but of the last one).
    low: Any
    high: Any
    members: float
    everybody: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrasted:
    """One column; `significant` says that chance would make such a difference in less than 1 of 100 samples."""

    column: str
    type: str
    distance: float
    significant: bool
    bins: list[Bin]


def is_contrasted(kind: ColumnType) -> bool:
    """Whether values of this type are counted in bins."""
    return kind.kind is not Kind.ARRAY


class Contrast:
    """Gathers one column, partition by partition."""

    def __init__(self, name: str, kind: ColumnType) -> None:
        self._name = name
        self._kind = kind
        self._everybody: Counter[str] = Counter()
        self._members: Counter[str] = Counter()
        self._numbers: list[NDArray[Any]] = []
        self._chosen: list[Bits] = []
        self._missing = np.zeros(2, dtype=np.int64)

    def add(self, values: Any, alive: Bits, members: Bits) -> None:
        """Take in the values of a partition; `members` are among the `alive`."""
        column = Column(one_array(values), self._kind)
        valid = column.valid & alive
        self._missing += [int((alive & ~valid).sum()), int((members & ~valid).sum())]
        match self._kind.kind:
            case Kind.TEXT:
                self._add_texts(column, valid, members)
            case Kind.BOOLEAN:
                for text, chosen in (("true", column.truths), ("false", ~column.truths)):
                    self._everybody[text] += int((valid & chosen).sum())
                    self._members[text] += int((valid & members & chosen).sum())
            case _:
                numbers = column.floats if self._kind.kind is Kind.FLOAT else column.whole
                self._numbers.append(numbers[valid])
                self._chosen.append(members[valid])

    def _add_texts(self, column: Column, valid: Bits, members: Bits) -> None:
        texts = column.dictionary.to_pylist()
        for counter, chosen in ((self._everybody, valid), (self._members, valid & members)):
            found = np.bincount(column.codes[chosen], minlength=len(texts))
            for place in np.flatnonzero(found).tolist():
                counter[texts[place]] += int(found[place])

    def finish(self) -> Contrasted:
        """Return how the members differ from everybody."""
        labels, everybody, members = (
            self._of_texts() if self._kind.kind in (Kind.TEXT, Kind.BOOLEAN) else self._of_numbers()
        )
        labels.append((_MISSING, None, None))
        everybody.append(int(self._missing[0]))
        members.append(int(self._missing[1]))
        of, among = max(1, sum(everybody)), max(1, sum(members))
        shares = [(m / among, e / of) for m, e in zip(members, everybody, strict=True)]
        return Contrasted(
            column=self._name,
            type=str(self._kind),
            distance=round(sum(abs(m - e) for m, e in shares) / 2, 4) if sum(members) else 0.0,
            significant=_is_significant(members, everybody),
            bins=[
                Bin(
                    value=value,
                    low=low,
                    high=high,
                    members=round(100 * m, 2),
                    everybody=round(100 * e, 2),
                )
                for (value, low, high), (m, e) in zip(labels, shares, strict=True)
                if m or e
            ],
        )

    def _of_texts(self) -> tuple[list[Any], list[int], list[int]]:
        top = sorted(self._everybody, key=lambda text: (-self._everybody[text], text))[:_TEXTS]
        everybody = [self._everybody[text] for text in top]
        members = [self._members[text] for text in top]
        labels: list[Any] = [(text, None, None) for text in top]
        if len(self._everybody) > len(top):
            labels.append((_REST, None, None))
            everybody.append(self._everybody.total() - sum(everybody))
            members.append(self._members.total() - sum(members))
        return labels, everybody, members

    def _of_numbers(self) -> tuple[list[Any], list[int], list[int]]:
        if not self._numbers or not sum(map(len, self._numbers)):
            return [], [], []
        numbers, chosen = np.concatenate(self._numbers), np.concatenate(self._chosen)
        rising = np.sort(numbers)
        at = [len(rising) * tenth // _TENTHS for tenth in range(_TENTHS)]
        edges = sorted(set(rising[at].tolist()))
        places = np.searchsorted(np.array(edges, dtype=rising.dtype), numbers, side="right") - 1
        everybody = np.bincount(places, minlength=len(edges)).tolist()
        members = np.bincount(places[chosen], minlength=len(edges)).tolist()
        ends = [*edges[1:], rising[-1].item() if hasattr(rising[-1], "item") else rising[-1]]
        labels = [(None, self._value(a), self._value(b)) for a, b in zip(edges, ends, strict=True)]
        return labels, everybody, members

    def _value(self, number: Any) -> Any:
        """Return a number in the column's terms as what it stands for."""
        try:
            match self._kind.kind:
                case Kind.DATE:
                    return date(1970, 1, 1) + timedelta(days=number)
                case Kind.TIMESTAMP:
                    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=number)
        except OverflowError:
            return number
        if self._kind.kind is Kind.DECIMAL:
            return Decimal(f"{int(number)}E-{self._kind.scale}")
        return number


def _is_significant(members: list[int], everybody: list[int]) -> bool:
    """Whether a chi-squared test tells the members from a random draw of everybody, at 1 %.

    The critical value is that of Wilson and Hilferty's approximation.
    """
    of, among = sum(everybody), sum(members)
    bins = [(m, among * e / of) for m, e in zip(members, everybody, strict=True) if e]
    freedom = len(bins) - 1
    if freedom < 1 or not among:
        return False
    # who are nearly all of everybody cannot differ from them
    left = 1 - among / of
    if left <= 0:
        return False
    found = sum((m - expected) ** 2 / expected for m, expected in bins) / left
    part = 2 / (9 * freedom)
    critical: float = freedom * (1 - part + _Z * part**0.5) ** 3
    return found > critical
