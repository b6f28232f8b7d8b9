"""The service as administrators keep it: settings, limits, automatic clean-up."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, StrictBool, StrictInt

from muster_console.api.body import Given
from muster_console.api.idempotency import IdempotentRoute
from muster_console.api.policy import Administering, Viewing
from muster_console.operation import service as operation
from muster_console.operation.service import Limits
from muster_core.storage.cleanup import Unused
from muster_core.storage.service_setting import SettingLine

router = APIRouter(tags=["service"], route_class=IdempotentRoute)


class SettingValue(Given):
    """The value to put in force; null goes back to the default."""

    value: StrictBool | StrictInt | None


class CleanupRequest(Given):
    """Whether only to say what would become inactive."""

    dry_run: bool = False


class CleanupResult(BaseModel):
    """What became inactive, or would; untouched for so many days."""

    at: datetime
    days: int
    dry_run: bool
    found: list[Unused]


@router.get("/settings")
def list_settings(workspace: Viewing) -> list[SettingLine]:
    """Return every setting of the service by name."""
    return operation.list_settings(workspace)


@router.put("/settings/{name}")
def change_setting(workspace: Administering, name: str, request: SettingValue) -> SettingLine:
    """Put a setting in force from now on."""
    return operation.change_setting(workspace, name, request.value)


@router.get("/limits")
def look_at_limits(workspace: Viewing) -> Limits:
    """Return every limit with how near it is, and a banner where active segments come near theirs."""
    return operation.look_at_limits(workspace)


@router.post("/cleanup")
def clean_up(workspace: Administering, request: CleanupRequest) -> CleanupResult:
    """Make inactive what nothing uses and nobody changed for long, or say what that is."""
    cleaned = operation.run_cleanup(workspace, dry_run=request.dry_run)
    return CleanupResult(
        at=cleaned.at, days=cleaned.days, dry_run=request.dry_run, found=cleaned.found
    )
