"""What is still needed of the lake, what is not, and the leased, fenced right to remove it.

A snapshot that nothing needs is marked `expired_at` before any file of it goes: from then on nobody may take it
up again. Pointers to the members of old versions are deleted; the versions themselves, with their figures, stay.
Files are marked in `garbage` when nothing names them, and removed from the lake a grace later.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import JSONB

from muster_core.collection.keeping import Keeping
from muster_core.errors import Conflict, MusterError
from muster_core.lake.manifest import Pointer
from muster_core.lake.place import batch_prefix, preparation_prefix


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """How many snapshots nothing needs any more, and how many versions lost their members."""

    snapshots: int
    versions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """What must stay readable: (manifest path, SHA-256) of snapshots and of memberships, and single files."""

    snapshots: frozenset[tuple[str, str]]
    matrices: frozenset[tuple[str, str]]
    files: frozenset[str]
    #: Where those who hold a lease may be writing: what the paths of their files begin with.
    in_flight: tuple[str, ...]


_TAKE = text("""
UPDATE collector
   SET fence = nextval('fence_seq'), lease_owner = :owner,
       lease_expires_at = clock_timestamp() + :lease, started_at = clock_timestamp()
 WHERE id = 1 AND (lease_expires_at IS NULL OR lease_expires_at <= clock_timestamp())
   AND (CAST(:every AS interval) IS NULL
        OR (coalesce(finished_at, '-infinity') <= clock_timestamp() - CAST(:every AS interval)
            AND coalesce(started_at, '-infinity')
                <= clock_timestamp() - CAST(:every AS interval) / 24))
RETURNING fence
""")

_EXTEND = text("""
UPDATE collector SET lease_expires_at = clock_timestamp() + :lease
 WHERE id = 1 AND fence = :fence AND lease_expires_at > clock_timestamp()
RETURNING fence
""")

_FINISH = text("""
UPDATE collector SET lease_owner = NULL, lease_expires_at = NULL,
       finished_at = CASE WHEN CAST(:error_class AS text) IS NULL THEN clock_timestamp()
                          ELSE finished_at END,
       report = coalesce(:report, report), error_class = :error_class, error = :error
 WHERE id = 1 AND fence = :fence
""").bindparams(sa.bindparam("report", type_=JSONB(none_as_null=True)))

# Whoever takes a snapshot up anew locks it FOR SHARE: what is read after this is not changed by them.
_LOCK_SNAPSHOTS = text("""
SELECT id FROM snapshot WHERE expired_at IS NULL ORDER BY id FOR NO KEY UPDATE
""")

#: The versions whose members can be asked for, with the snapshots whose columns go with them. Those of the
#: destinations' bases are needed to tell what changed since, also where the latest delivery is repeated, and
#: so are those whose members a delivery leaves out.
_VERSIONS_IN_USE = """
    SELECT s.id AS segment_id, s.published_version AS version FROM segment s
     WHERE s.published_version IS NOT NULL
       AND coalesce(s.deleted_at, 'infinity') > clock_timestamp() - CAST(:snapshots AS interval)
    UNION
    SELECT d.segment_id, d.version FROM delivery d WHERE d.state IN ('pending', 'running', 'held')
    UNION
    SELECT d.segment_id, CAST(d.basis->>'version' AS bigint) FROM delivery d
     WHERE d.state IN ('pending', 'running', 'held') AND d.basis->>'version' IS NOT NULL
    UNION
    SELECT d.segment_id, CAST(d.basis->>'version' AS bigint) FROM delivery d
      JOIN segment s ON s.id = d.segment_id AND s.published_version = d.version
     WHERE d.basis->>'version' IS NOT NULL
    UNION
    SELECT b.segment_id, b.version FROM export_basis b
    UNION
    SELECT CAST(n->>1 AS bigint), CAST(n->>2 AS bigint) FROM delivery d
      LEFT JOIN export_basis b USING (export_id, segment_id, version)
     CROSS JOIN jsonb_array_elements(CASE WHEN jsonb_typeof(d.suppressed) = 'array'
                                          THEN d.suppressed ELSE '[]' END) n
     WHERE (d.state IN ('pending', 'running', 'held') OR b.version IS NOT NULL)
       AND n->>2 IS NOT NULL
"""

# `IN` of a query of its own is answered by one hash table; a null in it would make the answer unknown.
_SNAPSHOT_IN_USE = f"""
    NOT EXISTS (SELECT 1 FROM snapshot c WHERE c.parent_id = n.id
                   AND c.created_at <= clock_timestamp() - CAST(:snapshots AS interval))
    OR n.id IN (
        SELECT snapshot_id FROM store_head WHERE snapshot_id IS NOT NULL
        UNION
        SELECT snapshot_id FROM batch WHERE state = 'running' AND snapshot_id IS NOT NULL
        UNION
        SELECT snapshot_id FROM refresh_run
         WHERE state IN ('running', 'evaluated', 'held') AND snapshot_id IS NOT NULL
        UNION
        SELECT snapshot_id FROM system_refresh
         WHERE state = 'running' AND snapshot_id IS NOT NULL
        UNION
        SELECT f.snapshot_id FROM system_refresh f JOIN refresh_run r ON r.system_refresh_id = f.id
         WHERE r.state IN ('pending', 'running', 'evaluated') AND f.snapshot_id IS NOT NULL
        UNION
        SELECT v.snapshot_id FROM membership_version v
          JOIN ({_VERSIONS_IN_USE}) u USING (segment_id, version))
"""  # noqa: S608 - constants

_EXPIRE_SNAPSHOTS = text(f"""
UPDATE snapshot n SET expired_at = clock_timestamp()
 WHERE n.expired_at IS NULL AND NOT ({_SNAPSHOT_IN_USE})
""")  # noqa: S608

# The newest versions of a segment are counted by their pointers: what was lost once does not come back.
_EXPIRE_VERSIONS = text(f"""
WITH placed AS (
    SELECT p.segment_id, p.version,
           row_number() OVER (PARTITION BY p.segment_id ORDER BY p.version DESC) AS place,
           coalesce(s.deleted_at, 'infinity') > clock_timestamp() - CAST(:snapshots AS interval)
               AS known
      FROM membership_pointer p JOIN segment s ON s.id = p.segment_id
)
DELETE FROM membership_pointer p USING placed o
 WHERE o.segment_id = p.segment_id AND o.version = p.version
   AND (o.place > :versions OR NOT o.known)
   AND NOT EXISTS (SELECT 1 FROM ({_VERSIONS_IN_USE}) u
                    WHERE u.segment_id = p.segment_id AND u.version = p.version)
""")  # noqa: S608

_SNAPSHOTS = text(
    f"SELECT n.manifest, n.manifest_sha256 FROM snapshot n"  # noqa: S608
    f" WHERE n.expired_at IS NULL OR ({_SNAPSHOT_IN_USE})"
)

#: Members of published versions, and of runs that may become one.
_MATRICES = text("""
SELECT manifest, manifest_sha256 FROM membership_pointer
UNION
SELECT manifest, manifest_sha256 FROM refresh_run
 WHERE state IN ('running', 'evaluated', 'held') AND manifest IS NOT NULL
""")

# Whatever a basis names: texts that are no path of a file do no harm.
_FILES = text("""
SELECT hashes FROM export_basis WHERE hashes IS NOT NULL
UNION
SELECT found #>> '{}' FROM delivery d, jsonb_path_query(d.basis, 'strict $.**') found
 WHERE d.state IN ('pending', 'running', 'held') AND jsonb_typeof(found) = 'string'
""")

_PREPARING = text("""
SELECT fence FROM store_head WHERE lease_expires_at > clock_timestamp() AND fence IS NOT NULL
""")

# Whoever lost a lease may take a while to notice: what it wrote is young, which keeps it as well.
_BATCHES = text("SELECT id, fence FROM batch WHERE state = 'running'")

_SHARED_MATRICES = text("""
SELECT p.manifest, p.manifest_sha256, array_agg(p.bit ORDER BY p.bit) AS bits
  FROM membership_pointer p
 WHERE NOT EXISTS (SELECT 1 FROM refresh_run r WHERE r.manifest = p.manifest
                      AND r.state IN ('running', 'evaluated', 'held'))
 GROUP BY p.manifest, p.manifest_sha256 ORDER BY p.manifest
""")

_MOVE = text("""
UPDATE membership_pointer p
   SET manifest = :manifest, manifest_sha256 = :sha256, bit = m.new_bit
  FROM unnest(CAST(:old_bits AS int[]), CAST(:new_bits AS int[])) AS m(old_bit, new_bit)
 WHERE p.manifest = :old AND p.bit = m.old_bit
""")

# The lock lets whoever removes snapshots wait until the version is in use.
_KEPT = text("""
SELECT true
  FROM membership_pointer p
  JOIN membership_version v ON v.segment_id = p.segment_id AND v.version = p.version
  JOIN snapshot n ON n.id = v.snapshot_id
 WHERE p.segment_id = :segment AND p.version = :version AND n.expired_at IS NULL
   FOR SHARE OF p, n
""")

_MARK = text("""
INSERT INTO garbage (path) SELECT unnest(CAST(:paths AS text[])) ON CONFLICT (path) DO NOTHING
""")

_FORGET = text("DELETE FROM garbage WHERE path = ANY(:paths)")

_MARKED = text("""
SELECT path, marked_at <= clock_timestamp() - CAST(:grace AS interval) AS ripe FROM garbage
""")

_LAST = text("""
SELECT lease_expires_at > clock_timestamp() AS held, lease_owner, started_at, finished_at, report,
       error_class, error
  FROM collector WHERE id = 1
""")


def require_kept(connection: Connection, segment_id: int, version: int) -> None:
    """Make sure that the members of a version and its snapshot are there, until the transaction ends.

    Raises:
        Conflict: they are no longer kept.
    """
    if connection.scalar(_KEPT, {"segment": segment_id, "version": version}) is None:
        raise Conflict(
            f"Version {version} is no longer kept with all that belongs to it.",
            hint="Deliver the latest version: `muster export deliver NAME`.",
        )


def take_collection(
    connection: Connection, *, owner: str, lease: timedelta, every: timedelta | None = None
) -> int | None:
    """Take the right to collect and return its fence; None while somebody else holds it.

    With `every` it is given only where the last success is as long ago, and the last start a 24th of it.
    """
    fence: int | None = connection.scalar(_TAKE, {"owner": owner, "lease": lease, "every": every})
    return fence


def extend_collection(connection: Connection, *, fence: int, lease: timedelta) -> bool:
    """Extend the lease to `lease` from now; False once it is no longer held."""
    return connection.scalar(_EXTEND, {"fence": fence, "lease": lease}) is not None


def finish_collection(
    connection: Connection,
    *,
    fence: int,
    report: Mapping[str, Any] | None,
    error: MusterError | None = None,
) -> None:
    """End the lease and keep what came of it; nothing happens once it is not held."""
    given = {
        "fence": fence,
        "report": None if report is None else dict(report),
        "error_class": error.code if error else None,
        "error": str(error) if error else None,
    }
    connection.execute(_FINISH, given)


def last_collection(connection: Connection) -> dict[str, Any]:
    """Return who collects, when the last one began and ended, its report, and why one failed since."""
    return dict(connection.execute(_LAST).mappings().one())


def expire(connection: Connection, keeping: Keeping) -> Expired:
    """Mark the snapshots that nothing needs, and drop the pointers of versions that are not kept."""
    connection.execute(_LOCK_SNAPSHOTS)
    given = {"snapshots": keeping.snapshots, "versions": keeping.versions}
    snapshots = connection.execute(_EXPIRE_SNAPSHOTS, given).rowcount
    versions = connection.execute(_EXPIRE_VERSIONS, given).rowcount
    return Expired(snapshots=snapshots, versions=versions)


def read_needed(connection: Connection, keeping: Keeping) -> Needed:
    """Return what must stay, whatever is marked."""
    snapshots = connection.execute(_SNAPSHOTS, {"snapshots": keeping.snapshots})
    matrices = connection.execute(_MATRICES)
    preparing = connection.scalars(_PREPARING)
    batches = connection.execute(_BATCHES)
    return Needed(
        snapshots=frozenset((row.manifest, row.manifest_sha256) for row in snapshots),
        matrices=frozenset((row.manifest, row.manifest_sha256) for row in matrices),
        files=frozenset(connection.scalars(_FILES)),
        in_flight=(
            *(preparation_prefix(fence) for fence in preparing),
            *(batch_prefix(row.id, row.fence) for row in batches),
        ),
    )


def pointed_bits(connection: Connection) -> list[tuple[Pointer, list[int]]]:
    """Return every membership whose runs have ended, at its first bit in use, with all its bits in use."""
    return [
        (
            Pointer(manifest=row.manifest, manifest_sha256=row.manifest_sha256, bit=row.bits[0]),
            list(row.bits),
        )
        for row in connection.execute(_SHARED_MATRICES)
    ]


def move_pointers(
    connection: Connection,
    *,
    old: str,
    manifest: str,
    manifest_sha256: str,
    bits: Mapping[int, int],
) -> int:
    """Let the versions at `old` point to the same members elsewhere; `bits` are new ones by old ones."""
    given = {
        "old": old,
        "manifest": manifest,
        "sha256": manifest_sha256,
        "old_bits": list(bits),
        "new_bits": list(bits.values()),
    }
    return connection.execute(_MOVE, given).rowcount


def mark_garbage(connection: Connection, paths: Sequence[str]) -> None:
    """Note that nothing names these files, from now on where that was not known."""
    if paths:
        connection.execute(_MARK, {"paths": list(paths)})


def forget_garbage(connection: Connection, paths: Collection[str]) -> None:
    """Note that these files are named again, or have gone."""
    if paths:
        connection.execute(_FORGET, {"paths": list(paths)})


def marked_garbage(connection: Connection, grace: timedelta) -> dict[str, bool]:
    """Return every marked file, and whether it has been for as long as `grace`."""
    return {row.path: row.ripe for row in connection.execute(_MARKED, {"grace": grace})}
