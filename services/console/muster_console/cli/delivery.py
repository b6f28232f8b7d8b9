"""Deliveries, as tables and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from muster_console.cli.output import print_table
from muster_core.runs.input import UsedSegment
from muster_core.storage.delivery_record import StoredDelivery


def print_deliveries(found: list[StoredDelivery]) -> None:
    """Print deliveries, with what was not fresh in any of them."""
    columns = ("id", "export", "segment", "version", "state", "rows", "bytes", "finished", "where")
    # told only where there is something to tell: the table is wide enough
    marked = any(d.stale for d in found)
    rows = [
        (
            d.id,
            d.export,
            d.segment,
            d.version,
            d.state,
            d.rows,
            d.bytes,
            d.finished_at,
            d.waits_for or d.error or d.location,
            *(["; ".join(map(_stale, d.stale))] if marked else []),
        )
        for d in found
    ]
    print_table("deliveries", (*columns, "not fresh") if marked else columns, rows)


def _stale(used: UsedSegment) -> str:
    if used.version is None or used.age_seconds is None:
        return f"{used.segment}: {used.reason}"
    age = timedelta(seconds=int(used.age_seconds))
    return f"{used.segment} version {used.version}, {age} old: {used.reason}"


def delivery_json(delivery: StoredDelivery) -> dict[str, object]:
    """Return a delivery as programs read it."""
    found = asdict(delivery)
    del found["stale"]
    names = ("segment", "version", "published_at", "age_seconds", "reason")
    found["stale_references"] = [
        {name: getattr(used, name) for name in names} for used in delivery.stale
    ]
    return found
