"""Which row groups of source files can hold given keys: the footers tell the least and the greatest in each."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from muster_core.catalog.type import ColumnType, Kind
from muster_core.lake.manifest import SourceFile
from muster_core.lake.source import open_source


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRun:
    """Row groups that follow each other in a source file; the first row stands at position `first`."""

    file: SourceFile
    groups: tuple[int, ...]
    first: int
    #: Rows of each group, dead ones among them.
    sizes: tuple[int, ...]

    @property
    def rows(self) -> int:
        """Return the number of rows that are stored in the groups."""
        return sum(self.sizes)


class KeyBounds:
    """Keys that are looked for in the column `column` of catalog type `kind`, given as canonical texts."""

    def __init__(self, column: str, kind: ColumnType, keys: Sequence[str]) -> None:
        self._column = column
        self._empty = not keys
        # code points order texts as the bytes of UTF-8 do, which is how footers compare them
        self._sorted: list[Any] | None = None
        if kind.kind is Kind.INTEGER:
            self._sorted = sorted(map(int, keys))
        elif kind.kind is Kind.TEXT:
            self._sorted = sorted(keys)

    def runs(self, files: Sequence[SourceFile]) -> Iterator[GroupRun]:
        """Yield the runs of row groups that may hold one of the keys; only footers are read.

        A group whose footer does not tell is among them, and so are all for keys of other types.

        Raises:
            SourceMissing: a file has gone.
            SourceUnreadable: a file is no Parquet.
        """
        if self._empty:
            return
        for file in files:
            with open_source(file.path) as opened:
                metadata = opened.metadata
                leaf = _leaf(metadata, self._column)
                groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
                sizes = [group.num_rows for group in groups]
                chosen = [self._may_hold(group, leaf) for group in groups]
            yield from _runs(file, sizes, chosen)

    def _may_hold(self, group: Any, leaf: int | None) -> bool:
        if self._sorted is None or leaf is None:
            return True
        known = group.column(leaf).statistics
        if known is None or not known.has_min_max:
            return True
        try:
            low, high = known.min, known.max
        except UnicodeDecodeError:  # a writer may cut a bound within a character
            return True
        if not isinstance(low, type(self._sorted[0])):
            return True
        at = bisect_left(self._sorted, low)
        return at < len(self._sorted) and bool(self._sorted[at] <= high)


def _leaf(metadata: Any, column: str) -> int | None:
    """Return the place of a column in the footer; None where no or several columns have its path."""
    schema = metadata.schema
    found = [i for i in range(metadata.num_columns) if schema.column(i).path == column]
    return found[0] if len(found) == 1 else None


def _runs(file: SourceFile, sizes: Sequence[int], chosen: Sequence[bool]) -> Iterator[GroupRun]:
    at = first = 0
    groups: list[int] = []
    for number, size in enumerate(sizes):
        if chosen[number]:
            first = first if groups else at
            groups.append(number)
        elif groups:
            yield _run(file, groups, first, sizes)
            groups = []
        at += size
    if groups:
        yield _run(file, groups, first, sizes)


def _run(file: SourceFile, groups: list[int], first: int, sizes: Sequence[int]) -> GroupRun:
    return GroupRun(
        file=file, groups=tuple(groups), first=first, sizes=tuple(sizes[n] for n in groups)
    )
