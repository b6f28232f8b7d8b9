from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from muster_core.catalog.document import Catalog, Source, Table
from muster_core.errors import InvalidInput, NotFound
from muster_core.rules.document import parse_segment
from muster_core.storage.catalog import apply_catalog, current_catalog
from muster_core.storage.run import publish
from muster_core.storage.segment import apply_segments, get_segment, list_segments
from muster_core.storage.segment_life import delete_segment

pytestmark = pytest.mark.integration

CATALOG = Catalog(
    timezone="Asia/Tokyo",
    key="id",
    profile=Table(name="customers", source=Source(parquet="/c.parquet"), columns={"id": "text"}),
)


def test_an_equal_document_changes_nothing(desk) -> None:
    assert desk.apply("buyers") == "created"
    before = desk.everything()

    assert desk.apply("buyers") == "unchanged"
    assert desk.everything() == before


def test_every_change_keeps_a_revision(desk, in_transaction) -> None:
    desk.apply("buyers")

    assert desk.apply("buyers", description="who buys") == "changed"
    assert desk.ask("SELECT rev, document->>'description' FROM segment_revision ORDER BY 1") == [
        (1, None),
        (2, "who buys"),
    ]
    assert in_transaction(lambda c: get_segment(c, "buyers")).rev == 2


def test_a_schedule_of_its_own_gives_the_next_due_instant(desk, in_transaction) -> None:
    desk.apply("buyers", schedule={"cron": "0 6 * * *", "timezone": "Asia/Tokyo"})

    due = in_transaction(lambda c: get_segment(c, "buyers")).next_due_at

    assert due is not None
    assert due > datetime.now(UTC)
    assert due.astimezone(UTC).strftime("%H:%M") == "21:00"


def test_a_cron_without_zone_takes_the_catalogs(desk, in_transaction) -> None:
    in_transaction(lambda c: apply_catalog(c, CATALOG))
    desk.apply("buyers", schedule={"cron": "0 6 * * *"})

    assert in_transaction(lambda c: get_segment(c, "buyers")).schedule.timezone == "Asia/Tokyo"


@pytest.mark.parametrize(
    "fields",
    [
        {"schedule": "off"},
        {"schedule": "system"},
        {"schedule": {"cron": "* * * * *"}, "state": "inactive"},
        {"schedule": {"cron": "* * * * *"}, "type": "static"},
    ],
)
def test_others_are_never_due_by_themselves(desk, in_transaction, fields) -> None:
    desk.apply("buyers", **fields)

    assert in_transaction(lambda c: get_segment(c, "buyers")).next_due_at is None


def test_a_change_that_is_not_the_schedules_leaves_the_next_due_instant(
    desk, in_transaction
) -> None:
    schedule = {"cron": "* * * * *", "timezone": "UTC"}
    desk.apply("buyers", schedule=schedule)
    desk.tell("UPDATE segment SET next_due_at = '2020-01-01Z'")

    desk.apply("buyers", schedule=schedule, description="who buys")

    assert in_transaction(lambda c: get_segment(c, "buyers")).next_due_at == datetime(
        2020, 1, 1, tzinfo=UTC
    )


def test_a_bad_schedule_saves_nothing(desk) -> None:
    with pytest.raises(InvalidInput):
        desk.apply("buyers", schedule={"cron": "0 0 31 2 *"})

    assert desk.ask("SELECT count(*) FROM segment") == [0]


def test_a_deleted_segment_is_not_found_and_comes_back_with_its_history(
    desk, in_transaction
) -> None:
    desk.apply("buyers")
    in_transaction(lambda c: delete_segment(c, "buyers"))

    assert in_transaction(list_segments) == []
    with pytest.raises(NotFound):
        in_transaction(lambda c: get_segment(c, "buyers"))

    assert desk.apply("buyers") == "created"
    assert in_transaction(lambda c: get_segment(c, "buyers")).rev == 2


def test_an_equal_catalog_is_not_a_new_version(in_transaction) -> None:
    first = in_transaction(lambda c: apply_catalog(c, CATALOG))
    again = in_transaction(lambda c: apply_catalog(c, CATALOG))
    changed = in_transaction(
        lambda c: apply_catalog(c, CATALOG.model_copy(update={"timezone": "UTC"}))
    )

    assert first == (again[0], True)
    assert not again[1]
    assert changed[1]
    assert in_transaction(current_catalog)[1].timezone == "UTC"


def test_a_folder_of_documents_is_applied_while_others_publish(desk, in_transaction) -> None:
    names = ["zebra", "ant", "mole"]
    for name in names:
        desk.apply(name)
    desk.request(names)
    claim = desk.must_claim()
    desk.evaluate(claim)
    documents = [parse_segment({"name": name, "description": "new"}) for name in reversed(names)]
    start = threading.Barrier(2)

    def apply():
        start.wait()
        return in_transaction(lambda c: apply_segments(c, documents))

    def release():
        start.wait()
        return in_transaction(lambda c: publish(c, claim))

    with ThreadPoolExecutor(2) as both:
        applied, published = both.submit(apply), both.submit(release)

    assert [change for _, change in applied.result()] == ["changed"] * 3
    assert set(published.result().values()) == {"published"}
