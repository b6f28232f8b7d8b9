"""Northwind: a cron of its own, stopping and starting again, and inputs that are wrong."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.acceptance.conftest import DATA, Muster, started
from tests.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.spark]
NORTHWIND = DATA / "northwind"
COUNTS = {"never_ordered": 2, "not_served_by_employee_4": 16, "big_in_1997": 7}


@pytest.fixture(scope="module")
def northwind(tmp_path_factory: pytest.TempPathFactory, real_data: Path) -> Iterator[Muster]:
    muster = started(tmp_path_factory.mktemp("northwind"))
    try:
        muster.ok("catalog", "apply", NORTHWIND / "catalog.yaml")
        muster.ok("segment", "apply", NORTHWIND / "segments.yaml")
        muster.ok("segment", "refresh", "--all", "--wait")
        yield muster
    finally:
        muster("down")


def _facts(muster: Muster) -> dict[str, Any]:
    """Everything a user can see that no wrong input may change."""
    return {
        "catalog": muster.json("catalog", "show"),
        "segments": muster.json("segment", "list"),
        "exports": muster.json("export", "list"),
        "runs": muster.json("run", "list"),
    }


def test_the_published_counts_are_reached(northwind: Muster) -> None:
    assert {s["name"]: s["members"] for s in northwind.json("segment", "list")} == COUNTS
    members = northwind.json("segment", "members", "never_ordered")["members"]
    assert {row["customer_id"] for row in members} == {"FISSA", "PARIS"}


def test_a_segment_shows_its_counts_per_rule(northwind: Muster) -> None:
    rules = northwind.json("segment", "show", "not_served_by_employee_4")["rules"]
    assert [rule["running"] for rule in rules] == [91, 16]
    assert [rule["members"] for rule in rules] == [91, 75]
    counts = northwind.json("segment", "show", "not_served_by_employee_4", "--counts")
    assert [(n["members"], n["running"]) for n in counts["nodes"] if n["depth"] == 0] == [
        (91, 91),
        (75, 16),
    ]
    shown = northwind.ok("segment", "show", "not_served_by_employee_4", "--counts")
    assert "so far" in shown.out
    slowest = northwind.json("segment", "slowest", "--limit", "3")
    seconds = [run["work_seconds"] for run in slowest]
    assert len(seconds) == 3
    assert seconds == sorted(seconds, reverse=True)


@pytest.mark.long
def test_a_cron_of_every_minute_is_kept_without_any_command(
    northwind: Muster, tmp_path: Path
) -> None:
    document = tmp_path / "minutely.yaml"
    document.write_text(
        'name: minutely\nschedule: {cron: "* * * * *", timezone: UTC}\n'
        "rules: [{where: {kind: everyone}}]\n"
    )
    northwind.ok("segment", "apply", document)
    run = eventually(
        lambda: northwind.json("run", "list", "--segment", "minutely", "--state", "published"),
        timeout=200,
        every=1,
    )[-1]
    document.write_text("name: minutely\nschedule: off\nrules: [{where: {kind: everyone}}]\n")
    northwind.ok("segment", "apply", document)
    found = northwind.json("run", "show", str(run["run_id"]))
    assert found["trigger"] == "schedule"
    assert (found["members"], found["joined"], found["left"]) == (91, 91, 0)
    assert found["version"] == 1
    assert found["due_at"].endswith(":00+00:00")
    assert found["as_of"] >= found["due_at"]
    assert found["scheduler"].startswith("scheduler@")
    assert found["worker"].startswith("worker@")
    assert " spark 4." in found["engine"]
    assert len(found["engine_jobs"]) == 1
    assert found["snapshot_id"] is not None


@pytest.mark.long
def test_stopped_and_started_again_everything_is_there(northwind: Muster) -> None:
    eventually(lambda: not northwind.json("run", "list", "--state", "active"), timeout=60)
    before = _facts(northwind)
    northwind.ok("down")
    assert northwind("segment", "list").code == 5
    northwind.ok("up", "--detach", timeout=240)
    assert _facts(northwind) == before
    members = northwind.json("segment", "members", "never_ordered")["members"]
    assert {row["customer_id"] for row in members} == {"FISSA", "PARIS"}
    answer = northwind.json("segment", "refresh", "never_ordered", "--wait")
    assert answer["runs"][0]["members"] == 2


@pytest.fixture(scope="module")
def facts(northwind: Muster) -> dict[str, Any]:
    """What every wrong input has to leave as it is; taken once, for each command costs a second."""
    return _facts(northwind)


def _catalog(folder: Path, customers: str = "customers.parquet") -> Path:
    file = folder / "catalog.yaml"
    file.write_text(
        "version: 1\nprofile: {table: customers, key: customer_id, "
        f"source: {{parquet: {customers}}}}}\n"
    )
    return file


def _unknown_column(folder: Path) -> tuple[tuple[str, ...], str]:
    file = folder / "segment.yaml"
    file.write_text(
        "name: wrong\nrules: [{where: {kind: attribute, column: contry, compare: eq, value: GB}}]\n"
    )
    return ("segment", "apply", str(file)), "country"


def _wrong_type(folder: Path) -> tuple[tuple[str, ...], str]:
    file = folder / "segment.yaml"
    file.write_text(
        "name: fine\nrules: [{where: {kind: everyone}}]\n---\n"
        "name: wrong\nrules: [{where: {kind: attribute, column: country, compare: gt, value: 5}}]\n"
    )
    return ("segment", "apply", str(file)), "gt"


def _duplicate_key(folder: Path) -> tuple[tuple[str, ...], str]:
    pq.write_table(pa.table({"customer_id": ["A", "B", "A"]}), folder / "customers.parquet")
    return ("catalog", "apply", str(_catalog(folder))), "customer_id"


def _missing_file(folder: Path) -> tuple[tuple[str, ...], str]:
    return ("catalog", "apply", str(_catalog(folder, "nowhere.parquet"))), "nowhere.parquet"


def _unreadable(folder: Path) -> tuple[tuple[str, ...], str]:
    (folder / "customers.parquet").write_bytes(b"PAR1 this is not Parquet PAR1")
    return ("catalog", "apply", str(_catalog(folder))), "customers.parquet"


def _no_such_document(folder: Path) -> tuple[tuple[str, ...], str]:
    return ("segment", "apply", str(folder / "nowhere")), "nowhere"


def _unknown_export_column(folder: Path) -> tuple[tuple[str, ...], str]:
    (folder / "out").mkdir(exist_ok=True)
    file = folder / "export.yaml"
    file.write_text(
        "name: wrong\nconnection: {kind: folder, path: out}\nsegments: [never_ordered]\n"
        "columns: [contry]\n"
    )
    return ("export", "apply", str(file)), "contry"


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(_unknown_column, marks=pytest.mark.long),
        _wrong_type,
        pytest.param(_duplicate_key, marks=pytest.mark.long),
        pytest.param(_missing_file, marks=pytest.mark.long),
        pytest.param(_unreadable, marks=pytest.mark.long),
        pytest.param(_no_such_document, marks=pytest.mark.long),
        pytest.param(_unknown_export_column, marks=pytest.mark.long),
    ],
)
def test_a_wrong_input_is_explained_and_changes_nothing(
    northwind: Muster, facts: dict[str, Any], tmp_path: Path, make: Any
) -> None:
    words, named = make(tmp_path)
    answer = northwind(*words)
    assert answer.code == 2, answer.out + answer.err
    assert named in answer.err
    assert "Traceback" not in answer.err
    as_json = northwind(*words, "--json")
    assert as_json.code == 2
    assert as_json.json()["error"]["message"]
    assert _facts(northwind) == facts


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("segment", "show", "nobody"), 3),
        (("segment", "refresh", "nobody"), 3),
        (("segment", "members", "never_ordered", "--columns", "contry"), 2),
        (("run", "show", "999999"), 3),
        (("export", "show", "nobody"), 3),
        (("system", "schedule", "set", "61 * * * *"), 2),
        (("segment", "refresh", "never_ordered", "--as-of", "yesterday"), 2),
    ],
)
def test_what_does_not_exist_or_makes_no_sense_is_named(
    northwind: Muster, words: tuple[str, ...], code: int
) -> None:
    answer = northwind(*words)
    assert answer.code == code, answer.out + answer.err
    assert answer.err
    assert "Traceback" not in answer.err
