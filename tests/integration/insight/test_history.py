"""Members over time: every step adds up, and past versions can be looked at."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.insight.shop import AS_OF, Shop, country, document, ordered

from muster_console.operation.history import Period, changes, history
from muster_console.operation.member import look_at_members
from muster_core.errors import Conflict, NotFound
from muster_core.storage.audit import list_entries
from muster_core.storage.database import transaction

pytestmark = pytest.mark.integration


def _day(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def test_members_joined_and_left_add_up_at_every_step_of_every_period(shop: Shop) -> None:
    chance = random.Random(3)
    every = sorted(shop.world.customers)
    days = [400, 170, 100, 29, 20, 6, 1]
    for day in days:
        members = set(chance.sample(every, chance.randrange(0, 300)))
        shop.publish(document("some", country("GB")), members=members, published_at=_day(day))
    whole = history(shop.workspace, "some")
    assert whole.before is None
    assert [p.version for p in whole.points] == list(range(1, 8))
    for period, inside in ((Period.WEEK, 2), (Period.MONTH, 4), (Period.HALF_YEAR, 6)):
        found = history(shop.workspace, "some", period)
        assert len(found.points) == inside
        assert found.before is not None
        count = found.before.members
        for point in found.points:
            count += point.joined - point.left
            assert count == point.members == len(shop.members["some", point.version])
    with pytest.raises(NotFound):
        history(shop.workspace, "nobody")


def test_a_step_adds_up_though_its_run_was_counted_against_another_version(shop: Shop) -> None:
    for value in ("GB", "DE", "FR"):
        shop.publish(document("some", country(value)))
    # version 3 was evaluated while version 2 still waited for approval
    now, first = shop.members["some", 3], shop.members["some", 1]
    with shop.workspace.database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE membership_version DISABLE TRIGGER USER")
        connection.exec_driver_sql(
            'UPDATE membership_version SET joined = %s, "left" = %s WHERE version = 3',
            (len(now - first) + 7, len(first - now)),
        )
    last, before = history(shop.workspace, "some").points[-1], shop.members["some", 2]
    assert (last.joined, last.left) == (len(now - before), len(before - now))
    # once the members of one are gone, what is left is by how much they differ
    with shop.workspace.database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM membership_pointer WHERE version = 2")
    last = history(shop.workspace, "some").points[-1]
    assert last.joined - last.left == len(now) - len(before)


def test_who_joined_and_left_between_two_versions(shop: Shop) -> None:
    for value in (country("GB"), country("DE"), ordered(2)):
        shop.publish(document("some", value))
    one, two, three = (shop.members["some", n] for n in (1, 2, 3))
    found = changes(shop.workspace, "some", limit=10_000)
    assert (found.from_version, found.to_version) == (2, 3)
    assert (set(found.joined_keys), set(found.left_keys)) == (three - two, two - three)
    found = changes(shop.workspace, "some", from_version=1, to_version=3, limit=5)
    assert (found.joined, found.left) == (len(three - one), len(one - three))
    assert len(found.joined_keys) == len(found.left_keys) == 5
    with pytest.raises(NotFound, match="no version 9"):
        changes(shop.workspace, "some", to_version=9)
    with transaction(shop.workspace.database) as connection:
        looks = list_entries(connection, object="some")
    assert looks[0].action == "members.compared"
    assert looks[0].detail == {"from": 1, "to": 3, "rows": 10}
    assert not any(key in str(looks) for key in found.joined_keys)


def test_members_are_compared_by_key_once_customers_are_numbered_anew(shop: Shop) -> None:
    shop.publish(document("some", country("GB")))
    shop.prepare(4, generation=2)
    shop.publish(document("some", {"kind": "any", "of": [country("GB"), ordered(3)]}))
    # the kernel has nobody to compare with
    with shop.workspace.database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE membership_version DISABLE TRIGGER USER")
        connection.exec_driver_sql(
            'UPDATE membership_version SET joined = member_count, "left" = 0 WHERE version = 2'
        )
    one, two = shop.members["some", 1], shop.members["some", 2]
    last = history(shop.workspace, "some").points[-1]
    assert (last.joined, last.left) == (len(two - one), len(one - two))
    found = changes(shop.workspace, "some", limit=10_000)
    assert (set(found.joined_keys), set(found.left_keys)) == (two - one, one - two)


def test_members_are_paged_searched_and_shown_as_of_a_past_version(shop: Shop) -> None:
    shop.publish(document("some", country("GB")))
    shop.publish(document("some", country("DE")))
    seen: list[str] = []
    while True:
        page = look_at_members(
            shop.workspace, "some", columns=["age"], limit=70, version=1, skip=len(seen)
        )
        assert page.columns == ["id", "age"]
        seen += [member["id"] for member in page.members]
        if not page.more:
            break
    assert sorted(seen) == sorted(shop.members["some", 1])
    found = look_at_members(shop.workspace, "some", columns=[], limit=500, search="007")
    assert {m["id"] for m in found.members} == {k for k in shop.members["some", 2] if "007" in k}
    with pytest.raises(NotFound):
        look_at_members(shop.workspace, "some", columns=[], limit=1, version=3)


def test_members_outlive_the_data_they_were_computed_from(shop: Shop) -> None:
    shop.publish(document("some", country("GB")))
    shop.publish(document("some", country("DE")))
    with shop.workspace.database.begin() as connection:
        connection.exec_driver_sql("UPDATE snapshot SET expired_at = clock_timestamp()")
    page = look_at_members(shop.workspace, "some", columns=["country"], limit=1_000, version=1)
    assert {m["id"] for m in page.members} == shop.members["some", 1]
    assert changes(shop.workspace, "some").left == len(shop.members["some", 1])
    with shop.workspace.database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM membership_pointer WHERE version = 1")
    with pytest.raises(Conflict, match="no longer kept"):
        look_at_members(shop.workspace, "some", columns=[], limit=1, version=1)
    with pytest.raises(Conflict, match="no longer kept"):
        changes(shop.workspace, "some")
    assert history(shop.workspace, "some").points[0].as_of == AS_OF
