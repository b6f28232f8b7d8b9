"""How the members of a segment came to be what they are: their number over time, who joined, who left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any

from muster_console.operation.erasure import erased_customers
from muster_console.operation.remote import over
from muster_console.operation.workspace import Workspace
from muster_core.errors import Conflict, NotFound
from muster_core.lake.comparison import KeptMembers, differences
from muster_core.lake.store import Store
from muster_core.security.erasure import ErasedCustomer
from muster_core.storage import audit
from muster_core.storage.database import transaction
from muster_core.storage.snapshot import PublishedSnapshot, read_head
from muster_core.storage.trend import VersionRecord, list_versions


class Period(StrEnum):
    """How far back a trend goes."""

    WEEK = "7d"
    MONTH = "30d"
    HALF_YEAR = "6m"
    ALL = "all"


_INTERVALS = {
    Period.WEEK: "7 days",
    Period.MONTH: "30 days",
    Period.HALF_YEAR: "6 months",
    Period.ALL: None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPoint:
    """One published version; `members` is that of the version before, with `joined` and without `left`."""

    version: int
    run_id: int
    #: The revision of the definition it was evaluated by.
    rev: int
    as_of: datetime
    published_at: datetime
    members: int
    joined: int
    left: int
    #: Whether its members can still be looked at.
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The versions of a period, the oldest first, and the last one before it, where the trend starts."""

    segment: str
    period: str
    before: HistoryPoint | None
    points: list[HistoryPoint]

    def to_json(self) -> dict[str, Any]:
        """Return the history as programs read it."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Who joined and who left between two versions: how many, and the first keys of each in order."""

    segment: str
    from_version: int
    to_version: int
    joined: int
    left: int
    joined_keys: list[str]
    left_keys: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return the changes as programs read them."""
        return asdict(self)


@over("GET", "/segments/{name}/history")
def history(workspace: Workspace, name: str, period: Period = Period.ALL) -> History:
    """Return the trend of a segment's member count.

    Raises:
        NotFound: there is no such segment.
    """
    with transaction(workspace.database) as connection:
        records = list_versions(connection, name, period=_INTERVALS[period])
        head = read_head(connection).snapshot
    points = _points(workspace, records, head)
    inside = [p for p, r in zip(points, records, strict=True) if r.inside]
    outside = [p for p, r in zip(points, records, strict=True) if not r.inside]
    return History(
        segment=name, period=str(period), before=outside[-1] if outside else None, points=inside
    )


@over("GET", "/segments/{name}/changes", names={"from_version": "from", "to_version": "to"})
def changes(
    workspace: Workspace,
    name: str,
    *,
    from_version: int | None = None,
    to_version: int | None = None,
    limit: int = 100,
) -> Changes:
    """Return who joined and left between two versions, by default the latest two; the look is recorded.

    At most `limit` keys of each are told, partition by partition in the order of the store; customers who were
    erased count and are not named.

    Raises:
        NotFound: there is no such segment or version.
        Conflict: it has no two versions, or the members of one are no longer kept.
    """
    with transaction(workspace.database) as connection:
        records = {r.version: r for r in list_versions(connection, name)}
        head = read_head(connection).snapshot
    after = _record(name, records, to_version, -1)
    before = _record(name, records, from_version, -2)
    joined, left = 0, 0
    joined_keys: list[str] = []
    left_keys: list[str] = []
    erased = erased_customers(workspace)
    opened = (_open(workspace, record, head, erased) for record in (before, after))
    for found in differences(*opened, keys=True):
        joined, left = joined + found.joined, left + found.left
        joined_keys += found.joined_keys.slice(0, limit - len(joined_keys)).to_pylist()
        left_keys += found.left_keys.slice(0, limit - len(left_keys)).to_pylist()
    detail = {
        "from": before.version,
        "to": after.version,
        "rows": len(joined_keys) + len(left_keys),
    }
    with transaction(workspace.database) as connection:
        audit.record(connection, workspace.actor, "members.compared", name, detail)
    return Changes(
        segment=name,
        from_version=before.version,
        to_version=after.version,
        joined=joined,
        left=left,
        joined_keys=joined_keys,
        left_keys=left_keys,
    )


def _record(
    name: str, records: dict[int, VersionRecord], wanted: int | None, place: int
) -> VersionRecord:
    if wanted is None:
        if len(records) < -place:
            raise Conflict(
                f"The segment `{name}` was published {('never', 'once')[len(records)]}; this needs two versions.",
                hint=f"Refresh it: `muster segment refresh {name}`.",
            )
        wanted = sorted(records)[place]
    found = records.get(wanted)
    if found is None:
        raise NotFound(
            f"The segment `{name}` has no version {wanted}.",
            hint=f"`muster segment history {name}` shows those it has.",
        )
    return found


def _open(
    workspace: Workspace,
    record: VersionRecord,
    head: PublishedSnapshot | None,
    erased: Sequence[ErasedCustomer] = (),
) -> KeptMembers:
    """Open the members of a version over its own data, or over today's where that is gone."""
    if record.pointer is None:
        raise Conflict(
            f"The members of version {record.version} are no longer kept.",
            hint="`MUSTER_VERSIONS_KEPT` says of how many versions they are.",
        )
    if not record.expired:
        snapshot = (record.snapshot, record.snapshot_sha256)
        return KeptMembers.open(workspace.lake, snapshot, record.pointer, erased)
    assert head is not None  # a version has been computed from a snapshot
    store = Store.open(workspace.lake, head.manifest, head.manifest_sha256)
    if store.manifest.generation != record.generation:
        raise Conflict(
            f"The data that version {record.version} was computed from is gone,"
            " and customers have been numbered anew since.",
        )
    snapshot = (head.manifest, head.manifest_sha256)
    return KeptMembers.open(workspace.lake, snapshot, record.pointer, erased)


def _points(
    workspace: Workspace, records: Sequence[VersionRecord], head: PublishedSnapshot | None
) -> list[HistoryPoint]:
    counts = [_first(r) for r in records[:1]]
    counts += [_counted(workspace, a, b, head) for a, b in pairwise(records)]
    return [
        HistoryPoint(
            version=record.version,
            run_id=record.run_id,
            rev=record.rev,
            as_of=record.as_of,
            published_at=record.published_at,
            members=record.member_count,
            joined=joined,
            left=left,
            kept=record.pointer is not None,
        )
        for record, (joined, left) in zip(records, counts, strict=True)
    ]


def _first(record: VersionRecord) -> tuple[int, int]:
    return record.member_count, 0


def _counted(
    workspace: Workspace,
    before: VersionRecord,
    after: VersionRecord,
    head: PublishedSnapshot | None,
) -> tuple[int, int]:
    """Return who joined and left from one version to the next.

    A run counts them against the version that was the latest when it began: another one may have been approved
    meanwhile, and members numbered anew are compared with nobody. Then the two are compared, if they can be.
    """
    if before.member_count + after.joined - after.left == after.member_count:
        return after.joined, after.left
    try:
        sides = _open(workspace, before, head), _open(workspace, after, head)
    except Conflict:
        # what is known of two versions that cannot be compared is by how much they differ
        change = after.member_count - before.member_count
        return max(change, 0), max(-change, 0)
    found = list(differences(*sides))
    return sum(f.joined for f in found), sum(f.left for f in found)
