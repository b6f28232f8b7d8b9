"""What segments share, and what sets the members of one apart from everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import combinations
from typing import Any

import numpy as np

from muster_console.operation.evaluation import opened_head
from muster_console.operation.remote import over
from muster_console.operation.workspace import Workspace
from muster_core.catalog.type import parse_type
from muster_core.errors import Conflict, InvalidInput, Problem
from muster_core.kernel.contrast import Contrast, Contrasted, is_contrasted
from muster_core.kernel.failure import only_muster_errors
from muster_core.kernel.packed import count, pack
from muster_core.lake.manifest import Pointer
from muster_core.lake.store import Store
from muster_core.storage.database import transaction
from muster_core.storage.membership import Membership, published_membership
from muster_core.storage.nearest import require_segments

#: Segments held against each other at once.
MOST_SEGMENTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The members of a segment's latest version who exist in the data as it is prepared."""

    segment: str
    version: int
    as_of: datetime
    members: int
    #: Members of no other of the segments asked for.
    alone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What two segments share; percentages are of the first's and of the second's members."""

    first: str
    second: str
    both: int
    percent_of_first: float
    percent_of_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Segments against each other; `all` belong to each of them, `any` to at least one."""

    customers: int
    all: int
    any: int
    segments: list[Size]
    pairs: list[Shared]

    def to_json(self) -> dict[str, Any]:
        """Return the overlap as programs read it."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """What sets the members of a segment apart: columns of the profile, the most different first."""

    segment: str
    version: int
    as_of: datetime
    #: Customers that were looked at, and how many of them are members.
    customers: int
    members: int
    columns: list[Contrasted]

    def to_json(self) -> dict[str, Any]:
        """Return it as programs read it."""
        return asdict(self)


@over("POST", "/segments/overlap")
def overlap(workspace: Workspace, names: Sequence[str]) -> Overlap:
    """Return how many members segments share, by their latest versions.

    Raises:
        NotFound: there is no such segment.
        Conflict: one has never been published, or its members are numbered differently.
        InvalidInput: fewer than two are named, or too many.
    """
    names = list(dict.fromkeys(names))
    if not 2 <= len(names) <= MOST_SEGMENTS:
        message = f"name two to {MOST_SEGMENTS} different segments"
        raise InvalidInput([Problem(message=message, pointer="/names")])
    store, versions = _opened(workspace, names)
    own, alone = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    both = dict.fromkeys(combinations(names, 2), 0)
    all_, any_ = 0, 0
    for number in range(store.manifest.partitions):
        partition = store.partition(number)
        if not partition.size:
            continue
        alive = pack(partition.alive())
        sets = {n: pack(_members(partition, v.pointer)) & alive for n, v in versions.items()}
        once, several = np.zeros_like(alive), np.zeros_like(alive)
        whole = alive
        for members in sets.values():
            several |= once & members
            once |= members
            whole = whole & members
        all_, any_ = all_ + count(whole), any_ + count(once)
        for name, members in sets.items():
            own[name] += count(members)
            alone[name] += count(members & ~several)
        for pair in both:
            both[pair] += count(sets[pair[0]] & sets[pair[1]])
    return Overlap(
        customers=store.manifest.customers,
        all=all_,
        any=any_,
        segments=[
            Size(
                segment=name,
                version=version.version,
                as_of=version.as_of,
                members=own[name],
                alone=alone[name],
            )
            for name, version in versions.items()
        ],
        pairs=[
            Shared(
                first=first,
                second=second,
                both=shared,
                percent_of_first=_percent(shared, own[first]),
                percent_of_second=_percent(shared, own[second]),
            )
            for (first, second), shared in both.items()
        ],
    )


@over("GET", "/segments/{name}/apart")
def apart(workspace: Workspace, name: str) -> Apart:
    """Return what sets the members of a segment's latest version apart from everybody.

    Every column of the profile is held against that of all customers, but the key and personal ones. Of many
    customers a part is looked at.

    Raises:
        NotFound: there is no such segment.
        Conflict: it has never been published, or its members are numbered differently.
    """
    store, versions = _opened(workspace, [name])
    version = versions[name]
    manifest = store.manifest
    catalog = manifest.catalog
    hidden = {catalog.key, *catalog.profile.personal}
    kinds = {
        column: parse_type(kind)
        for column, kind in manifest.columns.items()
        if column not in hidden and is_contrasted(parse_type(kind))
    }
    numbers = _some(workspace, store, len(kinds))
    parts = [store.partition(number) for number in numbers]
    parts = [part for part in parts if part.size]
    alive = [part.alive() for part in parts]
    members = [_members(part, version.pointer) & a for part, a in zip(parts, alive, strict=True)]
    found = []
    with only_muster_errors():
        for column, kind in kinds.items():
            contrast = Contrast(column, kind)
            for part, everybody, chosen in zip(parts, alive, members, strict=True):
                contrast.add(part.profile([column])[column], everybody, chosen)
            found.append(contrast.finish())
    found.sort(key=lambda one: (not one.significant, -one.distance, one.column))
    return Apart(
        segment=name,
        version=version.version,
        as_of=version.as_of,
        customers=sum(int(a.sum()) for a in alive),
        members=sum(int(m.sum()) for m in members),
        columns=found,
    )


def _opened(workspace: Workspace, names: Sequence[str]) -> tuple[Store, dict[str, Membership]]:
    with transaction(workspace.database) as connection:
        require_segments(connection, names)
        versions = {name: published_membership(connection, name) for name in names}
        _, store = opened_head(workspace, connection)
    generation = store.manifest.generation
    for name, version in versions.items():
        snapshot = Store.open(workspace.lake, version.snapshot, version.snapshot_sha256)
        if snapshot.manifest.generation != generation:
            raise Conflict(
                f"The members of the segment `{name}` are from before the store was built anew.",
                hint=f"Refresh it: `muster segment refresh {name}`.",
            )
    return store, versions


def _members(partition: Any, pointer: Pointer) -> Any:
    return partition.members(pointer.manifest, pointer.manifest_sha256, pointer.bit)


def _some(workspace: Workspace, store: Store, columns: int) -> list[int]:
    """Return the partitions to look at, spread over all: any of them is a random sample of the customers."""
    every = store.manifest.partitions
    values = max(1, store.manifest.customers * max(1, columns))
    wanted = max(1, min(every, every * workspace.settings.preview_rows // values))
    return [place * every // wanted for place in range(wanted)]


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0
