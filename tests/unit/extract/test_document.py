"""How a PostgreSQL source is written, and where its address comes from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from muster_core.errors import TerminalError
from muster_core.extract.address import resolve_address, shown_host, variable_of
from muster_core.extract.document import PostgresSource, length

TABLE = {"connection": "SHOP", "table": "crm.customers"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "name either a table or a query"),
        ({"table": "a", "query": "SELECT 1"}, "name either a table or a query"),
        ({"query": " ; ", "key": ["id"]}, "the query is empty"),
        ({"query": "  "}, "the query is empty"),
        ({"query": "SELECT 1", "watermark": "at"}, "needs a key"),
        ({"table": "a", "overlap": "1 hour"}, "overlap means nothing"),
        ({"table": "a", "watermark": "at", "overlap": "1 month"}, "a fixed length"),
        ({"table": "a", "watermark": "at", "overlap": "soon"}, "not a duration"),
        ({"table": "a", "watermark": "at", "overlap": -1}, "overlap"),
        ({"table": "a", "parallel": 0}, "parallel"),
        ({"table": "a", "pasword": "x"}, "pasword"),
    ],
)
def test_what_does_not_fit_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PostgresSource.model_validate({"connection": "SHOP", **fields})


def test_an_address_in_the_catalog_is_refused_and_not_repeated() -> None:
    for pasted in ("postgresql://u:hunter2@h/d", "host=h password=hunter2"):
        with pytest.raises(ValidationError) as caught:
            PostgresSource(connection=pasted, table="a")
        told = [error["msg"] for error in caught.value.errors(include_input=False)]
        assert "hunter2" not in str(told)
        assert "never an address itself" in str(told)


def test_an_address_comes_from_the_environment() -> None:
    environ = {"MUSTER_SOURCE_SHOP_URL": "postgresql://a@b/c", "OTHER": "postgres://d"}
    assert resolve_address("shop", environ) == "postgresql://a@b/c"
    assert resolve_address("${OTHER}", environ) == "postgres://d"
    assert variable_of("${X_Y}") == "X_Y"
    with pytest.raises(TerminalError, match=r"MUSTER_SOURCE_CRM_URL .* is not set"):
        resolve_address("CRM", environ)
    with pytest.raises(TerminalError) as caught:
        resolve_address("${BAD}", {"BAD": "mysql://u:hunter2@h"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@db.example:5433/shop?sslmode=require", "db.example:5433"),
        ("postgresql://u:p@db/shop", "db"),
        ("postgresql:///shop?host=/tmp&password=p", "the local server"),
        ("postgresql://u:p/q@db/shop", "the source's server"),
        ("postgresql://u:p@[::1]:5432/shop", "::1:5432"),
    ],
)
def test_only_the_host_of_an_address_is_shown(url: str, shown: str) -> None:
    assert shown_host(url) == shown


def test_the_definition_stays_while_extracted_rows_can_be_built_upon() -> None:
    source = PostgresSource.model_validate(TABLE)
    columns = {"id": "integer"}
    first = source.definition(columns)
    patient = source.model_copy(
        update={"statement_timeout": "1 hour", "parallel": 8, "every": "1 day"}
    )
    assert patient.definition(columns) == first
    assert source.model_copy(update={"watermark": "id"}).definition(columns) == first
    assert source.model_copy(update={"key": ["id"]}).definition(columns) != first
    assert source.definition({"id": "text"}) != first


def test_names_and_statements_are_taken_apart() -> None:
    assert PostgresSource.model_validate(TABLE).relation == ("crm", "customers")
    assert PostgresSource(connection="SHOP", table="plain").relation == (None, "plain")
    assert PostgresSource(connection="SHOP", query=" SELECT 1 ; ; ").statement == "SELECT 1"
    assert length("2 days") == timedelta(days=2)
