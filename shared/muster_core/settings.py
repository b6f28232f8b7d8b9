"""Where the parts are and how patient Muster is: environment variables, with defaults for one machine.

Each address falls back to what a running ``muster up`` wrote into ``<home>/run/parts.json``, so every
command started with the same `MUSTER_HOME` finds the embedded parts without being told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from muster_core.address import read_address
from muster_core.alerts.signature import signing_key
from muster_core.collection.keeping import Keeping
from muster_core.errors import InvalidInput, PartUnavailable, Problem
from muster_core.rules.limit import DEFAULT_LIMITS, Limits
from muster_core.runs.backoff import Backoff
from muster_core.runs.gate import GatePolicy
from muster_core.security.address import read_allowed
from muster_core.security.outbound import Guard
from muster_core.security.secret import KeyRing, open_key_file, read_keys

#: A duration of a setting: a month is longer than any of them makes sense.
Seconds = Annotated[float, Field(gt=0, le=31 * 86400)]
#: Memory of a setting, in mebibytes or gibibytes.
MemorySize = Annotated[str, Field(pattern=r"^[1-9]\d{0,6}[mg]$")]


def default_home() -> Path:
    """Return the data directory used when `MUSTER_HOME` is not set."""
    return Path.home() / ".muster"


def memory_bytes(text: str) -> int:
    """Return the bytes a `MemorySize` stands for."""
    return int(text[:-1]) << (30 if text.endswith("g") else 20)


@contextmanager
def named_variables() -> Iterator[None]:
    """Translate what pydantic finds wrong while the block reads the environment.

    Raises:
        InvalidInput: it names the variables, and never what stands in them.
    """
    try:
        yield
    except ValidationError as exc:
        problems = [
            Problem(
                message=f"{_variable(error['loc'])}{error['msg'].removeprefix('Value error, ')}"
            )
            for error in exc.errors(include_input=False, include_context=False)
        ]
    else:
        return
    # the first word of a problem is the variable; a service that cannot start says no more than this line
    names = dict.fromkeys(problem.message.split()[0].rstrip(":") for problem in problems)
    raise InvalidInput(problems, f"{' and '.join(names)} cannot be used")


def _variable(location: tuple[int | str, ...]) -> str:
    """Return the variable a problem is about, with a colon; empty where it is about several."""
    if not location:
        return ""
    name = str(location[0])
    return f"{name}: " if name.isupper() else f"MUSTER_{name.upper()}: "


class Settings(BaseSettings):
    """Everything a service reads from its environment; durations are seconds."""

    model_config = SettingsConfigDict(env_prefix="MUSTER_", populate_by_name=True, frozen=True)

    home: Path = Field(default_factory=default_home)
    database_url: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("DATABASE_URL", "database_url")
    )
    redis_url: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("REDIS_URL", "redis_url")
    )
    engine: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("ENGINE", "engine")
    )
    lake_url: str | None = Field(
        default=None, validation_alias=AliasChoices("LAKE_URL", "lake_url")
    )

    lease_seconds: Seconds = 60.0
    heartbeat_seconds: Seconds = 15.0
    #: How long before the end of its lease a holder stops by itself.
    trust_margin_seconds: Seconds = 5.0
    #: How long a worker that is told to stop goes on with its batch before it hands it back.
    stop_grace_seconds: Seconds = 2.0
    reaper_seconds: Seconds = 5.0
    sweep_seconds: Seconds = 5.0
    batch_limit: int = Field(default=1000, ge=1)
    max_attempts: int = Field(default=5, ge=1)
    backoff_seconds: Seconds = 30.0
    backoff_max_seconds: Seconds = 3600.0
    #: Longest evaluation of one batch; one that takes longer is stopped and tried again in smaller ones.
    run_limit_seconds: Seconds = 1800.0
    #: Deliveries of one exporter at the same time; a connection says how many of them may be its own.
    exporter_deliveries: int = Field(default=16, ge=1, le=256)
    #: What one task of the engine may take, its Python process included, such as `1536m` or `2g`.
    task_memory: MemorySize = "1536m"
    #: What all tasks of one batch may take together; None: as many run as the engine has room for.
    batch_memory: MemorySize | None = None
    #: Batches evaluated at the same time, over all workers.
    concurrent_batches: int = Field(default=8, ge=1)
    #: After so many seconds of waiting a run is one step more urgent.
    ageing_seconds: Seconds = 600.0
    #: Lost batches that come back at once in one round of the reaper; the others follow, a round apart.
    recovery_batches: int = Field(default=8, ge=1)
    #: Most percent a segment's size may move before its new version waits for a person.
    gate_change_percent: float = Field(default=50.0, gt=0)
    #: Published versions of a segment before its changes are compared.
    gate_versions: int = Field(default=3, ge=1)
    #: A version that nobody approved for so many days is rejected.
    held_days: float = Field(default=7.0, gt=0, le=365)
    #: A snapshot of the data stays for so many days after the next one; members of so many versions a segment.
    snapshots_kept_days: float = Field(default=7.0, gt=0, le=3660)
    versions_kept: int = Field(default=10, ge=1, le=10_000)
    #: A run that published nothing stays for so many days.
    runs_kept_days: float = Field(default=365.0, ge=1, le=36_500)
    #: What nothing needs is removed so many days after that was found: longer than backups are kept for.
    collect_grace_days: float = Field(default=7.0, ge=1 / 24, le=3660)
    #: Hours from one collection to the next.
    collect_hours: float = Field(default=24.0, ge=1, le=31 * 24)
    #: Where people are told what needs them, and the `whsec_` secret their requests are signed with.
    alert_url: SecretStr | None = None
    alert_secret: SecretStr | None = None
    #: Active segments the deployment is made for; nearing it is told.
    active_segments: int = Field(default=1000, ge=1)
    #: Hash partitions of a new store generation: a power of two; None = chosen from cores and customers.
    partitions: int | None = Field(default=None, ge=1)
    #: Files of one table in one partition; beyond that some are rewritten as one.
    partition_files: int = Field(default=16, ge=2, le=1_000)
    #: Rows that a preview reads of related tables; where there are more it looks at a part of the customers.
    preview_rows: int = Field(default=20_000_000, ge=1)
    #: A table that lost this share of its rows since the last snapshot ends a preparation; 1: none does.
    shrink_share: float = Field(default=0.9, gt=0, le=1)
    #: Upper bounds of one document, see `muster_core.rules.limit`.
    limit_rules: int = Field(default=20, ge=1, le=1_000)
    limit_conditions: int = Field(default=500, ge=1, le=100_000)
    limit_depth: int = Field(default=20, ge=1, le=40)
    limit_values: int = Field(default=10_000, ge=1, le=10_000_000)
    limit_text: int = Field(default=4_096, ge=1, le=1_000_000)
    limit_pattern: int = Field(default=256, ge=1, le=1_000)
    limit_first_year: int = Field(default=1900, ge=1, le=9998)
    limit_last_year: int = Field(default=2200, ge=1, le=9998)
    limit_manual: int = Field(default=100_000, ge=1, le=10_000_000)
    #: Keys that credentials of connections are sealed with, the newest first; else `<home>/secret.keys`.
    secret_keys: SecretStr | None = None
    #: Hosts and networks that connections may reach though they are not public, see docs/connections.md.
    outbound_allow: str = ""
    #: Addresses of proxies before the console, separated by commas: their X-Forwarded headers are believed.
    trusted_proxies: str = ""
    #: A server elsewhere for the command line, and the token for it, by itself or in a file.
    server: str | None = None
    token: SecretStr | None = None
    token_file: Path | None = None
    log_format: str = Field(default="json", pattern="^(json|console)$")

    def __init__(self, **values: Any) -> None:
        """Read the environment; `values` come first.

        Raises:
            InvalidInput: a variable has no sensible value.
        """
        with named_variables():
            super().__init__(**values)

    @field_validator("partitions")
    @classmethod
    def _power_of_two(cls, value: int | None) -> int | None:
        if value is not None and value & (value - 1):
            raise ValueError("must be a power of two")
        return value

    @field_validator("alert_secret")
    @classmethod
    def _a_signing_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            signing_key(value.get_secret_value())
        return value

    @field_validator("outbound_allow")
    @classmethod
    def _readable_list(cls, value: str) -> str:
        read_allowed(value)
        return value

    @model_validator(mode="after")
    def _heartbeat_within_lease(self) -> Self:
        if self.heartbeat_seconds >= self.lease_seconds - self.trust_margin_seconds:
            raise ValueError(
                "MUSTER_HEARTBEAT_SECONDS must be less than MUSTER_LEASE_SECONDS without"
                " MUSTER_TRUST_MARGIN_SECONDS, or a lease ends before it is renewed"
            )
        return self

    @cached_property
    def parts(self) -> dict[str, str]:
        """Return the addresses a running ``muster up`` wrote down; empty where none is running.

        Raises:
            PartUnavailable: the home is a file, or belongs to somebody else.
        """
        try:
            written: dict[str, str] = json.loads(self.parts_file.read_text())
        except FileNotFoundError:
            return {}
        except OSError as exc:
            raise PartUnavailable(
                f"The data directory {self.home} cannot be read: {exc.strerror or exc}.",
                hint="Run this as the user it belongs to, or set MUSTER_HOME to another folder.",
            ) from exc
        return written

    @property
    def parts_file(self) -> Path:
        """Return the file in which ``muster up`` writes the addresses of its parts (mode 0600)."""
        return self.home / "run" / "parts.json"

    @property
    def limits(self) -> Limits:
        """Return how large a document of rules may be."""
        values = max(self.limit_values, DEFAULT_LIMITS.values)
        return Limits(
            rules=self.limit_rules,
            conditions=self.limit_conditions,
            depth=self.limit_depth,
            values=self.limit_values,
            text=self.limit_text,
            pattern=self.limit_pattern,
            first_year=self.limit_first_year,
            last_year=self.limit_last_year,
            manual=self.limit_manual,
            nesting=max(DEFAULT_LIMITS.nesting, 5 * self.limit_depth),
            # a document may hold what the other limits let in, and its lists by hand
            nodes=DEFAULT_LIMITS.nodes
            + 4 * (values - DEFAULT_LIMITS.values)
            + 2 * self.limit_manual,
        )

    @property
    def guard(self) -> Guard:
        """Return what decides where connections may lead."""
        return Guard(allowed=read_allowed(self.outbound_allow))

    def keys(self) -> KeyRing:
        """Return the keys of credentials; the key file is made where neither exists.

        Raises:
            InvalidInput: a key is not usable.
            TerminalError: the key file cannot be read, or others can read it.
        """
        if self.secret_keys is not None:
            return read_keys(self.secret_keys.get_secret_value(), source="MUSTER_SECRET_KEYS")
        return open_key_file(self.key_file, create=True)

    @property
    def key_file(self) -> Path:
        """Return the file with the keys of credentials (mode 0600)."""
        return self.home / "secret.keys"

    @property
    def task_bytes(self) -> int:
        """Return what one task of the engine may take, in bytes."""
        return memory_bytes(self.task_memory)

    @property
    def tasks_in_flight(self) -> int | None:
        """Return how many partitions of a batch may be evaluated at the same time; None: any number."""
        if self.batch_memory is None:
            return None
        return max(1, memory_bytes(self.batch_memory) // self.task_bytes)

    @property
    def lease(self) -> timedelta:
        """Return how long a claim lasts without a heartbeat."""
        return timedelta(seconds=self.lease_seconds)

    @property
    def backoff(self) -> Backoff:
        """Return how long a run waits before it is tried again."""
        return Backoff(
            first=timedelta(seconds=self.backoff_seconds),
            longest=timedelta(seconds=self.backoff_max_seconds),
        )

    @property
    def gate(self) -> GatePolicy:
        """Return which changes of size wait for a person where a segment says nothing else."""
        return GatePolicy(change_percent=self.gate_change_percent, versions=self.gate_versions)

    @property
    def keeping(self) -> Keeping:
        """Return how long snapshots, members of versions, runs, and files that nothing names are kept."""
        return Keeping(
            snapshots=timedelta(days=self.snapshots_kept_days),
            versions=self.versions_kept,
            runs=timedelta(days=self.runs_kept_days),
            grace=timedelta(days=self.collect_grace_days),
        )

    def database(self) -> str:
        """Return the SQLAlchemy URL of the control database, driver ``postgresql+psycopg``.

        Raises:
            PartUnavailable: nothing names a database and no ``muster up`` runs in this home.
        """
        url = self._address("database_url", self.database_url)
        scheme, separator, rest = url.partition("://")
        return (
            f"postgresql+psycopg://{rest}" if separator and scheme.startswith("postgres") else url
        )

    def redis(self) -> str:
        """Return the URL of the Redis-compatible server that carries hints."""
        return self._address("redis_url", self.redis_url)

    def engine_url(self) -> str:
        """Return the Spark Connect URL, ``sc://host:port`` with its token parameter."""
        return self._address("engine", self.engine)

    def lake(self) -> str:
        """Return the lake's URL or absolute path; default ``<home>/lake``."""
        return self.lake_url or self.parts.get("lake_url") or str(self.home.absolute() / "lake")

    def _address(self, name: str, given: SecretStr | None) -> str:
        found = given.get_secret_value() if given else self.parts.get(name)
        if not found:
            variable = name.upper()
            raise PartUnavailable(
                f"No {variable} is set and nothing runs in {self.home}.",
                hint=f"Start everything with `muster up`, or set {variable}.",
            )
        if given:
            read_address(name.upper(), found)
        return found
