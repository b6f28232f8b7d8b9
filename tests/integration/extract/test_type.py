"""Every type, exactly, or a refusal that names the column."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from tests.integration.extract.conftest import SourceBench

from muster_core.errors import SourceUnreadable
from muster_core.extract.document import PostgresSource

pytestmark = pytest.mark.integration

ITEMS = PostgresSource.model_validate({"connection": "SHOP", "table": "items"})


def declared(**columns: dict[str, object]) -> PostgresSource:
    return PostgresSource.model_validate(
        {"connection": "SHOP", "table": "items", "columns": columns}
    )


#: Column type -> (values as SQL, what the Parquet file holds, its Arrow type).
TYPES = {
    "boolean": (["true", "false", "NULL"], [True, False, None], pa.bool_()),
    "smallint": (["-32768", "32767", "NULL"], [-32768, 32767, None], pa.int16()),
    "integer": (["-2147483648", "2147483647", "NULL"], [-(2**31), 2**31 - 1, None], pa.int32()),
    "bigint": (
        ["-9223372036854775808", "9223372036854775807", "NULL"],
        [-(2**63), 2**63 - 1, None],
        pa.int64(),
    ),
    "real": (["'Infinity'", "1.5", "NULL"], [float("inf"), 1.5, None], pa.float32()),
    "double precision": (
        ["1e308", "'-Infinity'", "NULL"],
        [1e308, float("-inf"), None],
        pa.float64(),
    ),
    "numeric(12,2)": (
        ["-9999999999.99", "0.10", "NULL"],
        [Decimal("-9999999999.99"), Decimal("0.10"), None],
        pa.decimal128(12, 2),
    ),
    "numeric(38,10)": (
        ["9999999999999999999999999999.9999999999", "-0.0000000001", "NULL"],
        [Decimal("9999999999999999999999999999.9999999999"), Decimal("-0.0000000001"), None],
        pa.decimal128(38, 10),
    ),
    "numeric(3,-2)": (["12300", "-99900", "NULL"], [12300, -99900, None], pa.decimal128(5, 0)),
    "numeric(2,4)": (
        ["0.0099", "-0.0001", "NULL"],
        [Decimal("0.0099"), Decimal("-0.0001"), None],
        pa.decimal128(4, 4),
    ),
    "date": (["'0001-01-01'", "'9999-12-31'", "NULL"], [date.min, date.max, None], pa.date32()),
    "text": (["''", "'é😀''\\'", "NULL"], ["", "é😀'\\", None], pa.string()),
    "varchar(20)": (["'a '", "'b'", "NULL"], ["a ", "b", None], pa.string()),
    "char(5)": (["'a'", "' b '", "NULL"], ["a", " b", None], pa.string()),
    "uuid": (
        ["'00000000-0000-0000-0000-000000000001'", "NULL", "NULL"],
        ["00000000-0000-0000-0000-000000000001", None, None],
        pa.string(),
    ),
    "mood": (["'happy'", "'so-so'", "NULL"], ["happy", "so-so", None], pa.string()),
    "money_amount": (["1.5", "NULL", "2"], [Decimal("1.50"), None, 2], pa.decimal128(8, 2)),
    "integer[]": (
        ["'{1,NULL,-3}'", "'{}'", "NULL"],
        [[1, None, -3], [], None],
        pa.list_(pa.int32()),
    ),
    "text[]": (
        ["'{a,NULL,\"\"}'", "'{}'", "NULL"],
        [["a", None, ""], [], None],
        pa.list_(pa.string()),
    ),
    "numeric(6,2)[]": (
        ["'{1.5,NULL}'", "'{}'", "NULL"],
        [[Decimal("1.50"), None], [], None],
        pa.list_(pa.decimal128(6, 2)),
    ),
    "mood[]": (
        ["'{happy,NULL}'", "'{}'", "NULL"],
        [["happy", None], [], None],
        pa.list_(pa.string()),
    ),
    "char(3)[]": (["'{a,b}'", "'{}'", "NULL"], [["a", "b"], [], None], pa.list_(pa.string())),
    "boolean[]": (
        ["'{t,f}'", "'[0:1]={t,f}'", "NULL"],
        [[True, False]] * 2 + [None],
        pa.list_(pa.bool_()),
    ),
    "date[]": (
        ["'{2024-02-29}'", "'{}'", "NULL"],
        [[date(2024, 2, 29)], [], None],
        pa.list_(pa.date32()),
    ),
    "double precision[]": (
        ["'{1.5,-2}'", "'{}'", "NULL"],
        [[1.5, -2.0], [], None],
        pa.list_(pa.float64()),
    ),
}

TIMES = {
    "timestamp": (
        [
            "'1969-12-31 23:59:59.999999'",
            "'4713-01-01 BC'",
            "'294246-12-31 23:59:59.999999'",
            "NULL",
        ],
        [
            -1,
            -210_863_520_000_000_000,
            int(np.datetime64("294246-12-31T23:59:59.999999", "us").astype(np.int64)),
            None,
        ],
        pa.timestamp("us"),
    ),
    "timestamptz": (
        [
            "'2024-03-31 02:30:00+02'",
            "'0001-01-01 00:00:00+00 BC'",
            "'1970-01-01 00:00+00'",
            "NULL",
        ],
        [1_711_845_000_000_000, -62_167_219_200_000_000, 0, None],
        pa.timestamp("us", "UTC"),
    ),
    "timestamptz[]": (
        ["'{1970-01-01 00:00:01+00,NULL}'", "NULL", "NULL", "NULL"],
        [[1_000_000, None], None, None, None],
        pa.list_(pa.timestamp("us", "UTC")),
    ),
}


@pytest.fixture
def typed(source: SourceBench) -> SourceBench:
    source.run(
        "CREATE TYPE mood AS ENUM ('happy', 'so-so')",
        "CREATE DOMAIN money_amount AS numeric(8,2) CHECK (VALUE >= 0)",
    )
    return source


def test_every_type_arrives_exactly(typed: SourceBench) -> None:
    # Given one column of each type
    names = {f"c{i}": kind for i, kind in enumerate(TYPES)}
    typed.run(
        f"CREATE TABLE items (id int PRIMARY KEY, {', '.join(f'{n} {k}' for n, k in names.items())})"
    )
    for row in range(3):
        values = ", ".join(TYPES[kind][0][row] for kind in names.values())
        typed.run(f"INSERT INTO items VALUES ({row}, {values})")  # noqa: S608

    # When it is extracted
    found = typed.extracted(typed.extract(ITEMS).manifest).sort_by("id")

    # Then types and values are as PostgreSQL has them
    for name, kind in names.items():
        _, expected, arrow = TYPES[kind]
        assert found.schema.field(name).type == arrow, kind
        assert found[name].to_pylist() == expected, kind


def test_times_arrive_to_the_microsecond(typed: SourceBench) -> None:
    names = {f"c{i}": kind for i, kind in enumerate(TIMES)}
    typed.run(f"CREATE TABLE items (id int, {', '.join(f'{n} {k}' for n, k in names.items())})")
    for row in range(4):
        values = ", ".join(TIMES[kind][0][row] for kind in names.values())
        typed.run(f"INSERT INTO items VALUES ({row}, {values})")  # noqa: S608
    found = typed.extracted(typed.extract(ITEMS).manifest).sort_by("id")
    for name, kind in names.items():
        _, expected, arrow = TIMES[kind]
        assert found.schema.field(name).type == arrow, kind
        plain = pa.list_(pa.int64()) if pa.types.is_list(arrow) else pa.int64()
        assert found[name].cast(plain).to_pylist() == expected, kind


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("timestamptz", "'infinity'"),
        ("timestamp", "'-infinity'"),
        ("timestamp", "'294276-12-31'"),
        ("date", "'infinity'"),
        ("date", "'-infinity'"),
        ("numeric(5,2)", "'NaN'"),
        ("timestamptz[]", "'{infinity}'"),
    ],
)
def test_what_the_store_cannot_hold_is_refused_or_missing(
    source: SourceBench, kind: str, value: str
) -> None:
    source.run(
        f"CREATE TABLE items (id int, c {kind})",
        f"INSERT INTO items VALUES (1, {value})",  # noqa: S608
    )
    with pytest.raises(SourceUnreadable, match="Column c of items holds infinite or NaN"):
        source.extract(ITEMS)
    lenient = declared(c={"not_finite": "missing"})
    found = source.extracted(source.extract(lenient).manifest)
    assert found["c"].to_pylist() in ([None], [[None]])


def test_numbers_without_precision_need_a_type(source: SourceBench) -> None:
    source.run("CREATE TABLE items (id int, c numeric)", "INSERT INTO items VALUES (1, 1.25)")
    left_out = source.describe(ITEMS).left_out["c"]
    assert left_out.type == "numeric without precision"
    assert "decimal(18,4)" in (left_out.hint or "")

    found = source.extracted(source.extract(declared(c={"type": "decimal(6,3)"})).manifest)
    assert found["c"].to_pylist() == [Decimal("1.250")]

    with pytest.raises(SourceUnreadable, match=r"Column c of items .* decimal\(6,1\) cannot hold"):
        source.extract(declared(c={"type": "decimal(6,1)"}))


def test_values_inside_json_are_columns_of_their_own(source: SourceBench) -> None:
    source.run(
        "CREATE TABLE items (id int PRIMARY KEY, doc jsonb, old json)",
        """INSERT INTO items VALUES
        (1, '{"a": {"b": "secret", "n": 5}, "l": [1.5, 2], "on": true, "a.b": "dot"}', '{"k": "v"}'),
        (2, '{"a": {"b": null}}', NULL), (3, NULL, '[]')""",
    )
    paths = declared(
        b={"json": "doc.a.b"},
        n={"json": "doc.a.n", "type": "integer"},
        first={"json": "doc.l.0", "type": "decimal(5,2)"},
        is_on={"json": "doc.on", "type": "boolean"},
        dot={"json": ["doc", "a.b"]},
        k={"json": "old.k"},
    )
    found = source.extracted(source.extract(paths).manifest).sort_by("id")
    assert found.drop_columns(["id"]).to_pylist() == [
        {"b": "secret", "n": 5, "first": Decimal("1.50"), "is_on": True, "dot": "dot", "k": "v"},
        dict.fromkeys(["b", "n", "first", "is_on", "dot", "k"]),
        dict.fromkeys(["b", "n", "first", "is_on", "dot", "k"]),
    ]
    with pytest.raises(SourceUnreadable, match="Column b of items holds a value") as caught:
        source.extract(declared(b={"json": "doc.a.b", "type": "integer"}))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "kind",
    [
        "bytea",
        "interval",
        "time",
        "jsonb",
        "int4range",
        "point",
        "inet",
        "numeric(40,2)",
        "bytea[]",
    ],
)
def test_other_types_are_left_out_by_name(source: SourceBench, kind: str) -> None:
    source.run(f"CREATE TABLE items (id int, c {kind})")
    described = source.describe(ITEMS)
    assert set(described.columns) == {"id"}
    assert described.left_out["c"].type == kind

    with pytest.raises(SourceUnreadable, match="column c as " + re.escape(kind)):
        source.extract(ITEMS, columns={"id": "integer", "c": "text"})


def test_arrays_of_arrays_are_refused(source: SourceBench) -> None:
    source.run(
        "CREATE TABLE items (id int, c int[])", "INSERT INTO items VALUES (1, '{{1,2},{3,4}}')"
    )
    with pytest.raises(SourceUnreadable, match="more than one dimension"):
        source.extract(ITEMS)


def test_names_are_taken_as_they_are_written(source: SourceBench) -> None:
    source.run(
        'CREATE SCHEMA "My Shop"',
        'CREATE TABLE "My Shop"."Item""s" ("Odd ""Name" int PRIMARY KEY, "SELECT" text)',
        """INSERT INTO "My Shop"."Item""s" VALUES (1, 'x')""",
    )
    odd = PostgresSource(connection="SHOP", table='My Shop.Item"s')
    assert source.extracted(source.extract(odd).manifest).to_pylist() == [
        {'Odd "Name': 1, "SELECT": "x"}
    ]
