"""Hundreds of the case files' decisions at once, from Parquet files to exported members, on Apache Spark."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from tests.acceptance.conftest import Muster, cleared
from tests.conformance.case import Case, all_cases
from tests.conformance.gathering import Gathered, gather
from tests.conformance.preparation import arrow_type

from muster_core.catalog.type import parse_type

pytestmark = [pytest.mark.acceptance, pytest.mark.spark]

#: Files whose customers are called alike; `ranking` has all of them, so its `top` ranks nobody else's.
_FILES = (
    *("aggregate", "behaviour", "combination", "comparison", "exact_value"),
    *("held", "path", "ranking", "window"),
)


def _cases() -> list[Case]:
    every = [case for case in all_cases() if case.file in _FILES and case.members is not None]
    usual = {
        file: Counter(case.as_of for case in every if case.file == file).most_common(1)[0][0]
        for file in _FILES
    }
    return [case for case in every if case.as_of == usual[case.file]]


@pytest.fixture(scope="module")
def gathered() -> Gathered:
    return gather(_cases())


@pytest.fixture(scope="module")
def muster(
    workbench: Muster, tmp_path_factory: pytest.TempPathFactory, gathered: Gathered
) -> Muster:
    folder = tmp_path_factory.mktemp("conformance")
    _write_world(gathered, folder)
    cleared(workbench, folder)
    workbench.ok("catalog", "apply", folder / "catalog.yaml")
    workbench.ok("segment", "apply", folder / "segments")
    workbench.ok("export", "apply", folder / "export.yaml")
    return workbench


@pytest.mark.timeout(600)
def test_every_case_has_its_members_from_files_to_exported_files(
    muster: Muster, gathered: Gathered
) -> None:
    wrong: dict[str, Any] = {}
    for as_of, names in _batches(gathered).items():
        instant = as_of.isoformat()
        muster.ok("segment", "refresh", *_referred(gathered), "--as-of", instant, timeout=300)
        answer = muster.json(
            *("segment", "refresh", *names, "--as-of", instant, "--wait", "--deliveries"),
            timeout=300,
        )
        counts = {run["segment"]: run["members"] for run in answer["runs"]}
        delivered = {d["segment"]: Path(d["location"]) for d in answer["deliveries"]}
        assert delivered.keys() == set(names) & set(_exported(gathered))
        for name in names:
            case = gathered.cases[name]
            assert case.members is not None
            if counts[name] != len(case.members):
                wrong[case.id] = (counts[name], case.members)
        for name, location in delivered.items():
            files = [pq.read_table(file) for file in location.glob("*.parquet")]
            members = sorted(pa.concat_tables(files)["id"].to_pylist())
            if members != gathered.cases[name].members:
                wrong[gathered.cases[name].id] = (members, gathered.cases[name].members)
    assert wrong == {}
    assert len(gathered.cases) >= 250


def _batches(gathered: Gathered) -> dict[datetime, list[str]]:
    found: dict[datetime, list[str]] = {}
    for name, case in gathered.cases.items():
        found.setdefault(case.as_of, []).append(name)
    return found


def _exported(gathered: Gathered) -> list[str]:
    """Return the segments whose members are read from exported files; of the others the number is."""
    return list(gathered.documents)[::6]


def _referred(gathered: Gathered) -> list[str]:
    return sorted(gathered.world.segments)


def _write_world(gathered: Gathered, folder: Path) -> None:
    """Write tables as Parquet files, two a related table, and the catalog, segments, measures and export."""
    catalog = gathered.world.catalog
    profile = catalog["profile"]
    _write_rows(gathered.world.rows["customers"], profile["columns"], folder / "customers.parquet")
    for name, table in catalog["tables"].items():
        rows = gathered.world.rows[name]
        (folder / name).mkdir()
        for part, half in enumerate((rows[: len(rows) // 2], rows[len(rows) // 2 :])):
            _write_rows(half, table["columns"], folder / name / f"part-{part}.parquet")
    notes = {name: {"history": history} for name, history in catalog["histories"].items()}
    document = {
        "version": 1,
        "timezone": catalog["timezone"],
        "profile": {
            "table": "customers",
            "key": "id",
            "source": {"parquet": "customers.parquet"},
            "columns": notes,
        },
        "tables": {
            name: {"source": {"parquet": name}, "row_key": table["row_key"]}
            | ({"time": table["time"]} if table["time"] else {})
            for name, table in catalog["tables"].items()
        },
        "relationships": catalog["relationships"],
    }
    _write(folder / "catalog.yaml", [document])
    measures = [{"name": n, "by": by} for n, by in gathered.world.measures.items()]
    segments = [*measures, *gathered.world.segments.values(), *gathered.documents.values()]
    (folder / "segments").mkdir()
    _write(folder / "segments" / "all.yaml", segments)
    (folder / "out").mkdir()
    export = {
        "name": "members",
        "connection": {"kind": "folder", "path": str(folder / "out")},
        "segments": _exported(gathered),
        "format": "parquet",
    }
    _write(folder / "export.yaml", [export])


def _write_rows(rows: list[dict[str, Any]], columns: dict[str, str], file: Path) -> None:
    arrays = {
        name: pa.array([row[name] for row in rows], arrow_type(parse_type(kind)))
        for name, kind in columns.items()
    }
    pq.write_table(pa.table(arrays), file)


def _write(file: Path, documents: list[dict[str, Any]]) -> None:
    file.write_text(yaml.safe_dump_all(documents, allow_unicode=True, sort_keys=False))
