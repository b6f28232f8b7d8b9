"""System refreshes on real parts: contracts of tables, and children whose parents published or did not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from tests.integration.worker.conftest import Bench
from tests.shop import Shop, in_country, ordered, segment, write_shop

from muster_core.storage.database import transaction
from muster_core.storage.planning import request_system_refresh
from muster_core.storage.refresh import close_refreshes, get_refresh, refresh_skips

pytestmark = [pytest.mark.integration, pytest.mark.spark]


def member_of(name: str, policy: str = "use_last") -> dict[str, object]:
    return {"kind": "segment", "name": name, "policy": policy}


@pytest.fixture
def small_shop(tmp_path: Path) -> Shop:
    return write_shop(tmp_path / "shop", customers=300, orders=900)


def promise(shop: Shop, **freshness: object) -> None:
    """Give the table of orders a contract."""
    document = yaml.safe_load(shop.catalog.read_text())
    document["tables"]["orders"]["freshness"] = freshness
    shop.catalog.write_text(yaml.safe_dump(document))


def refresh_all(bench: Bench) -> tuple[int, dict[str, tuple[str, str | None]]]:
    """Do one system refresh; return its number, and state and reason by segment."""
    with transaction(bench.database) as connection:
        refresh = request_system_refresh(connection, actor="test").id
    while bench.worker.work_once():
        pass
    with transaction(bench.database) as connection:
        assert close_refreshes(connection) == [refresh]
    rows = bench.rows(
        """SELECT s.name, r.state, r.reason FROM refresh_run r JOIN segment s ON s.id = r.segment_id
            WHERE r.system_refresh_id = :id""",
        id=refresh,
    )
    return refresh, {row["name"]: (row["state"], row["reason"]) for row in rows}


def test_a_late_or_shrunken_table_skips_what_reads_it_and_keeps_the_last_members(
    bench: Bench, small_shop: Shop
) -> None:
    bench.apply_catalog(small_shop)
    bench.apply_segments(
        [
            segment("buyers", ordered(1)),
            segment("germans", in_country("DE")),
            segment(
                "german_buyers", {"kind": "all", "of": [member_of("buyers"), in_country("DE")]}
            ),
            segment("strict", member_of("buyers", "skip")),
        ]
    )
    _, before = refresh_all(bench)
    assert {state for state, _ in before.values()} == {"published"}

    promise(small_shop, min_rows=901)
    bench.apply_catalog(small_shop)
    refresh, shrunken = refresh_all(bench)

    assert shrunken == {
        "buyers": ("skipped", "input_not_fresh"),
        "germans": ("published", None),
        # the parent was not refreshed: its child goes by the policy of its reference
        "german_buyers": ("published", None),
        "strict": ("skipped", "upstream_skipped"),
    }
    errors = bench.rows("SELECT error FROM refresh_run WHERE reason = 'input_not_fresh'")
    assert errors[0]["error"].startswith(
        "The table orders has 900 rows, at least 901 are expected."
    )
    versions = bench.rows("SELECT name, published_version AS v FROM segment ORDER BY name")
    assert {row["name"]: row["v"] for row in versions} == {
        "buyers": 1,
        "german_buyers": 2,
        "germans": 2,
        "strict": 1,
    }
    with transaction(bench.database) as connection:
        assert get_refresh(connection, refresh).state == "partial"
        skips = {(s.name, s.reason) for s in refresh_skips(connection, refresh)}
    assert skips == {("buyers", "input_not_fresh"), ("strict", "upstream_skipped")}
    used = bench.rows(
        """SELECT r.inputs FROM refresh_run r JOIN segment s ON s.id = r.segment_id
            WHERE s.name = 'german_buyers' ORDER BY r.id DESC LIMIT 1"""
    )[0]["inputs"]["segments"][0]
    assert (used["version"], used["reason"]) == (1, "skipped")

    # as late as it is now: orders end long before; at their last day they were in time
    promise(small_shop, max_age="36 hours")
    bench.apply_catalog(small_shop)
    late = bench.refresh("buyers")["buyers"]
    newest = max(small_shop.frame("orders")["ordered_at"].to_pylist())
    in_time = bench.refresh("buyers", as_of=newest + timedelta(hours=35))["buyers"]
    assert (late["state"], late["reason"]) == ("skipped", "input_not_fresh")
    assert "must not be older than 36 hours" in late["error"]
    assert (in_time["state"], in_time["member_count"]) == (
        "published",
        len(set(small_shop.frame("orders")["customer_id"].to_pylist())),
    )


def test_in_one_system_refresh_a_child_sees_what_its_parent_has_just_published(
    ready: Bench,
) -> None:
    ready.apply_segments(
        [segment("parent", in_country("DE")), segment("child", member_of("parent"))]
    )
    refresh_all(ready)
    ready.apply_segments([segment("parent", in_country("GB"))])

    refresh, states = refresh_all(ready)

    assert states == {"parent": ("published", None), "child": ("published", None)}
    rows = ready.rows(
        """SELECT s.name, r.member_count, r.as_of, r.snapshot_id, r.inputs FROM refresh_run r
             JOIN segment s ON s.id = r.segment_id WHERE r.system_refresh_id = :id""",
        id=refresh,
    )
    child, parent = sorted(rows, key=lambda row: row["name"])
    assert child["member_count"] == parent["member_count"]
    assert (child["as_of"], child["snapshot_id"]) == (parent["as_of"], parent["snapshot_id"])
    assert child["inputs"]["segments"][0]["version"] == 2
