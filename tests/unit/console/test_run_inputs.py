"""What `muster run show` says of the members of other segments and the measures a run used."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from muster_console.cli.run import print_inputs
from muster_console.operation.run import references_json
from muster_core.runs.freshness import NotFresh
from muster_core.runs.input import Inputs, UsedMeasure, UsedSegment

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

INPUTS = Inputs(
    segments=(
        UsedSegment(
            segment="old_one",
            policy="use_last",
            version=7,
            as_of=NOON,
            published_at=NOON,
            same_batch=False,
            age_seconds=90_000.4,
            reason=NotFresh.FAILED,
        ),
        UsedSegment(
            segment="beside",
            policy="skip",
            version=None,
            as_of=NOON,
            published_at=None,
            same_batch=True,
            run_id=3,
        ),
    ),
    measures=(UsedMeasure(measure="spent", rev=2, digest="abcdef0123456789"),),
)


def test_people_see_where_members_came_from_and_how_old_they_were(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_inputs(INPUTS.to_json())
    shown = capsys.readouterr().out
    for text in ("old_one", "7", "1 day, 1:00:00 old", "failed", "the same batch", "spent"):
        assert text in shown
    print_inputs(None)
    assert capsys.readouterr().out == ""


def test_programs_find_both_as_lists_even_where_a_run_used_nothing() -> None:
    found = references_json(INPUTS.to_json())
    assert [entry["segment"] for entry in found["references"]] == ["old_one", "beside"]
    assert found["references"][0]["reason"] == "failed"
    assert found["measures"] == [{"measure": "spent", "rev": 2, "digest": "abcdef0123456789"}]
    assert references_json(None) == {"references": [], "measures": []}


def test_inputs_are_pinned_by_versions_and_meaning_not_by_age() -> None:
    older = UsedSegment(
        segment="a", policy="skip", version=1, as_of=NOON, published_at=NOON, same_batch=False
    )
    again = UsedSegment(
        segment="a",
        policy="use_last",
        version=1,
        as_of=NOON,
        published_at=NOON,
        same_batch=False,
        age_seconds=5.0,
    )
    newer = UsedSegment(
        segment="a", policy="skip", version=2, as_of=NOON, published_at=NOON, same_batch=False
    )
    one, two, three = (Inputs(segments=(used,)).sha256 for used in (older, again, newer))
    assert one == two
    assert one != three
