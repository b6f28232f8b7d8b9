"""One collection: what nothing needs any more is marked in the database, then removed from the lake.

Every step is safe to repeat and to break off: what is marked stays marked, what is gone is forgotten at the
next look. Only what two collections, a grace apart, found unnamed is removed, and no file younger than that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from muster_core.collection.keeping import Keeping
from muster_core.collection.lease import holding
from muster_core.collection.naming import named_files
from muster_core.collection.repack import is_worth_it, repack
from muster_core.collection.sweep import Findings, extracted_tables, look, mark, remove
from muster_core.errors import MusterError, PartUnavailable, TransientError
from muster_core.lake.location import Lake
from muster_core.lake.manifest import Pointer
from muster_core.lake.matrix import Matrix
from muster_core.lake.place import repack_folder
from muster_core.storage.catalog import current_catalog
from muster_core.storage.collection import (
    Needed,
    expire,
    finish_collection,
    marked_garbage,
    move_pointers,
    pointed_bits,
    read_needed,
    take_collection,
)
from muster_core.storage.database import database_time, transaction
from muster_core.storage.pruning import prunable_runs, prune_runs
from muster_core.telemetry import get_logger


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What a collection did, or with `dry_run` would have done; sizes are bytes."""

    dry_run: bool
    #: Snapshots nobody may use any more, and versions whose members are no longer kept.
    snapshots_expired: int
    versions_expired: int
    #: Runs of long ago that published nothing.
    runs_pruned: int
    #: Memberships written anew without those that nobody needs.
    matrices_repacked: int
    #: Files that were found to be named by nothing, that wait for their grace to end, and that were removed.
    files_marked: int
    files_waiting: int
    bytes_waiting: int
    files_removed: int
    bytes_removed: int
    #: Files that stay.
    files_kept: int
    bytes_kept: int

    def to_json(self) -> dict[str, Any]:
        """Return it as programs read it."""
        return asdict(self)


class _RolledBack(Exception):
    """Ends a transaction whose changes were only to be looked at."""


def collect(
    database: Engine,
    lake: Lake,
    keeping: Keeping,
    *,
    owner: str,
    lease: timedelta,
    every: timedelta | None = None,
    stop: threading.Event | None = None,
) -> Collection | None:
    """Collect once; None while somebody else does, or where with `every` it is not time yet.

    Raises:
        LeaseLost: the lease ended or `stop` was set; the next collection goes on.
        StoreDamaged: a manifest that is needed is missing; nothing was removed.
        MusterError: the database or the lake failed; kept with the collection.
    """
    with transaction(database) as connection:
        fence = take_collection(connection, owner=owner, lease=lease, every=every)
    if fence is None:
        return None
    try:
        with holding(database, fence=fence, lease=lease, stop=stop or threading.Event()) as check:
            found = _Work(database, lake, keeping, owner, lease, fence, check).run()
    except BaseException as exc:
        _give_up(database, fence, exc)
        raise
    with transaction(database) as connection:
        finish_collection(connection, fence=fence, report=found.to_json())
    get_logger().info("collected", **found.to_json())
    return found


def preview(database: Engine, lake: Lake, keeping: Keeping) -> Collection:
    """Return what a collection would do now; nothing is changed.

    Files of memberships that would be written anew still count as kept.

    Raises:
        StoreDamaged: a manifest that is needed is missing.
    """
    with _rolled_back(database) as connection:
        expired = expire(connection, keeping)
        runs = prunable_runs(connection, keeping.runs)
        needed = read_needed(connection, keeping)
        shared = pointed_bits(connection)
        look_at = _Look.read(connection, keeping)
    named = named_files(lake, needed)
    found = look_at.sort(lake, named, needed, keeping)
    new = sum(entry.path not in look_at.marked for entry in found.waiting)
    worth = [1 for pointer, bits in shared if is_worth_it(_matrix(lake, pointer).manifest, bits)]
    return Collection(
        dry_run=True,
        snapshots_expired=expired.snapshots,
        versions_expired=expired.versions,
        runs_pruned=runs,
        matrices_repacked=len(worth),
        files_marked=new,
        files_removed=len(found.ripe),
        bytes_removed=sum(entry.size for entry in found.ripe),
        **_rest(found),
    )


@dataclass(frozen=True, slots=True)
class _Work:
    database: Engine
    lake: Lake
    keeping: Keeping
    owner: str
    lease: timedelta
    fence: int
    check: Callable[[], None]

    def run(self) -> Collection:
        with transaction(self.database) as connection:
            expired = expire(connection, self.keeping)
        runs = prune_runs(self.database, self.keeping.runs, self.check)
        repacked = self._repack()
        with transaction(self.database) as connection:
            needed = read_needed(connection, self.keeping)
            look_at = _Look.read(connection, self.keeping)
        self.check()
        # after what is needed was read: whatever is written since is young, or taken over from that
        found = look_at.sort(self.lake, named_files(self.lake, needed), needed, self.keeping)
        self.check()
        new = mark(self.database, found, look_at.marked)
        removed = remove(
            self.database,
            self.lake,
            found.ripe,
            owner=self.owner,
            lease=self.lease,
            check=self.check,
        )
        return Collection(
            dry_run=False,
            snapshots_expired=expired.snapshots,
            versions_expired=expired.versions,
            runs_pruned=runs,
            matrices_repacked=repacked,
            files_marked=new,
            files_removed=len(removed),
            bytes_removed=sum(entry.size for entry in removed),
            **_rest(found),
        )

    def _repack(self) -> int:
        with transaction(self.database) as connection:
            shared = pointed_bits(connection)
        count = 0
        for pointer, bits in shared:
            self.check()
            if not is_worth_it(_matrix(self.lake, pointer).manifest, bits):
                continue
            path, sha256, places = repack(
                self.lake, pointer, bits, directory=repack_folder(self.fence), check=self.check
            )
            with transaction(self.database) as connection:
                move_pointers(
                    connection,
                    old=pointer.manifest,
                    manifest=path,
                    manifest_sha256=sha256,
                    bits=places,
                )
            count += 1
        return count


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What the database says before the lake is listed."""

    extracted: frozenset[str]
    marked: dict[str, bool]
    now: Any

    @classmethod
    def read(cls, connection: Connection, keeping: Keeping) -> _Look:
        catalog = current_catalog(connection)
        return cls(
            extracted=extracted_tables(catalog and catalog[1]),
            marked=marked_garbage(connection, keeping.grace),
            now=database_time(connection),
        )

    def sort(self, lake: Lake, named: set[str], needed: Needed, keeping: Keeping) -> Findings:
        return look(
            lake, named, needed, self.extracted, self.marked, now=self.now, grace=keeping.grace
        )


@contextmanager
def _rolled_back(database: Engine) -> Iterator[Connection]:
    try:
        with transaction(database) as connection:
            yield connection
            raise _RolledBack
    except _RolledBack:
        pass


def _matrix(lake: Lake, pointer: Pointer) -> Matrix:
    return Matrix.open(lake, pointer.manifest, pointer.manifest_sha256)


def _rest(found: Findings) -> dict[str, int]:
    return {
        "files_waiting": len(found.waiting),
        "bytes_waiting": sum(entry.size for entry in found.waiting),
        "files_kept": len(found.named),
        "bytes_kept": sum(entry.size for entry in found.named),
    }


def _give_up(database: Engine, fence: int, exc: BaseException) -> None:
    error = exc if isinstance(exc, MusterError) else TransientError("The collection broke off.")
    try:
        with transaction(database) as connection:
            finish_collection(connection, fence=fence, report=None, error=error)
    except PartUnavailable:
        # the error that led here matters more; the lease ends by itself
        get_logger().warning("collection lease not released", fence=fence)
