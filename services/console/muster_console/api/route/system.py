"""The system as a whole: catalog, system schedule, system refresh, and whether the API answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from muster_console.api.idempotency import IdempotentRoute
from muster_console.api.policy import Administering, Anybody, Editing, Viewing
from muster_console.operation import system as operation
from muster_console.operation.catalog import show_catalog
from muster_console.operation.statistic import table_statistics
from muster_core.storage.setting import SystemSchedule

router = APIRouter(tags=["system"], route_class=IdempotentRoute)


class Health(BaseModel):
    """That the API and its database answer."""

    status: str


class ScheduleShown(BaseModel):
    """When everything is refreshed."""

    schedule: str
    next_times: list[datetime]


class ScheduleGiven(BaseModel):
    """A cron, or times of day with weekdays; neither: never by itself."""

    model_config = ConfigDict(extra="forbid")

    cron: str | None = Field(default=None, max_length=256)
    times: list[str] = Field(default=[], max_length=100)
    weekdays: list[str] = Field(default=[], max_length=7)
    timezone: str = Field(default="UTC", max_length=64)


class StatisticsShown(BaseModel):
    """The columns of a table, once for every way it is prepared."""

    items: list[dict[str, Any]]


class Started(BaseModel):
    """A system refresh that was asked for."""

    id: int
    run_ids: list[int]


@router.get("/health")
def health(workspace: Anybody) -> Health:
    """Answer where the database does."""
    operation.get_system_schedule(workspace)
    return Health(status="ok")


@router.get("/catalog/statistics/{table}")
def statistics(
    workspace: Viewing, table: str, column: Annotated[str | None, Query(max_length=512)] = None
) -> StatisticsShown:
    """Return what the columns of a prepared table hold; nothing of the values of personal ones."""
    return StatisticsShown(
        items=[summary.to_json() for summary in table_statistics(workspace, table, column)]
    )


@router.get("/catalog")
def catalog(workspace: Viewing) -> dict[str, Any]:
    """Return the catalog in use."""
    return show_catalog(workspace).model_dump(mode="json", by_alias=True, exclude_unset=True)


@router.get("/system/schedule")
def show_schedule(workspace: Viewing) -> ScheduleShown:
    """Return when everything is refreshed, with the next times."""
    return _shown(operation.get_system_schedule(workspace))


@router.put("/system/schedule")
def set_schedule(workspace: Administering, given: ScheduleGiven) -> ScheduleShown:
    """Set when everything is refreshed."""
    return _shown(
        operation.set_system_schedule(
            workspace,
            cron=given.cron,
            times=given.times,
            weekdays=given.weekdays,
            timezone=given.timezone,
        )
    )


@router.post("/system/refresh", status_code=202)
def refresh(workspace: Editing) -> Started:
    """Refresh everything that follows the system schedule now."""
    started = operation.refresh_system(workspace)
    return Started(id=started.id, run_ids=started.run_ids)


@router.get("/system/refreshes")
def list_refreshes(workspace: Viewing) -> list[dict[str, Any]]:
    """List the latest system refreshes, the newest first."""
    return [operation.refresh_json(r) for r in operation.list_system_refreshes(workspace)]


def _shown(found: SystemSchedule) -> ScheduleShown:
    return ScheduleShown(
        schedule=found.schedule.text(), next_times=found.schedule.coming(found.next_due_at)
    )
