"""Deliveries, as tables and as JSON, and ``muster export deliveries``, which lists them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from muster_console.cli.output import (
    CursorOption,
    JsonOption,
    PageOption,
    SortOption,
    print_more,
    print_page,
    print_table,
)
from muster_console.operation.delivery import deliveries_behind, list_deliveries
from muster_console.operation.workspace import open_workspace
from muster_core.exports.state import DeliveryState
from muster_core.runs.input import UsedSegment
from muster_core.storage.delivery_record import StoredDelivery


def deliveries(
    *,
    export: Annotated[str | None, typer.Option(help="Of this export only.")] = None,
    segment: Annotated[str | None, typer.Option(help="Of this segment only.")] = None,
    state: Annotated[DeliveryState | None, typer.Option(help="In this state only.")] = None,
    sort: SortOption = None,
    limit: Annotated[int, typer.Option(help="Show so many.", min=1, max=10_000)] = 50,
    cursor: CursorOption = None,
    page: PageOption = False,
    json: JsonOption = False,
) -> None:
    """List deliveries, by default the newest first."""
    order = sort or "-id"
    with open_workspace() as workspace:
        found = list_deliveries(
            workspace,
            export_name=export,
            segment_name=segment,
            state=state,
            sort=order,
            limit=limit,
            cursor=cursor,
        )
    following = deliveries_behind(found, limit, order)
    if json:
        print_page([delivery_json(d) for d in found], following, page=page)
    else:
        print_deliveries(found)
        print_more(len(found), following)


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
