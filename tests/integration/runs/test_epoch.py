from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import create_engine
from tests.integration.runs.test_system_refresh import ask_for_all, work

from muster_core.errors import EpochOutdated
from muster_core.storage.epoch import EPOCH_BITS, VERSIONS_PER_EPOCH, bump_epoch, check_epoch

pytestmark = pytest.mark.integration


def test_the_first_start_adopts_the_database_and_later_ones_find_it_the_same(
    desk, in_transaction
) -> None:
    in_transaction(check_epoch)
    before = desk.ask("SELECT epoch, timeline, system FROM cluster")
    assert before[0][0] == 0
    assert None not in before[0]

    in_transaction(check_epoch)
    assert desk.ask("SELECT epoch, timeline, system FROM cluster") == before


@pytest.mark.parametrize("what", ["timeline = timeline - 1", "system = 'another'"])
def test_a_restored_or_promoted_database_is_refused_until_a_new_epoch_begins(
    desk, in_transaction, what: str
) -> None:
    desk.apply("buyers")
    desk.request(["buyers"])
    old = desk.must_claim()
    in_transaction(check_epoch)
    desk.tell(f"UPDATE cluster SET {what}")  # noqa: S608

    with pytest.raises(EpochOutdated, match="muster admin bump-epoch"):
        in_transaction(check_epoch)

    epoch = in_transaction(bump_epoch)
    in_transaction(check_epoch)
    desk.end_lease(old)
    desk.tell("UPDATE refresh_run SET state = 'pending', lease_expires_at = NULL")
    fence = desk.must_claim().fence
    assert fence >> EPOCH_BITS == epoch > 0
    assert fence > old.fence
    # two restores of one backup know the same old epoch: time tells them apart
    assert in_transaction(bump_epoch) > epoch


def test_a_user_who_may_not_ask_is_told_nothing_and_may_start(database_url: str, desk) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        connection.execute("CREATE ROLE modest LOGIN PASSWORD 'modest'")
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO modest")
    address = database_url.split("@", 1)[1]
    engine = create_engine(f"postgresql+psycopg://modest:modest@{address}")
    try:
        with engine.begin() as connection:
            check_epoch(connection)
        assert desk.ask("SELECT timeline FROM cluster") == [None]
    finally:
        engine.dispose()
        desk.tell("DROP OWNED BY modest")
        desk.tell("DROP ROLE modest")


def test_a_version_that_a_restore_forgot_is_never_given_to_other_members(
    desk, in_transaction
) -> None:
    desk.apply("one")
    ask_for_all(desk)
    work(desk)
    first = VERSIONS_PER_EPOCH * in_transaction(bump_epoch)
    for _ in range(2):
        ask_for_all(desk)
        work(desk)

    assert desk.ask("SELECT version FROM membership_version ORDER BY 1") == [
        1,
        first + 1,
        first + 2,
    ]
