"""Refusing a snapshot in which a table lost most of its rows: an upstream fault must not empty segments."""

from __future__ import annotations

from muster_core.errors import SourceShrunken
from muster_core.lake.manifest import SnapshotManifest

#: Smaller tables may lose what they like: a handful of rows says nothing.
LEAST_ROWS = 100


def refuse_shrunken(before: SnapshotManifest | None, now: SnapshotManifest, share: float) -> None:
    """Compare the rows of every table that is in both snapshots.

    Raises:
        SourceShrunken: one lost `share` of its rows or more; 1 lets even an empty table pass.
    """
    if before is None or share >= 1:
        return
    rows, found = _rows(before), _rows(now)
    for name in sorted(rows.keys() & found.keys()):
        # of whole numbers: 180 of 200 are 90 %, whatever floating point makes of it
        lost = round((rows[name] - found[name]) / max(1, rows[name]), 9)
        if rows[name] >= LEAST_ROWS and lost >= share:
            raise SourceShrunken(
                f"The table {name} has {found[name]:,} rows, the snapshot before had {rows[name]:,}; "
                f"losing {share:.0%} or more is taken for a fault.",
                hint="See to its source. If this is meant, set MUSTER_SHRINK_SHARE=1 for the worker until the "
                "next snapshot is published; until then the last one is used.",
            )


def _rows(manifest: SnapshotManifest) -> dict[str, int]:
    """Return the rows that arrived of each table; those whose customer is not known yet are among them."""
    related = {
        name.partition("@")[0]: t.rows + t.orphan_rows for name, t in manifest.tables.items()
    }
    dimensions = {name: table.rows for name, table in manifest.dimensions.items()}
    return dimensions | related | {manifest.catalog.profile.name: manifest.customers}
