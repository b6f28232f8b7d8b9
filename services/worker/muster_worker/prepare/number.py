"""Numbers of source files: in the order of paths, with gaps, kept over snapshots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from muster_core.lake.manifest import SourceFile

#: Numbers between files that follow at either end.
GAP = 1 << 14

#: Numbers between the files of a table's first preparation, as long as they stay below `_FIRST_MOST`, so
#: that many files can follow.
_FIRST_GAP = 1 << 20
_FIRST_MOST = 1 << 30
_MOST = (1 << 31) - 1

#: A file that comes between others takes this part of their gap: files that come one after the other, as
#: days do, find room for long.
_SHARE = 32

Identity = tuple[str, int, str, str | None, int]
Stored = tuple[str, int, str]


def first_numbers(files: Sequence[SourceFile]) -> list[SourceFile]:
    """Return `files`, which are in the order of paths, with numbers far apart."""
    gap = max(1, min(_FIRST_GAP, _FIRST_MOST // max(1, len(files))))
    return [_with(file, gap * (place + 1)) for place, file in enumerate(files)]


def next_numbers(
    files: Sequence[SourceFile], known: Sequence[SourceFile], dead: Sequence[int]
) -> list[SourceFile] | None:
    """Return `files` with the numbers they have in `known`, and new ones for what is not there.

    A rewritten file is a new one, one of whose rows more are dead is not. Numbers in `dead` are not given out: rows under them are still in the
    store. None: there is no number left at some place, so everything has to be numbered anew.
    """
    numbers = {stored(file): file.number for file in known}
    gone = {f.number for f in known} - {numbers[stored(f)] for f in files if stored(f) in numbers}
    forbidden = gone | set(dead)
    found: list[SourceFile] = []
    lower: int | None = None
    for fresh, upper in _runs(files, numbers):
        chosen = _between(lower, upper, len(fresh), forbidden)
        if chosen is None:
            return None
        found += [_with(file, number) for file, number in zip(fresh, chosen, strict=True)]
        if upper is not None:
            found.append(_with(files[len(found)], upper))
            lower = upper
    ascending = all(a.number < b.number for a, b in pairwise(found))
    return found if ascending else None


def identity(file: SourceFile) -> Identity:
    """Return what tells whether a file is as it was; one of whose rows more are dead is not."""
    return file.path, file.size, file.etag, file.dead, file.dead_rows


def stored(file: SourceFile) -> Stored:
    """Return what tells whether a file holds the rows it held, be they dead or not."""
    return file.path, file.size, file.etag


def _runs(
    files: Sequence[SourceFile], numbers: dict[Stored, int]
) -> Iterator[tuple[list[SourceFile], int | None]]:
    """Yield runs of new files and the number of the known file that follows them; None: none follows."""
    fresh: list[SourceFile] = []
    for file in files:
        number = numbers.get(stored(file))
        if number is None:
            fresh.append(file)
        else:
            yield fresh, number
            fresh = []
    yield fresh, None


def _between(
    lower: int | None, upper: int | None, count: int, forbidden: set[int]
) -> list[int] | None:
    """Return `count` ascending numbers between two; None as a bound: anything up to the end."""
    if not count:
        return []
    if lower is None and upper is not None:
        turned = _between(-upper, None, count, {-number for number in forbidden})
        return None if turned is None else [-number for number in reversed(turned)]
    at = lower or 0
    if upper is None:
        upper = _MOST
        step = max(1, min(GAP, (upper - at) // (count + 1)))
    else:
        step = max(1, (upper - at) // max(count + 1, _SHARE))
    found: list[int] = []
    for _ in range(count):
        at += step
        while at in forbidden:
            at += 1
        if at >= upper:
            return None
        found.append(at)
    return found


def _with(file: SourceFile, number: int) -> SourceFile:
    return file.model_copy(update={"number": number})
