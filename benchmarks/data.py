"""The benchmark's data: customers, transactions and activities over two years, seeded and skewed.

Everything is made with NumPy in pieces of a million rows, so memory stays bounded whatever the size, and every
piece has a generator of its own, so that files can be written side by side and are always the same.
Rows lie in no order of time, as in the parts of a warehouse's export; the last day has files of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

#: The end of the data, and the instant every contender evaluates at.
AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 730
PARTS = 24
TABLES = ("transactions", "activities")

COUNTRIES = ["GB", "DE", "FR", "ES", "IT", "NL", "PL", "SE", "AT", "IE", "PT", "DK"]
PLANS = ["free", "basic", "plus", "premium"]
CITIES = [f"city {number:03d}" for number in range(200)]
CATEGORIES = [f"category {number:02d}" for number in range(20)]
CHANNELS = ["web", "app", "store", "phone"]
KINDS = ["visit", "search", "cart", "wishlist", "email_open", "email_click", "review", "login"]
DEVICES = ["phone", "desktop", "tablet"]

#: Of what the files look like; another number makes other folders.
_VERSION = 2
_PIECE = 1_000_000
_CUSTOMER_FILE = 2_000_000
_DAY_US = 86_400_000_000
_END_US = int(AS_OF.timestamp()) * 1_000_000
#: Spreads the busy customers over all keys; a prime, so that no two customers meet.
_SPREAD = 2_654_435_761
_DIGITS = np.frombuffer(b"".join(b"%03d" % n for n in range(1000)), np.uint8).reshape(1000, 3)

_TEXTS = {"country", "plan", "city", "category", "channel", "kind", "device"}
_COUNTED = {"transaction_id", "activity_id"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How much data there is: customers, and rows per customer and table."""

    customers: int
    rows: int = 20
    seed: int = 7

    @property
    def name(self) -> str:
        """Return the name of the folder that holds it."""
        return f"data-{_VERSION}-{self.customers}-{self.rows}-{self.seed}"

    @property
    def related(self) -> int:
        """Return the rows of both related tables together."""
        return self.customers * self.rows * len(TABLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Data on disk; `day` holds the last day's rows, one file a table, which `folder` lacks."""

    shape: Shape
    folder: Path

    def files(self, table: str) -> list[Path]:
        """Return the files of a table in order, the last day's among them where it was added."""
        return sorted((self.folder / table).glob("*.parquet"))

    @property
    def size(self) -> int:
        """Return the bytes of all files."""
        return sum(file.stat().st_size for file in self.folder.rglob("*.parquet"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """One file to write: rows `first` to `last` of `table`.

    Its times are among those of the rows `since` to `until`, spread evenly between two instants in microseconds.
    """

    path: Path
    table: str
    first: int
    last: int
    since: int = 0
    until: int = 0
    begin: int = 0
    end: int = 0


def generate(shape: Shape, root: Path, progress: Callable[[int, int], None]) -> Dataset:
    """Return the data of `shape` below `root`, written first where it is not there yet."""
    target = root / shape.name
    dataset = Dataset(shape=shape, folder=target)
    if target.exists():
        return dataset
    partial_folder = root / f"{shape.name}.partial"
    shutil.rmtree(partial_folder, ignore_errors=True)
    files = _files(shape, partial_folder)
    for file in files:
        file.path.parent.mkdir(parents=True, exist_ok=True)
    for done, _ in enumerate(_written(shape, files), start=1):
        progress(done, len(files))
    partial_folder.rename(target)
    return dataset


def _written(shape: Shape, files: list[_File]) -> Iterator[None]:
    """Write the files side by side, or one after the other where starting processes would take longer."""
    write = partial(_write, shape)
    if shape.related < _PIECE:
        yield from map(write, files)
        return
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        yield from pool.imap_unordered(write, files)


def linked(dataset: Dataset, folder: Path) -> Dataset:
    """Return the data as links below `folder`, without the last day: files can be added there."""
    for table in ("customers", *TABLES):
        (folder / table).mkdir(parents=True)
        for file in dataset.files(table):
            os.link(file, folder / table / file.name)
    return Dataset(shape=dataset.shape, folder=folder)


def add_day(dataset: Dataset, linked_dataset: Dataset) -> int:
    """Add the last day's files to the links; return their rows."""
    rows = 0
    for table in TABLES:
        file = dataset.folder / "day" / f"{table}.parquet"
        os.link(file, linked_dataset.folder / table / "z-last-day.parquet")
        rows += pq.read_metadata(file).num_rows
    return rows


def catalog(folder: Path) -> dict[str, Any]:
    """Return the catalog of the data in `folder`."""
    return {
        "version": 1,
        "timezone": "UTC",
        "profile": {
            "table": "customers",
            "key": "customer_id",
            "source": {"parquet": str(folder / "customers")},
        },
        "tables": {
            table: {
                "source": {"parquet": str(folder / table)},
                "row_key": [identity],
                "time": "occurred_at",
            }
            for table, identity in zip(TABLES, ("transaction_id", "activity_id"), strict=True)
        },
        "relationships": [
            {
                "name": f"{table}_customer",
                "from": f"{table}.customer_id",
                "to": "customers.customer_id",
            }
            for table in TABLES
        ],
    }


def _files(shape: Shape, folder: Path) -> list[_File]:
    found = []
    for table in TABLES:
        total = shape.customers * shape.rows
        last_day = max(total // DAYS, 1)
        before = total - last_day
        yesterday = _END_US - _DAY_US
        edges = np.linspace(0, before, PARTS + 1).astype(np.int64).tolist()
        found += [
            _File(
                path=folder / table / f"part-{part:02d}.parquet",
                table=table,
                first=edges[part],
                last=edges[part + 1],
                since=0,
                until=before,
                begin=_END_US - DAYS * _DAY_US,
                end=yesterday,
            )
            for part in range(PARTS)
        ]
        found.append(
            _File(
                path=folder / "day" / f"{table}.parquet",
                table=table,
                first=before,
                last=total,
                since=before,
                until=total,
                begin=yesterday,
                end=_END_US,
            )
        )
    for number, first in enumerate(range(0, shape.customers, _CUSTOMER_FILE)):
        found.append(
            _File(
                path=folder / "customers" / f"part-{number:02d}.parquet",
                table="customers",
                first=first,
                last=min(first + _CUSTOMER_FILE, shape.customers),
            )
        )
    return found


def _write(shape: Shape, file: _File) -> None:
    make = {"customers": _customers, "transactions": _transactions, "activities": _activities}
    writer = None
    for first in range(file.first, max(file.last, file.first + 1), _PIECE):
        last = min(first + _PIECE, file.last)
        rng = np.random.default_rng([shape.seed, sorted(make).index(file.table), first])
        columns = make[file.table](shape, file, rng, first, last)
        table = pa.table(columns)
        if writer is None:
            writer = _writer(file.path, table.schema)
        writer.write_table(table, row_group_size=_PIECE)
    assert writer is not None
    writer.close()


def _writer(path: Path, schema: Any) -> Any:
    texts = [name for name in schema.names if name in _TEXTS]
    counted = {name: "DELTA_BINARY_PACKED" for name in schema.names if name in _COUNTED}
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=texts,
        column_encoding=counted,
        store_decimal_as_integer=True,
        # texts are written from dictionaries, but are texts to every reader
        store_schema=False,
    )


def _customers(
    shape: Shape, file: _File, rng: np.random.Generator, first: int, last: int
) -> dict[str, Any]:
    count = last - first
    joined = AS_OF.date() - timedelta(days=2000)
    epoch = (joined - datetime(1970, 1, 1, tzinfo=UTC).date()).days
    return {
        "customer_id": _keys(np.arange(first, last)),
        "country": _text(_skewed(rng, count, len(COUNTRIES)), COUNTRIES),
        "city": _text(_skewed(rng, count, len(CITIES)), CITIES),
        "plan": _text(_skewed(rng, count, len(PLANS)), PLANS),
        "age": pa.array(rng.integers(16, 91, count), pa.int32()),
        "opted_in": pa.array(rng.random(count) < 0.4),
        "points": pa.array(rng.gamma(1.5, 400.0, count).astype(np.int64)),
        "joined": pa.array((epoch + rng.integers(0, 2000, count)).astype(np.int32), pa.date32()),
    }


def _transactions(
    shape: Shape, file: _File, rng: np.random.Generator, first: int, last: int
) -> dict[str, Any]:
    count = last - first
    cents = np.exp(rng.standard_normal(count, dtype=np.float32) * 0.9 + 8.0).astype(np.int64)
    return {
        "transaction_id": pa.array(np.arange(first, last)),
        "customer_id": _keys(_owners(shape, rng, count)),
        "occurred_at": _times(file, rng, first, last),
        "amount": _money(cents + 1),
        "category": _text(_skewed(rng, count, len(CATEGORIES)), CATEGORIES),
        "channel": _text(_skewed(rng, count, len(CHANNELS)), CHANNELS),
    }


def _activities(
    shape: Shape, file: _File, rng: np.random.Generator, first: int, last: int
) -> dict[str, Any]:
    count = last - first
    return {
        "activity_id": pa.array(np.arange(first, last)),
        "customer_id": _keys(_owners(shape, rng, count)),
        "occurred_at": _times(file, rng, first, last),
        "kind": _text(_skewed(rng, count, len(KINDS)), KINDS),
        "device": _text(_skewed(rng, count, len(DEVICES)), DEVICES),
        "seconds": pa.array(rng.integers(1, 1800, count, dtype=np.int32)),
    }


def _owners(shape: Shape, rng: np.random.Generator, count: int) -> Any:
    """Return whose each row is: a few customers have very many, the quietest a third of the average."""
    rank = (rng.random(count) ** 3 * shape.customers).astype(np.int64)
    return (rank * _SPREAD) % shape.customers


def _skewed(rng: np.random.Generator, count: int, values: int) -> Any:
    drawn = rng.random(count, dtype=np.float32)
    return np.minimum((drawn * drawn * values).astype(np.int16), values - 1)


def _times(file: _File, rng: np.random.Generator, first: int, last: int) -> Any:
    """Return a time for each row, all times of the two years in every part."""
    count = file.until - file.since
    place = np.arange(first - file.since, last - file.since) * _SPREAD % count
    share = (file.end - file.begin) / count
    times = file.begin + ((place + rng.random(last - first)) * share).astype(np.int64)
    return pa.array(times).cast(pa.timestamp("us", "UTC"))


def _keys(numbers: Any) -> Any:
    """Return keys of ten characters such as C000012345."""
    count = len(numbers)
    text = np.empty((count, 10), np.uint8)
    text[:, 0] = ord("C")
    text[:, 1:4] = _DIGITS[numbers // 1_000_000]
    text[:, 4:7] = _DIGITS[numbers // 1000 % 1000]
    text[:, 7:10] = _DIGITS[numbers % 1000]
    offsets = np.arange(0, 10 * (count + 1), 10, dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    return pa.Array.from_buffers(pa.string(), count, buffers)


def _text(codes: Any, values: list[str]) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(values))


def _money(cents: Any) -> Any:
    words = np.zeros((len(cents), 2), np.int64)
    words[:, 0] = cents
    kind = pa.decimal128(12, 2)
    return pa.Array.from_buffers(kind, len(cents), [None, pa.py_buffer(words)])
