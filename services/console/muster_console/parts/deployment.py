"""Which parts one home needs: embedded ones, except those the environment replaces."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import SecretStr

from muster_console.parts.engine import Engine
from muster_console.parts.external import External
from muster_console.parts.home import Home, disk_errors, write_private
from muster_console.parts.part import Part
from muster_console.parts.port import choose_port
from muster_console.parts.postgres import Postgres
from muster_console.parts.service import Service
from muster_console.parts.setting import PartSettings
from muster_console.parts.valkey import Valkey
from muster_core.errors import InvalidInput, NoSpace, PartUnavailable, Problem, TerminalError
from muster_core.lake.location import Lake
from muster_core.settings import Settings, named_variables

Server = Postgres | Valkey | Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What runs in one home: embedded servers in the order they start, and those that run elsewhere."""

    home: Home
    settings: Settings
    parts: PartSettings
    servers: tuple[Server, ...]
    externals: tuple[External, ...]

    @property
    def database_url(self) -> str:
        """The control database's URL as psycopg takes it."""
        return self._urls()["database_url"]

    @property
    def sqlalchemy_url(self) -> str:
        """The control database's URL as SQLAlchemy takes it."""
        return f"postgresql+psycopg://{self.database_url.partition('://')[2]}"

    def services(self) -> list[Part]:
        """Return the services, told where every part is."""
        addresses = {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self._urls()["redis_url"],
            "ENGINE": self._urls()["engine"],
            "LAKE_URL": self._urls()["lake_url"],
        }
        return [
            Service(
                name,
                self.home,
                addresses=addresses,
                database_url=self.database_url,
                stop_seconds=self.parts.stop_seconds,
                port=_port(self.home, self.parts, name) if name == "console" else None,
            )
            for name in self.parts.service_names
        ]

    def publish(self) -> None:
        """Write the addresses where `Settings` finds them."""
        with disk_errors(self.home.path):
            write_private(self.settings.parts_file, json.dumps(self._urls()))

    def withdraw(self) -> None:
        """Remove the addresses: nothing runs any more."""
        self.settings.parts_file.unlink(missing_ok=True)

    def _urls(self) -> dict[str, str]:
        urls = {part.name: part.url for part in (*self.servers, *self.externals)}
        lake = self.settings.lake_url or str(self.home.lake)
        database = f"postgresql://{urls['postgres'].partition('://')[2]}"
        return {
            "database_url": database,
            "redis_url": urls["valkey"],
            "engine": urls["engine"],
            "lake_url": lake,
        }


def deployment_of(settings: Settings) -> Deployment:
    """Choose parts and ports for the home of `settings`; nothing is started yet.

    Raises:
        InvalidInput: a MUSTER_ variable has no sensible value, or an address cannot be read.
        PartUnavailable: a port asked for is taken, a wheel is missing, or home or lake are not writable.
        NoSpace: the disk is full.
    """
    parts = read_part_settings()
    home = Home(settings.home)
    home.create()
    if settings.lake_url:
        _check_lake(settings.lake_url)
    servers: list[Server] = []
    externals: list[External] = []

    def place(
        name: str, variable: str, given: SecretStr | None, make: Callable[[int], Server]
    ) -> None:
        if given is not None and given.get_secret_value():
            externals.append(External(name=name, variable=variable, url=given.get_secret_value()))
            return
        servers.append(make(_port(home, parts, name)))

    # the engine is the slowest to start, so it comes first; all of them start side by side
    place("engine", "ENGINE", settings.engine, lambda port: _engine(home, port, parts))
    place("valkey", "REDIS_URL", settings.redis_url, lambda port: Valkey(home, port))
    place("postgres", "DATABASE_URL", settings.database_url, lambda port: Postgres(home, port))
    return Deployment(
        home=home,
        settings=settings,
        parts=parts,
        servers=tuple(servers),
        externals=tuple(externals),
    )


def read_part_settings() -> PartSettings:
    """Read the environment.

    Raises:
        InvalidInput: a variable has no sensible value.
    """
    with named_variables():
        return PartSettings()


def _check_lake(url: str) -> None:
    """Refuse a lake the services could not write to, before any of them starts."""
    try:
        lake = Lake(url)
    except TerminalError as exc:
        raise InvalidInput(
            [Problem(message=f"LAKE_URL: {exc.message}", hint=exc.hint)], "LAKE_URL cannot be used"
        ) from exc
    try:
        lake.check()
    except OSError as exc:
        error = NoSpace if exc.errno in (errno.ENOSPC, errno.EDQUOT) else PartUnavailable
        hint = "Make it writable for this user, or unset LAKE_URL to keep the lake in the home."
        if not lake.is_local:
            hint = "Correct LAKE_URL, or the credentials in the environment (docs/operating.md)."
        raise error(
            f"LAKE_URL names {lake.url}, which cannot be written: {exc.strerror or exc}.", hint=hint
        ) from exc


def _engine(home: Home, port: int, parts: PartSettings) -> Engine:
    return Engine(home, port, memory=parts.engine_memory, cores=parts.engine_cores)


def _port(home: Home, parts: PartSettings, name: str) -> int:
    fixed: int | None = getattr(parts, f"{name}_port")
    variable = f"MUSTER_{name.upper()}_PORT"
    port = choose_port(name, variable, fixed=fixed, last=home.last_port(name))
    home.remember_port(name, port)
    return port
