"""The service as administrators keep it: its settings, how near its limits are, and automatic clean-up."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from muster_console.operation.remote import over
from muster_console.operation.workspace import Workspace, require_administrator
from muster_core.storage import audit, cleanup
from muster_core.storage.cleanup import Cleaned
from muster_core.storage.database import transaction
from muster_core.storage.record import slowest_runs
from muster_core.storage.segment import SegmentRecord, list_segments
from muster_core.storage.segment_use import segment_uses
from muster_core.storage.service_setting import (
    ServiceSettings,
    SettingLine,
    list_service_settings,
    service_settings,
    set_service_setting,
)

#: Segments named of each kind where a limit comes near.
_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitLine:
    """One limit: how much of it is taken, where that can be counted, and where it is set."""

    name: str
    limit: int
    used: int | None
    #: ``fine``, ``approaching``, ``reached`` or ``exceeded``.
    level: str
    #: The command or variable that changes it.
    set_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowSegment:
    """A segment and how long its part of its last batch took."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleSegment:
    """An active segment that nothing uses, and since when it is as it is."""

    name: str
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Every limit; where the active segments come near theirs, what could be switched off."""

    limits: list[LimitLine]
    #: What to tell people, or None while the active segments are far from their limit.
    banner: str | None
    slowest: list[SlowSegment]
    least_used: list[IdleSegment]

    def to_json(self) -> dict[str, Any]:
        """Return it as programs read it."""
        return asdict(self)


@over("GET", "/settings")
def list_settings(workspace: Workspace) -> list[SettingLine]:
    """Return every setting of the service by name."""
    with transaction(workspace.database) as connection:
        return list_service_settings(connection, workspace.settings)


@over("PUT", "/settings/{name}", send=lambda given: {"value": given["value"]})
def change_setting(workspace: Workspace, name: str, value: object) -> SettingLine:
    """Put a setting in force from now on; None goes back to the default.

    Raises:
        NotPermitted: only administrators may.
        NotFound: there is no such setting.
        InvalidInput: it cannot have this value.
    """
    require_administrator(workspace, "change settings")
    with transaction(workspace.database) as connection:
        line = set_service_setting(connection, workspace.settings, name, value)
        detail = {"value": line.value}
        audit.record(connection, workspace.actor, "setting.changed", name, detail)
    return line


@over("POST", "/cleanup")
def run_cleanup(workspace: Workspace, *, dry_run: bool) -> Cleaned:
    """Make inactive what nothing uses, whatever the time of day; with `dry_run` only say what that is.

    Raises:
        NotPermitted: only administrators may, except for a dry run.
    """
    if not dry_run:
        require_administrator(workspace, "clean up")
    with transaction(workspace.database) as connection:
        known = service_settings(connection, workspace.settings)
        cleaned = cleanup.clean_up(
            connection, days=known.cleanup_days, actor=workspace.actor, dry_run=dry_run
        )
        if not dry_run:
            # that somebody asked for it is told although there was nothing to clean up
            detail = {kind: len(cleaned.names(kind)) for kind in ("segment", "measure")}
            audit.record(connection, workspace.actor, "cleanup.asked_for", "cleanup", detail)
    return cleaned


@over("GET", "/limits")
def look_at_limits(workspace: Workspace) -> Limits:
    """Return every limit with how much of it is taken, and what could be switched off."""
    environment = workspace.settings
    with transaction(workspace.database) as connection:
        known = service_settings(connection, environment)
        active = [one for one in list_segments(connection) if one.state == "active"]
        lines = [
            _line("active_segments", known.active_segments, known, used=len(active)),
            _line("members_previewed", known.members_previewed, known),
            _fixed("list_values", environment.limit_values, "MUSTER_LIMIT_VALUES"),
            _fixed("concurrent_runs", environment.concurrent_batches, "MUSTER_CONCURRENT_BATCHES"),
        ]
        slowest = _slowest(connection)
        least_used = _least_used(connection, active)
    return Limits(
        limits=lines,
        banner=_banner(lines[0], slowest, least_used),
        slowest=slowest,
        least_used=least_used,
    )


def level_of(used: int, limit: int, percent: int) -> str:
    """Return how near `used` is to `limit`: from `percent` of it on it is approaching."""
    if used > limit:
        return "exceeded"
    if used == limit:
        return "reached"
    return "approaching" if used * 100 >= limit * percent else "fine"


def _line(name: str, limit: int, known: ServiceSettings, *, used: int | None = None) -> LimitLine:
    level = "fine" if used is None else level_of(used, limit, known.limit_warning_percent)
    return LimitLine(
        name=name, limit=limit, used=used, level=level, set_by=f"muster settings set {name}"
    )


def _fixed(name: str, limit: int, variable: str) -> LimitLine:
    return LimitLine(name=name, limit=limit, used=None, level="fine", set_by=variable)


def _slowest(connection: Connection) -> list[SlowSegment]:
    return [
        SlowSegment(name=run.segment, seconds=run.work_seconds)
        for run in slowest_runs(connection, limit=_NAMED)
        if run.work_seconds is not None
    ]


def _least_used(connection: Connection, active: list[SegmentRecord]) -> list[IdleSegment]:
    """Return active segments that nothing uses, those longest without a change first."""
    uses = segment_uses(connection, [one.name for one in active])
    idle = [one for one in active if one.name in uses and not uses[one.name].used]
    idle.sort(key=lambda one: (one.updated_at, one.name))
    return [IdleSegment(name=one.name, changed_at=one.updated_at) for one in idle[:_NAMED]]


def _banner(
    line: LimitLine, slowest: list[SlowSegment], least_used: list[IdleSegment]
) -> str | None:
    if line.level == "fine":
        return None
    said = [
        f"{line.used:,} segments are active; the limit of {line.limit:,} is {_SAID[line.level]}."
    ]
    if slowest:
        said.append(f"The slowest are {', '.join(one.name for one in slowest[:3])}.")
    if least_used:
        said.append(f"Nothing uses {', '.join(one.name for one in least_used[:3])}.")
    return " ".join(said)


_SAID = {"approaching": "near", "reached": "reached", "exceeded": "exceeded"}
