from __future__ import annotations

from datetime import UTC, datetime

from muster_core.catalog.document import Catalog, Source, Table
from muster_core.errors import InvalidInput
from muster_core.rules.document import parse_segment
from muster_core.storage.claim import ClaimedRun
from muster_worker.evaluate.evaluator import sort_out

CATALOG = Catalog(
    profile=Table(
        name="customers", source=Source(parquet="/c"), columns={"id": "text", "country": "text"}
    ),
    key="id",
    tables={},
)


def run(number: int, *columns: str) -> ClaimedRun:
    tests = [{"kind": "attribute", "column": c, "compare": "is_set"} for c in columns]
    rules = [{"where": {"kind": "all", "of": tests}}]
    document = parse_segment({"name": f"s{number}", "rules": rules})
    return ClaimedRun(
        run_id=number,
        segment_id=number,
        name=document.name,
        document=document,
        rule_rev=1,
        rule_hash="",
        due_at=datetime(2026, 1, 1, tzinfo=UTC),
        attempt=1,
        previous=None,
        previous_version=None,
    )


def test_documents_that_no_longer_fit_the_catalog_are_sorted_out_with_all_their_problems():
    runs = [run(n, "gone", "lost") for n in range(4)] + [run(n, "country") for n in range(4, 12)]
    sound, guilty = sort_out(runs, CATALOG)
    assert [r.run_id for r in sound] == list(range(4, 12))
    assert [r.run_id for r, _ in guilty] == [0, 1, 2, 3]
    for _, error in guilty:
        assert isinstance(error, InvalidInput)
        assert [p.pointer for p in error.problems] == [
            "/rules/0/where/of/0/column",
            "/rules/0/where/of/1/column",
        ]
