"""How a related table's sources differ from what a snapshot holds of it, and so what there is to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from muster_core.lake.manifest import PreparedTable, SourceFile
from muster_worker.prepare.number import first_numbers, identity, next_numbers, stored
from muster_worker.prepare.task.killing import Died

#: Where files of more than this share of the bytes changed, preparing the table whole is less work.
_MOST_CHANGED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What to do about one table.

    With `whole` set, it says why everything is prepared again. Else `added` files are read, `killed` numbers
    are those whose rows no longer count, of the files `died` only some do not, and with `gained` rows wait for what the tables on the way gained.
    """

    sources: list[SourceFile]
    added: list[SourceFile]
    killed: list[int]
    died: list[Died]
    gained: bool
    whole: str | None
    files_added: int
    files_rewritten: int
    files_removed: int


def difference(
    known: PreparedTable | None,
    sources: Sequence[SourceFile],
    parents: Mapping[str, Sequence[SourceFile]],
    *,
    same_shape: bool,
) -> Difference:
    """Compare a prepared table with its `sources` and those of the tables on its way as they are now."""
    numbered = None
    if known is not None:
        numbered = next_numbers(sources, known.sources, known.dead_sources)
    why = _whole(known, sources, parents, numbered, same_shape)
    before = known.sources if known else []
    paths, now = {f.path for f in before}, {f.path for f in sources}
    kept = {stored(f) for f in before} & {stored(f) for f in sources}
    fresh = [f for f in sources if stored(f) not in kept]
    died: list[Died] = []
    if why is not None or known is None or numbered is None:
        numbered, added, killed = first_numbers(sources), [], []
    else:
        added = [f for f in numbered if stored(f) not in kept]
        killed = [f.number for f in before if stored(f) not in kept]
        died = _died(before, numbered)
    return Difference(
        sources=numbered,
        added=added,
        killed=killed,
        died=died,
        gained=why is None and known is not None and _gained(known, parents),
        whole=why,
        files_added=sum(f.path not in paths for f in fresh),
        files_rewritten=sum(f.path in paths for f in fresh),
        files_removed=sum(f.path not in now for f in before),
    )


def _whole(
    known: PreparedTable | None,
    sources: Sequence[SourceFile],
    parents: Mapping[str, Sequence[SourceFile]],
    numbered: list[SourceFile] | None,
    same_shape: bool,
) -> str | None:
    """Return why the table has to be prepared whole, None where its files are enough."""
    if known is None:
        return "new"
    if not same_shape:
        return "catalog changed"
    if known.left_out is None or known.parents is None:
        return "prepared by an earlier release"
    for name, files in parents.items():
        now = {identity(f) for f in files}
        if any(identity(f) not in now for f in known.parents.get(name, [])):
            return f"rows of {name} changed"
    held = {stored(f) for f in sources}
    changed = sum(f.size for f in known.sources if stored(f) not in held)
    if changed > _MOST_CHANGED * sum(f.size for f in known.sources):
        return "most of it changed"
    return "numbers ran out" if numbered is None else None


def _died(before: Sequence[SourceFile], now: Sequence[SourceFile]) -> list[Died]:
    """Return the files of which rows are dead now that were not."""
    known = {stored(f): f for f in before}
    found = []
    for file in now:
        old = known.get(stored(file))
        if old is not None and file.dead is not None and file.dead != old.dead:
            rows = file.dead_rows - old.dead_rows
            found.append(Died(number=file.number, path=file.path, dead=file.dead, rows=rows))
    return found


def _gained(known: PreparedTable, parents: Mapping[str, Sequence[SourceFile]]) -> bool:
    before = known.parents or {}
    return any(
        {identity(f) for f in files} != {identity(f) for f in before.get(name, [])}
        for name, files in parents.items()
    )
