"""Settings of the service that administrators change while it runs, kept in the control database.

What a process needs before it has a database is in its environment, see `muster_core.settings`; where both know
a name, the environment's value is the default of the one here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from muster_core.errors import InvalidInput, NotFound, Problem
from muster_core.settings import Settings
from muster_core.spelling import name_hint
from muster_core.storage.definition_table import setting

#: What their names begin with in the table of settings; other things live there as well.
_PREFIX = "service:"


class ServiceSettings(BaseModel):
    """The settings in force; each description says what its setting does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    active_segments: Annotated[
        int,
        Field(
            strict=True,
            ge=1,
            le=1_000_000,
            description="active segments the deployment is made for",
        ),
    ] = 1_000
    limit_warning_percent: Annotated[
        int,
        Field(
            strict=True,
            ge=1,
            le=100,
            description="percent of a limit from which on people are warned",
        ),
    ] = 80
    members_previewed: Annotated[
        int, Field(strict=True, ge=1, le=100_000, description="members that one look may show")
    ] = 100_000
    cleanup: Annotated[
        bool, Field(strict=True, description="whether unused segments and measures are cleaned up")
    ] = True
    cleanup_days: Annotated[
        int,
        Field(
            strict=True,
            ge=1,
            le=3_650,
            description="days without change until clean-up looks at them",
        ),
    ] = 45


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingLine:
    """One setting: what is in force, since when it is not the default, and what it does."""

    name: str
    value: int | bool
    default: int | bool
    changed_at: datetime | None
    meaning: str


def service_settings(connection: Connection, environment: Settings) -> ServiceSettings:
    """Return the settings in force."""
    stored = {name: value for name, (value, _) in _stored(connection).items()}
    return ServiceSettings(**{**_defaults(environment), **stored})


def list_service_settings(connection: Connection, environment: Settings) -> list[SettingLine]:
    """Return every setting by name."""
    stored, defaults = _stored(connection), _every_default(environment)
    return [
        SettingLine(
            name=name,
            value=stored[name][0] if name in stored else default,
            default=default,
            changed_at=stored[name][1] if name in stored else None,
            meaning=ServiceSettings.model_fields[name].description or "",
        )
        for name, default in sorted(defaults.items())
    ]


def set_service_setting(
    connection: Connection, environment: Settings, name: str, value: object
) -> SettingLine:
    """Put a value in force from now on; None goes back to the default.

    Raises:
        NotFound: there is no such setting; the hint names the nearest ones.
        InvalidInput: it cannot have this value.
    """
    if name not in ServiceSettings.model_fields:
        raise NotFound(
            f"There is no setting `{name}`.",
            hint=name_hint(name, ServiceSettings.model_fields, "`muster settings list` shows all."),
        )
    if value is None:
        connection.execute(setting.delete().where(setting.c.name == _PREFIX + name))
    else:
        kept = insert(setting).values(name=_PREFIX + name, value=_checked(name, value))
        connection.execute(
            kept.on_conflict_do_update(
                index_elements=["name"],
                set_={"value": kept.excluded.value, "changed_at": sa.func.clock_timestamp()},
            )
        )
    known = {line.name: line for line in list_service_settings(connection, environment)}
    return known[name]


def _checked(name: str, value: object) -> int | bool:
    try:
        found: int | bool = getattr(ServiceSettings.model_validate({name: value}), name)
    except ValidationError as exc:
        raise InvalidInput(
            [Problem(message=error["msg"], pointer=f"/{name}") for error in exc.errors()]
        ) from exc
    return found


def _defaults(environment: Settings) -> Mapping[str, int | bool]:
    return {"active_segments": environment.active_segments}


def _every_default(environment: Settings) -> dict[str, int | bool]:
    return {**ServiceSettings().model_dump(), **_defaults(environment)}


def _stored(connection: Connection) -> dict[str, tuple[Any, datetime]]:
    rows = connection.execute(
        sa.select(setting.c.name, setting.c.value, setting.c.changed_at).where(
            setting.c.name.startswith(_PREFIX)
        )
    )
    # what a newer release keeps is left alone
    return {
        name: (row.value, row.changed_at)
        for row in rows
        if (name := row.name.removeprefix(_PREFIX)) in ServiceSettings.model_fields
    }
