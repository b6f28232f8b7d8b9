"""Who prepares: one holder of a lease at a time, and nobody where nothing changed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import SparkSession
from sqlalchemy import Engine

from muster_core.catalog.document import Catalog
from muster_core.clock import boottime
from muster_core.errors import LeaseLost, MusterError, NotFound, PartUnavailable, SnapshotMoved
from muster_core.lake.location import Lake
from muster_core.lake.manifest import SnapshotManifest
from muster_core.lake.place import preparation_folder
from muster_core.lake.store import Store
from muster_core.settings import Settings
from muster_core.storage.catalog import apply_catalog, current_catalog
from muster_core.storage.database import transaction
from muster_core.storage.snapshot import (
    Head,
    PublishedSnapshot,
    extend_lease,
    publish_snapshot,
    read_head,
    release_lease,
    take_lease,
)
from muster_core.storage.usage import Users
from muster_core.telemetry import get_logger
from muster_worker.extract.ingest import due_tables, extract_due
from muster_worker.extract.signal import AnyOf
from muster_worker.prepare.change import is_unchanged, look
from muster_worker.prepare.drift import follow_sources
from muster_worker.prepare.guard import refuse_shrunken
from muster_worker.prepare.preparation import Preparation, Progress, prepare

#: How often one that waits for another's preparation looks whether it has ended.
POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedSnapshot:
    """The snapshot to work on; `unchanged` means it was already there."""

    id: int
    manifest: str
    manifest_sha256: str
    unchanged: bool


def ensure_prepared(
    database: Engine,
    spark_factory: Callable[[], SparkSession],
    settings: Settings,
    *,
    owner: str,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> PinnedSnapshot:
    """Return a snapshot of the sources as they are now, preparing one where they changed.

    No engine session is made where nothing changed. While another holder prepares, this waits for it and then
    looks again. Setting `stop` ends the waiting.

    Raises:
        NotFound: no catalog was applied.
        LeaseLost: the lease ended during the preparation, or `stop` was set; nothing was published.
        SnapshotMoved: another preparation published first.
        MusterError: what `muster_worker.prepare.preparation.prepare` raises; kept in `store_head`.
    """
    stop = stop or threading.Event()
    lake = Lake(settings.lake())
    while True:
        with transaction(database) as connection:
            found = current_catalog(connection)
            head = read_head(connection)
        if found is None:
            raise NotFound("No catalog was applied.", hint="Run `muster catalog apply FILE` first.")
        catalog_id, catalog = found
        due = due_tables(lake, catalog)
        if head.snapshot and not due and _fits(lake, catalog, head.snapshot):
            return _pinned(head.snapshot, unchanged=True)
        with transaction(database) as connection:
            fence = take_lease(connection, owner=owner, lease=settings.lease)
            head = read_head(connection)
        if fence is not None:
            break
        if progress:
            progress(f"waiting for {head.owner or 'another process'}", 0, 1)
        if stop.wait(POLL_SECONDS):
            raise LeaseLost("The worker was stopped while it waited for a preparation.")
    return _prepare_held(
        database, spark_factory, settings, lake, catalog_id, catalog, head, fence, progress, stop
    )


def _fits(lake: Lake, catalog: Catalog, snapshot: PublishedSnapshot) -> bool:
    store = Store.open(lake, snapshot.manifest, snapshot.manifest_sha256)
    # a catalog that is not even the one prepared needs no look at the sources
    return catalog == store.manifest.catalog and is_unchanged(
        catalog, look(catalog, lake), store.manifest
    )


def _pinned(snapshot: PublishedSnapshot, *, unchanged: bool) -> PinnedSnapshot:
    return PinnedSnapshot(
        id=snapshot.id,
        manifest=snapshot.manifest,
        manifest_sha256=snapshot.manifest_sha256,
        unchanged=unchanged,
    )


def _prepare_held(
    database: Engine,
    spark_factory: Callable[[], SparkSession],
    settings: Settings,
    lake: Lake,
    catalog_id: int,
    catalog: Catalog,
    head: Head,
    fence: int,
    progress: Progress | None,
    stop: threading.Event,
) -> PinnedSnapshot:
    """Prepare and publish under `fence`; whatever goes wrong ends the lease and is kept."""
    parent = head.snapshot
    try:
        with _heartbeat(database, settings, fence) as lost:
            extract_due(lake, catalog, os.environ, progress=progress, stop=AnyOf((lost, stop)))
            if parent and _fits(lake, catalog, parent):
                with transaction(database) as connection:
                    release_lease(connection, fence=fence, error=None)
                return _pinned(parent, unchanged=True)
            before = _manifest(lake, parent)
            followed = _follow(database, settings, lake, catalog, before)
            made = prepare(
                spark_factory(),
                lake,
                followed,
                parent=(parent.manifest, parent.manifest_sha256) if parent else None,
                partitions=settings.partitions,
                most_files=settings.partition_files,
                progress=progress,
                directory=preparation_folder(fence),
            )
            if lost.is_set():
                raise LeaseLost()
        refuse_shrunken(before, made.manifest, settings.shrink_share)
        if made.unchanged and parent:
            with transaction(database) as connection:
                release_lease(connection, fence=fence, error=None)
            return _pinned(parent, unchanged=True)
        created = _publish(database, made, catalog_id, parent, fence, followed != catalog)
    except BaseException as exc:
        _give_up(database, fence, exc if isinstance(exc, MusterError) else None)
        raise
    get_logger().info("snapshot published", snapshot=created, fence=fence, **_counts(made))
    return PinnedSnapshot(
        id=created, manifest=made.manifest_path, manifest_sha256=made.sha256, unchanged=False
    )


def _manifest(lake: Lake, parent: PublishedSnapshot | None) -> SnapshotManifest | None:
    return Store.open(lake, parent.manifest, parent.manifest_sha256).manifest if parent else None


def _follow(
    database: Engine,
    settings: Settings,
    lake: Lake,
    catalog: Catalog,
    before: SnapshotManifest | None,
) -> Catalog:
    """Return the catalog with the columns its sources have now."""
    with transaction(database) as connection:
        users = Users.read(connection, settings.limits)
    return follow_sources(catalog, look(catalog, lake).listing, before, users)


def _publish(
    database: Engine,
    made: Preparation,
    catalog_id: int,
    parent: PublishedSnapshot | None,
    fence: int,
    drifted: bool,
) -> int:
    with transaction(database) as connection:
        if drifted:
            newest = current_catalog(connection)
            if newest is None or newest[0] != catalog_id:
                raise SnapshotMoved(
                    "The catalog was changed meanwhile; its preparation begins anew."
                )
            catalog_id, _ = apply_catalog(connection, made.manifest.catalog)
        return publish_snapshot(
            connection,
            fence=fence,
            parent_id=parent.id if parent else None,
            generation=made.manifest.generation,
            manifest=made.manifest_path,
            manifest_sha256=made.sha256,
            catalog_id=catalog_id,
            customers=made.manifest.customers,
            report=made.report,
        )


def _counts(made: Preparation) -> dict[str, object]:
    return {
        "customers": made.manifest.customers,
        "seconds": made.report["seconds"],
        "tables": len(made.manifest.tables),
    }


def _give_up(database: Engine, fence: int, error: MusterError | None) -> None:
    try:
        with transaction(database) as connection:
            release_lease(connection, fence=fence, error=error)
    except PartUnavailable:
        # the error that led here matters more; the lease ends by itself
        get_logger().warning("preparation lease not released", fence=fence)


@contextmanager
def _heartbeat(database: Engine, settings: Settings, fence: int) -> Iterator[threading.Event]:
    """Extend the lease from a thread of its own; the event is set once the lease cannot be trusted."""
    done, lost = threading.Event(), threading.Event()
    # a lease shorter than the margin, as tests use it, is trusted for its first half
    trusted = max(
        settings.lease_seconds - settings.trust_margin_seconds, settings.lease_seconds / 2
    )

    def beat() -> None:
        until = boottime() + trusted
        while not done.wait(min(settings.heartbeat_seconds, settings.lease_seconds / 4)):
            asked = boottime()
            try:
                with transaction(database) as connection:
                    held = extend_lease(connection, fence=fence, lease=settings.lease)
            except PartUnavailable:
                held = True
            else:
                until = asked + trusted
            if not held or boottime() > until:
                lost.set()
                return

    thread = threading.Thread(target=beat, name="prepare-lease", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        done.set()
        thread.join()
