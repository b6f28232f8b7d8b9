"""A small world as the kernels get it: catalog, and partitions such as the store has after preparing.

Rows are joined along their path, numbered by customer, sorted into the store's order and cut into files, all in
plain Python; that Spark prepares the same is shown by the cases that run end to end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from tests.conformance.reference_row import Path, Row, World, parent

from muster_core.catalog.document import Catalog, History, Relationship, Source, Table
from muster_core.catalog.type import ColumnType, Kind, parse_type
from muster_core.kernel.source import ArrowPartition
from muster_core.lake.manifest import KEY_HASH
from muster_core.lake.order import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a world is laid out, which no result may depend on."""

    partitions: int = 1
    #: Rows handed to a kernel at once.
    chunk_rows: int = 65_536
    #: Files a related table is cut into.
    files: int = 1
    #: Whether texts come dictionary-encoded.
    dictionary: bool = False
    #: Whether customers are divided by the hash of their keys, as in the store.
    hashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A world ready for the kernels; `keys` holds the customer of each ordinal of each partition."""

    catalog: Catalog
    partitions: list[ArrowPartition]
    keys: list[list[Any]]


def catalog_of(world: World) -> Catalog:
    """Return the product's catalog of a world."""
    note = world.catalog
    profile = note["profile"]
    return Catalog(
        timezone=note["timezone"],
        profile=Table(
            name=profile["name"], source=Source(parquet="/profile"), columns=profile["columns"]
        ),
        key=profile["key"],
        tables={
            name: Table(
                name=name,
                source=Source(parquet=f"/{name}"),
                columns=table["columns"],
                time=table["time"],
                row_key=table["row_key"],
            )
            for name, table in note["tables"].items()
        },
        relationships=[Relationship.model_validate(step) for step in note["relationships"]],
        histories={
            column: History.model_validate(history) for column, history in note["histories"].items()
        },
    )


_PLAIN = Shape()


def prepare(world: World, shape: Shape = _PLAIN, *, gone: frozenset[Any] = frozenset()) -> Prepared:
    """Lay a world out; customers in `gone` keep their ordinal and rows and are not alive."""
    profile = world.catalog["profile"]
    every = sorted(world.customers)
    keys = [every[number :: shape.partitions] for number in range(shape.partitions)]
    if shape.hashed:
        parts = [key_hash(key) % shape.partitions for key in every]
        keys = [
            [key for key, part in zip(every, parts, strict=True) if part == number]
            for number in range(shape.partitions)
        ]
    dimensions = {
        name: _table(world.rows[name], table["columns"], shape)
        for name, table in world.catalog["tables"].items()
    }
    partitions = []
    for owned in keys:
        customers = [world.customers[key] for key in owned]
        partitions.append(
            ArrowPartition(
                customers=_table(customers, profile["columns"], shape).append_column(
                    KEY_HASH, _hashes(owned)
                ),
                tables=_related(world, owned, shape),
                live=np.array([key not in gone for key in owned], dtype=np.bool_),
                earlier={},
                chunk_rows=shape.chunk_rows,
                dimensions=dimensions,
                order=_orders(world),
            )
        )
    return Prepared(catalog=catalog_of(world), partitions=partitions, keys=keys)


def key_hash(key: Any) -> int:
    """Return the hash that decides a customer's partition."""
    return xxhash.xxh64_intdigest(str(key).encode(), seed=42)


def _hashes(keys: Sequence[Any]) -> Any:
    return pa.array([key_hash(key) for key in keys], pa.uint64())


def _related(world: World, owned: Sequence[Any], shape: Shape) -> dict[str, Any]:
    """Return every table by every path, as the store names them."""
    found: dict[str, Any] = {}
    ordinals = {key: number for number, key in enumerate(owned)}
    for name in world.catalog["tables"]:
        paths = world.paths(name)
        for path in paths:
            found[_stored_name(name, path, paths)] = _files(world, name, path, ordinals, shape)
    return found


def _stored_name(table: str, path: Path, paths: Sequence[Path]) -> str:
    return table if len(paths) == 1 else f"{table}@{'/'.join(step['name'] for step in path)}"


def _orders(world: World) -> dict[str, Order]:
    return {
        _stored_name(name, path, paths): Order(time=table["time"], row_key=tuple(table["row_key"]))
        for name, table in world.catalog["tables"].items()
        for paths in [world.paths(name)]
        for path in paths
    }


def _files(
    world: World, name: str, path: Path, ordinals: dict[Any, int], shape: Shape
) -> list[pa.Table]:
    """Return the rows of these customers, cut in the order of their source, each file newest first."""
    columns = dict(world.catalog["tables"][name]["columns"])
    key = world.catalog["profile"]["key"]
    for step in path[:-1]:
        table = parent(step)[0]
        kinds = world.catalog["tables"][table]["columns"]
        columns |= {f"{table}.{column}": kind for column, kind in kinds.items()}
    rows: list[Row] = []
    for place, row in enumerate(world.rows[name]):
        customer = world.follow(row, path)
        if customer is None or customer[key] not in ordinals:
            continue
        joined = dict(row) | {"_ordinal": ordinals[customer[key]], "_place": place}
        for length in range(1, len(path)):
            way = path[:length]
            joined |= {
                f"{parent(way[-1])[0]}.{column}": value
                for column, value in (world.follow(row, way) or {}).items()
            }
        rows.append(joined)
    size = len(world.rows[name])
    cut = [
        [row for row in rows if row["_place"] * shape.files // max(size, 1) == number]
        for number in range(shape.files)
    ]
    return [_file(world, name, part, columns, number, shape) for number, part in enumerate(cut)]


def _file(
    world: World, name: str, rows: list[Row], columns: dict[str, str], number: int, shape: Shape
) -> pa.Table:
    rows = sorted(rows, key=lambda row: (*world.order(name, row), row["_place"]), reverse=True)
    table = _table(rows, columns, shape)
    table = table.append_column("_ordinal", pa.array([r["_ordinal"] for r in rows], pa.int32()))
    table = table.append_column("_source_file", pa.array([number] * len(rows), pa.int32()))
    return table.append_column("_source_row", pa.array([r["_place"] for r in rows], pa.int64()))


def _table(rows: Sequence[Row], columns: dict[str, str], shape: Shape) -> pa.Table:
    return pa.table(
        {
            column: _array([row[column] for row in rows], parse_type(kind), shape)
            for column, kind in columns.items()
        }
    )


def _array(values: list[Any], kind: ColumnType, shape: Shape) -> Any:
    array = pa.array(values, arrow_type(kind))
    if shape.dictionary and kind.kind is Kind.TEXT:
        return array.dictionary_encode()
    return array


def arrow_type(kind: ColumnType) -> Any:
    """Return the store's Arrow type of a column."""
    match kind.kind:
        case Kind.DECIMAL:
            return pa.decimal128(kind.precision, kind.scale)
        case Kind.ARRAY:
            assert kind.element is not None
            return pa.list_(arrow_type(kind.element))
    simple = {
        Kind.TEXT: pa.string(),
        Kind.INTEGER: pa.int64(),
        Kind.FLOAT: pa.float64(),
        Kind.BOOLEAN: pa.bool_(),
        Kind.DATE: pa.date32(),
        Kind.TIMESTAMP: pa.timestamp("us", "UTC"),
    }
    return simple[kind.kind]
