"""Addresses that hold passwords: read without quoting them, and blanked where they are logged."""

from __future__ import annotations

import traceback

import pytest

from muster_console.parts.external import External
from muster_core.address import read_address
from muster_core.errors import InvalidInput
from muster_core.settings import Settings
from muster_core.telemetry import redact


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://me:qzx/ame@db.example/muster", "password holds a character"),
        ("postgresql://me:qzx#ame@db.example/muster", "password holds a character"),
        ("postgresql://me:qzx?ame@db.example/muster", "password holds a character"),
        ("postgresql://me:qz@qzx/ame@db.example/muster", "password holds a character"),
        ("postgresql://me:qzxame@one:5432,two:5432/muster", "several hosts"),
        ("postgresql://me:qzxame@db.example:qzx/muster", "port is not a number"),
        ("postgresql://me:qzxame@[db.example/muster", "no address"),
        ("host=db.example password=qzx", "must begin with postgresql://"),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_a_piece_of_the_password(
    monkeypatch: pytest.MonkeyPatch, url: str, message: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    for look in (
        lambda: read_address("DATABASE_URL", url),
        lambda: External(name="postgres", variable="DATABASE_URL", url=url),
        lambda: Settings().database(),
    ):
        with pytest.raises(InvalidInput) as caught:
            look()
        (problem,) = caught.value.problems
        assert str(problem).startswith("DATABASE_URL: ")
        assert message in str(problem)
        said = "".join(traceback.format_exception_only(caught.value)) + str(problem)
        assert "qz" not in said
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("DATABASE_URL", "postgresql://me:s%2Fe%23s@db.example:5432/muster?sslmode=require"),
        ("DATABASE_URL", "postgresql:///muster?host=/run/postgresql"),
        ("REDIS_URL", "rediss://:secret@cache.example/0"),
        ("ENGINE", "sc://spark.example:15002/;token=a@b"),
    ],
)
def test_an_address_of_one_server_is_taken(variable: str, url: str) -> None:
    assert read_address(variable, url).scheme == url.partition(":")[0]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at postgresql://me:se@s/a@me@db/muster now", "at postgresql://***db/muster now"),
        ("postgresql://me@db/muster", "postgresql://***db/muster"),
        ("sc://host:15002/;token=a@b;x=1", "sc://host:15002/;token=***;x=1"),
        ("file:///data/a@b.parquet", "file:///data/a@b.parquet"),
    ],
)
def test_credentials_of_an_address_are_blanked(text: str, shown: str) -> None:
    assert redact(text) == shown
