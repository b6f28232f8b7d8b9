"""Segments that refer to each other, and measures, from the claim to the published members."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.worker.conftest import Bench, Row
from tests.integration.worker.test_batch import expected, members, orders_per_customer
from tests.shop import LAST_ORDER, Shop, in_country, ordered, segment

from muster_core.rules.measure import parse_measure
from muster_core.storage.database import transaction
from muster_core.storage.measure import apply_measures

pytestmark = [pytest.mark.integration, pytest.mark.spark]


def member_of(name: str, policy: str | None = None) -> dict[str, Any]:
    found = {"kind": "segment", "name": name}
    return found if policy is None else {**found, "policy": policy}


def both(*of: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "all", "of": list(of)}


def used(run: Row) -> dict[str, dict[str, Any]]:
    return {entry["segment"]: entry for entry in run["inputs"]["segments"]}


CHAIN = [
    segment("british", in_country("GB")),
    segment("second", both(member_of("british"), ordered(2))),
    segment("third", both(member_of("second"), ordered(4))),
    segment("fourth", both(member_of("third"), ordered(6))),
    segment("fifth", both(member_of("fourth"), ordered(8))),
    segment("others", {"kind": "not", "of": member_of("british")}),
    segment("diamond", {"kind": "any", "of": [member_of("fifth"), member_of("others")]}),
]


def test_a_chain_and_a_diamond_are_one_batch_and_one_job_and_see_manual_changes(
    ready: Bench, shop: Shop
) -> None:
    british = expected(shop, LAST_ORDER)["british"]
    everybody = set(shop.frame("customers")["customer_id"].to_pylist())
    added, removed = min(everybody - british), min(british)
    changed = {**CHAIN[0], "manual": {"add": [added], "remove": [removed]}}
    ready.apply_segments([changed, *CHAIN[1:]])
    # one that is refreshed by hand only, and one that refers to it before and after its own refresh
    ready.apply_segments(
        [segment("fixed", in_country("DE"), type="static"), segment("on_fixed", member_of("fixed"))]
    )
    runs = ready.refresh("diamond", "fifth", "others", "second", "british", "fourth", "third")
    assert {run["state"] for run in runs.values()} == {"published"}
    assert len({run["batch_id"] for run in runs.values()}) == 1
    assert len(ready.batch(runs["fifth"])["engine_jobs"]) == 1
    stored = (british | {added}) - {removed}
    counts = orders_per_customer(shop)
    eight = {key for key in stored if counts.get(key, 0) >= 8}
    assert members(ready, "british") == stored
    assert members(ready, "fifth") == eight
    assert members(ready, "others") == everybody - stored
    assert members(ready, "diamond") == eight | (everybody - stored)
    entry = used(runs["fifth"])["fourth"]
    assert (entry["same_batch"], entry["version"], entry["reason"]) == (True, 1, None)
    assert entry["run_id"] == runs["fourth"]["id"]
    assert runs["british"]["inputs"] is None
    assert runs["fifth"]["inputs_sha256"]

    on_fixed = ready.refresh("on_fixed")["on_fixed"]
    assert (on_fixed["state"], on_fixed["reason"]) == ("skipped", "reference_never_published")
    assert "muster segment refresh fixed" in on_fixed["error"]
    ready.refresh("fixed")
    on_fixed = ready.refresh("on_fixed")["on_fixed"]
    assert (on_fixed["state"], used(on_fixed)["fixed"]["reason"]) == ("published", None)
    assert used(on_fixed)["fixed"]["version"] == 1
    assert used(on_fixed)["fixed"]["age_seconds"] >= 0
    assert members(ready, "on_fixed") == members(ready, "fixed")


def test_what_is_not_fresh_is_used_and_marked_or_skipped_as_the_reference_says(
    ready: Bench, shop: Shop
) -> None:
    broken = {**in_country("GB"), "column": "no_such_column"}
    ready.apply_segments([segment("base", in_country("GB")), segment("idle", in_country("DE"))])
    ready.refresh()
    ready.apply_segments([segment("base", broken)])
    ready.apply_segments(
        [
            segment("idle", in_country("DE"), state="inactive"),
            segment("lenient", member_of("base")),
            segment("strict", member_of("base", "skip")),
            segment("behind_strict", member_of("strict")),
            segment("on_idle", member_of("idle")),
            segment("strict_on_idle", member_of("idle", "skip")),
            segment("fine", in_country("FR")),
        ]
    )
    runs = ready.refresh()
    states = {name: (run["state"], run["reason"]) for name, run in runs.items()}
    assert states == {
        "base": ("failed", "error"),
        "lenient": ("published", None),
        "strict": ("skipped", "upstream_failed"),
        "behind_strict": ("skipped", "reference_never_published"),
        "on_idle": ("published", None),
        "strict_on_idle": ("skipped", "reference_not_fresh"),
        "fine": ("published", None),
    }
    assert len({run["batch_id"] for run in runs.values()}) == 1
    assert len(ready.batch(runs["fine"])["engine_jobs"]) == 1
    entry = used(runs["lenient"])["base"]
    assert (entry["same_batch"], entry["version"], entry["reason"]) == (False, 1, "failed")
    assert used(runs["on_idle"])["idle"]["reason"] == "inactive"
    assert "policy: use_last" in runs["strict"]["error"]
    assert members(ready, "lenient") == expected(shop, LAST_ORDER)["british"]
    # the failed one is not tried again: alone, the other still finds it failed
    assert used(ready.refresh("lenient")["lenient"])["base"]["reason"] == "failed"


def test_measures_are_evaluated_in_the_batch_and_their_revision_is_recorded(
    ready: Bench, shop: Shop
) -> None:
    apply_measure(ready, None)
    over = {"kind": "measure", "name": "orders_made", "compare": "gte", "value": 8}
    ready.apply_segments([segment("busy", over)])
    first = ready.refresh(as_of=LAST_ORDER)["busy"]
    assert members(ready, "busy") == expected(shop, LAST_ORDER)["regular"]
    apply_measure(ready, {"last": "30 days"})
    second = ready.refresh(as_of=LAST_ORDER)["busy"]
    assert second["member_count"] < first["member_count"]
    assert [m["rev"] for m in (*first["inputs"]["measures"], *second["inputs"]["measures"])] == [
        1,
        2,
    ]
    assert first["inputs_sha256"] != second["inputs_sha256"]
    pinned = ready.rows("SELECT inputs_sha256 AS pin FROM membership_version ORDER BY version")
    assert [row["pin"] for row in pinned] == [first["inputs_sha256"], second["inputs_sha256"]]


def apply_measure(bench: Bench, window: dict[str, Any] | None) -> None:
    by: dict[str, Any] = {"table": "orders", "aggregate": {"function": "count", "column": None}}
    document = {"name": "orders_made", "by": by if window is None else {**by, "window": window}}
    with transaction(bench.database) as connection:
        apply_measures(connection, [parse_measure(document)])


@pytest.mark.long
def test_ranking_over_all_customers_is_a_second_job_whatever_else_is_in_the_batch(
    ready: Bench, shop: Shop
) -> None:
    documents = [*of_all_kinds(500)]
    ready.apply_segments(documents)
    runs = ready.refresh(as_of=LAST_ORDER)
    assert {run["state"] for run in runs.values()} == {"published"}
    assert len(ready.batch(runs["british"])["engine_jobs"]) == 1
    by = {"table": "orders", "aggregate": {"function": "count", "column": None}}
    ready.apply_segments(
        [
            segment("best", {"kind": "top", "by": by, "limit": 100}),
            segment("best_tenth", {"kind": "top", "by": by, "percent": 10}),
        ]
    )
    runs = ready.refresh(as_of=LAST_ORDER)
    assert {run["state"] for run in runs.values()} == {"published"}
    batch = ready.batch(runs["best"])
    assert len({run["batch_id"] for run in runs.values()}) == 1
    assert len(batch["engine_jobs"]) == 2
    assert (batch["tasks"], batch["tasks_done"]) == (8, 8)
    counts = orders_per_customer(shop)
    everybody = shop.frame("customers")["customer_id"].to_pylist()
    ranked = sorted(everybody, key=lambda key: (-counts.get(key, 0), key))
    assert members(ready, "best") == set(ranked[:100])
    assert members(ready, "best_tenth") == set(ranked[: shop.customers // 10])


def of_all_kinds(count: int) -> list[dict[str, Any]]:
    """Return `count` segments of every kind that takes one job."""
    last = {"kind": "rows", "table": "orders", "aggregate": {"function": "count", "column": None}}
    web = {"kind": "attribute", "column": "channel", "compare": "eq", "value": "web"}
    shopped = {**web, "value": "shop"}
    side = {"table": "orders", "aggregate": {"function": "sum", "column": "amount"}}
    kinds = [
        {"kind": "everyone"},
        in_country("GB"),
        {**last, "compare": "gte", "value": 3},
        {"kind": "first_row", "table": "orders", "window": {"last": "700 days"}},
        {"kind": "last_row", "table": "orders", "having": web},
        {
            "kind": "sequence",
            "table": "orders",
            "steps": [web, shopped],
            "within": "90 days",
            "window": {"last": "900 days"},
        },
        {
            "kind": "periods",
            "table": "orders",
            "period": "100 days",
            "of_last": 9,
            "at_least": 3,
            "compare": "gte",
            "value": 1,
        },
        {
            "kind": "compare",
            "left": {**side, "window": {"last": "200 days"}},
            "compare": "gt",
            "right": {**side, "window": {"between_ago": ["400 days", "200 days"]}},
        },
        {"kind": "sample", "percent": 20, "salt": "a"},
        member_of("british"),
    ]
    found = [segment("british", in_country("GB"))]
    for number in range(count - 1):
        condition = both(kinds[number % len(kinds)], ordered(number // len(kinds) % 12))
        found.append(segment(f"s{number:03d}", condition))
    return found
