"""What an operator may fix about the embedded parts; everything else is chosen."""

from __future__ import annotations

import os

import psutil
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from muster_console.parts.service import SERVICES
from muster_core.settings import Seconds, Settings

_GIBIBYTE = 1024**3


def default_memory() -> str:
    """Return the engine's heap: a quarter of the machine's memory, between 1 and 4 GiB."""
    quarter = psutil.virtual_memory().total // 4
    return f"{min(max(quarter, _GIBIBYTE), 4 * _GIBIBYTE) // 1024**2}m"


def default_cores() -> int:
    """Return how many tasks run at the same time: one a core, as far as the memory beside the heap goes."""
    beside = psutil.virtual_memory().total * 3 // 4
    return max(1, min(os.cpu_count() or 1, beside // Settings().task_bytes))


class PartSettings(BaseSettings):
    """Ports and sizes of the embedded parts, from the environment; durations are seconds."""

    model_config = SettingsConfigDict(env_prefix="MUSTER_", frozen=True)

    postgres_port: int | None = Field(default=None, ge=1, le=65535)
    valkey_port: int | None = Field(default=None, ge=1, le=65535)
    engine_port: int | None = Field(default=None, ge=1, le=65535)
    console_port: int | None = Field(default=None, ge=1, le=65535)
    engine_memory: str = Field(default_factory=default_memory, pattern=r"^\d+[mg]$")
    #: Tasks the engine runs at the same time.
    engine_cores: int = Field(default_factory=default_cores, ge=1)
    #: Which services this machine runs, separated by commas; `none` starts the parts alone.
    services: str = "scheduler,worker,exporter,console"
    #: How long a part may take to become ready.
    start_seconds: Seconds = 120.0
    #: How long a service may take to hand its work back.
    stop_seconds: Seconds = 30.0

    @property
    def service_names(self) -> list[str]:
        """The services to start, in their usual order."""
        return [name for name in SERVICES if name in self._asked()]

    def _asked(self) -> set[str]:
        return {name.strip() for name in self.services.split(",")} - {"", "none"}

    @field_validator("services")
    @classmethod
    def _known_services(cls, value: str) -> str:
        unknown = {name.strip() for name in value.split(",")} - {"", "none", *SERVICES}
        if unknown:
            raise ValueError(
                f"unknown service {', '.join(sorted(unknown))}; there are {', '.join(SERVICES)}"
            )
        return value

    @field_validator("postgres_port", "valkey_port", "engine_port", "console_port", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value
