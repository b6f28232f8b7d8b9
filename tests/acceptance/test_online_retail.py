"""The published counts of a real data set, reached with public commands only."""

import csv
import gzip
import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.acceptance.conftest import DATA, Muster

pytestmark = [pytest.mark.acceptance, pytest.mark.spark, pytest.mark.long]
RETAIL = DATA / "online_retail"
COUNTS = {"united_kingdom": 3_950, "valid_buyers": 4_338, "all_customers": 4_372}


@pytest.fixture(scope="module")
def retail(muster: Muster, real_data: Path) -> Muster:
    muster.ok("catalog", "apply", RETAIL / "catalog.yaml")
    muster.ok("segment", "apply", RETAIL / "segments.yaml")
    return muster


@pytest.fixture(scope="module")
def runs(retail: Muster) -> dict[str, dict[str, object]]:
    answer = retail.json("segment", "refresh", "--all", "--wait", timeout=300)
    return {run["segment"]: run for run in answer["runs"]}


def test_the_published_counts_are_reached(
    retail: Muster, runs: dict[str, dict[str, object]]
) -> None:
    assert {name: run["members"] for name, run in runs.items()} == COUNTS
    listed = {s["name"]: s["members"] for s in retail.json("segment", "list")}
    assert listed == COUNTS


def test_a_run_records_who_planned_and_evaluated_it_and_on_what(
    retail: Muster, runs: dict[str, dict[str, object]]
) -> None:
    run = retail.json("run", "show", str(runs["valid_buyers"]["run_id"]))
    assert run["state"] == "published"
    assert run["members"] == 4_338
    for name in ("scheduler", "worker", "engine", "engine_jobs", "snapshot_id", "as_of", "due_at"):
        assert run[name], name
    assert [event["to_state"] for event in run["events"]][-1] == "published"


def test_members_are_listed_and_downloaded_whole(
    retail: Muster, runs: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    first = retail.json(
        "segment", "members", "united_kingdom", "--columns", "country", "--limit", "7"
    )
    assert len(first["members"]) == 7
    assert {row["country"] for row in first["members"]} == {"United Kingdom"}
    retail.ok("segment", "download", "united_kingdom", "--to", tmp_path / "uk.parquet")
    keys = pq.read_table(tmp_path / "uk.parquet")["customer_id"].to_pylist()
    assert len(keys) == len(set(keys)) == 3_950
    wanted = {
        row["customer_id"]
        for row in pq.read_table(RETAIL / _source("customers")).to_pylist()
        if row["country"] == "United Kingdom"
    }
    assert set(keys) == wanted


def test_the_past_answers_as_the_past_did(
    retail: Muster, runs: dict[str, dict[str, object]]
) -> None:
    answer = retail.json(
        "segment", "refresh", "valid_buyers", "--as-of", "2011-01-01T00:00:00Z", "--wait"
    )
    lines = pq.read_table(
        RETAIL / _source("lines"),
        columns=["customer_id", "quantity", "unit_price", "invoiced_at", "is_cancellation"],
    ).to_pandas()
    early = lines[
        (lines.quantity > 0)
        & (lines.unit_price > 0)
        & ~lines.is_cancellation
        & (lines.invoiced_at <= "2011-01-01")
    ]
    assert answer["runs"][0]["members"] == early.customer_id.dropna().nunique()
    again = retail.json("segment", "refresh", "valid_buyers", "--wait")
    assert again["runs"][0]["members"] == 4_338


def test_exported_files_hold_the_members_and_what_the_manifest_says(
    retail: Muster, runs: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    document = tmp_path / "export.yaml"
    document.write_text(
        "name: uk\nconnection: {kind: folder, path: out}\nsegments: [united_kingdom]\n"
        "columns: [{column: country, as: market}]\nformat: csv.gz\nrows_per_file: 1000\n"
    )
    retail.ok("export", "apply", document)
    answer = retail.json("segment", "refresh", "united_kingdom", "--wait", "--deliveries")
    (delivery,) = answer["deliveries"]
    assert delivery["state"] == "delivered"
    folder = Path(delivery["location"])
    assert folder.is_relative_to(tmp_path / "out")
    manifest = json.loads((folder / "manifest.json").read_text())
    rows = []
    for file in manifest["files"]:
        data = (folder / file["name"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
        part = list(csv.DictReader(gzip.decompress(data).decode().splitlines()))
        assert len(part) == file["rows"] <= 1000
        rows += part
    assert len(rows) == 3_950
    assert {row["market"] for row in rows} == {"United Kingdom"}
    assert len({row["customer_id"] for row in rows}) == 3_950


def _source(table: str) -> str:
    return f"../../../../../shared/data/online_retail/{table}.parquet"
