"""What is known of members: why somebody is one, what segments share, what sets members apart, who would change."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from tests.integration.insight.shop import AS_OF, Shop, country, document, ordered

from muster_console.operation.erasure import erase_customer
from muster_console.operation.explain import explain_customer
from muster_console.operation.history import changes
from muster_console.operation.overlap import apart, overlap
from muster_console.operation.planning import plan_saved, plan_segment
from muster_console.operation.value import values
from muster_core.errors import Conflict, InvalidInput, NotAllowedToSee, NotFound
from muster_core.exports.document import parse_export
from muster_core.security.role import Principal, Role
from muster_core.storage.audit import list_entries
from muster_core.storage.database import transaction
from muster_core.storage.export import apply_export

pytestmark = pytest.mark.integration

CHOSEN = document(
    "chosen",
    {"kind": "all", "of": [country("GB"), ordered(3)]},
    ("except", {"kind": "attribute", "column": "age", "compare": "lt", "value": 30}),
)


def test_a_version_is_explained_by_its_own_rules_data_and_time(shop: Shop) -> None:
    shop.publish(CHOSEN)
    shop.save(document("chosen", country("FR")))
    reference = shop.reference()
    named, members = reference.nodes(CHOSEN), shop.members["chosen", 1]
    wanted = [*sorted(members)[:5], *sorted(set(shop.world.customers) - members)[:10]]
    for key in wanted:
        found = explain_customer(shop.workspace, "chosen", key, version=1)
        assert (found.member, found.as_of) == (key in members, AS_OF)
        assert {n.pointer: n.holds for n in found.nodes} == {
            p: key in keys for p, keys in named.items() if not p.endswith("/where")
        }
        rows = next(n for n in found.nodes if n.condition.startswith("count(")).reasons[0]
        bought = [r for r in shop.world.rows["orders"] if r["customer"] == key]
        counted = [r for r in bought if 0 <= (AS_OF - r["at"]).days < 100 and r["at"] <= AS_OF]
        assert rows.value == rows.total == len(counted)
        assert {row["no"] for row in rows.rows} <= {row["no"] for row in counted}
        place = next(n for n in found.nodes if n.condition.startswith("country"))
        assert place.reasons[0].value == shop.world.customers[key]["country"]
    # without a version by what is saved, now
    found = explain_customer(shop.workspace, "chosen", wanted[0])
    assert [n.condition for n in found.nodes] == ["country = 'FR'"]
    with transaction(shop.workspace.database) as connection:
        looks = list_entries(connection, object="chosen")
    assert {look.action for look in looks} == {"member.explained"}
    assert len(looks) == len(wanted) + 1
    assert not any(key in str(looks) for key in wanted)


def test_members_by_hand_and_of_other_segments_are_explained(shop: Shop) -> None:
    british = document("british", country("GB"))
    shop.publish(british)
    key = min(shop.members["british", 1])
    shop.save(document("some", {"kind": "segment", "name": "british"}, manual={"remove": [key]}))
    found = explain_customer(shop.workspace, "some", key)
    assert (found.member, found.manual, found.nodes[0].holds) == (False, "removed", True)
    assert [(u.segment, u.version) for u in found.used] == [("british", 1)]


def test_nobody_is_explained_who_does_not_exist(shop: Shop) -> None:
    shop.publish(CHOSEN)
    with pytest.raises(NotFound) as told:
        explain_customer(shop.workspace, "chosen", "C99999")
    assert "C99999" not in str(told.value)
    with pytest.raises(InvalidInput):
        explain_customer(shop.workspace, "chosen", 7)
    with pytest.raises(NotFound):
        explain_customer(shop.workspace, "chosen", "C00001", version=2)
    with shop.workspace.database.begin() as connection:
        connection.exec_driver_sql("UPDATE snapshot SET expired_at = clock_timestamp()")
    with pytest.raises(Conflict, match="no longer kept"):
        explain_customer(shop.workspace, "chosen", "C00001", version=1)


def test_an_overlap_counts_every_pair(shop: Shop) -> None:
    names = ("british", "regulars", "chosen")
    for one in (document("british", country("GB")), document("regulars", ordered(2)), CHOSEN):
        shop.publish(one)
    sets = {name: shop.members[name, 1] for name in names}
    found = overlap(shop.workspace, names)
    assert {(p.first, p.second): p.both for p in found.pairs} == {
        (a, b): len(sets[a] & sets[b]) for a, b in combinations(names, 2)
    }
    assert {s.segment: (s.members, s.alone) for s in found.segments} == {
        name: (len(own), len(own - set().union(*(s for n, s in sets.items() if n != name))))
        for name, own in sets.items()
    }
    assert found.all == len(set.intersection(*sets.values()))
    assert found.any == len(set.union(*sets.values()))
    with pytest.raises(InvalidInput):
        overlap(shop.workspace, ["british", "british"])
    shop.save(document("new", country("US")))
    with pytest.raises(Conflict, match="never refreshed"):
        overlap(shop.workspace, ["british", "new"])


def test_what_sets_members_apart_comes_first(shop: Shop) -> None:
    old = {"kind": "attribute", "column": "age", "compare": "gte", "value": 70}
    shop.publish(document("old_britons", {"kind": "all", "of": [country("GB"), old]}))
    found = apart(shop.workspace, "old_britons")
    assert found.members == len(shop.members["old_britons", 1])
    by_name = {column.column: column for column in found.columns}
    assert {c.column for c in found.columns[:2]} == {"age", "country"}
    assert by_name["age"].significant
    assert by_name["country"].significant
    assert not by_name["vip"].significant
    # neither the key nor a personal column
    assert by_name.keys() == {"country", "age", "spent", "vip", "born"}
    (british,) = [b for b in by_name["country"].bins if b.value == "GB"]
    everybody = [c for c in shop.world.customers.values() if c["country"] == "GB"]
    assert (british.members, british.everybody) == (100.0, round(len(everybody) / 8, 2))
    for column in found.columns:
        assert sum(b.members for b in column.bins) == pytest.approx(100, abs=0.2)
        assert sum(b.everybody for b in column.bins) == pytest.approx(100, abs=0.2)


def test_a_plan_tells_who_joins_and_leaves_per_rule_and_per_export(
    shop: Shop, tmp_path: Path
) -> None:
    shop.publish(document("chosen", country("GB")))
    for name, mode in (("all", "full"), ("news", "changes")):
        text = {"name": name, "connection": {"kind": "folder", "path": str(tmp_path)}}
        with transaction(shop.workspace.database) as connection:
            apply_export(connection, parse_export({**text, "segments": ["chosen"], "mode": mode}))
    with shop.workspace.database.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO export_basis (export_id, segment_id, version)"
            " SELECT e.id, s.id, 1 FROM export e, segment s"
        )
    before, reference = shop.members["chosen", 1], shop.reference()
    now = reference.members(CHOSEN)
    found = plan_segment(shop.workspace, CHOSEN, keys=10_000, as_of=AS_OF)
    joined, left = now - before, before - now
    assert (found.version, found.before, found.after) == (1, len(before), len(now))
    assert (found.joined, found.left, found.gone) == (len(joined), len(left), 0)
    assert (set(found.joined_keys or ()), set(found.left_keys or ())) == (joined, left)
    nodes, running = reference.nodes(CHOSEN), reference.running(CHOSEN)
    for place, rule in enumerate(found.rules):
        keys = nodes[rule.pointer]
        assert (rule.members, rule.running) == (len(keys), len(running[place]))
        assert (rule.joining, rule.leaving) == (len(keys & joined), len(keys & left))
    sent = {d.export: (d.rows, d.add, d.update_at_most, d.remove) for d in found.deliveries}
    assert sent == {
        "all": (len(now), None, None, None),
        "news": (None, len(joined), len(now & before), len(left)),
    }
    shop.save(CHOSEN)
    saved = plan_saved(shop.workspace, "chosen", as_of=AS_OF)
    assert (saved.joined, saved.left, saved.joined_keys) == (len(joined), len(left), None)
    viewer = shop.workspace.of(Principal(name="v", role=Role.ADMINISTRATOR))
    with pytest.raises(NotAllowedToSee):
        plan_segment(viewer, CHOSEN, keys=1)


def test_an_erased_customer_is_named_nowhere(shop: Shop) -> None:
    shop.publish(document("chosen", country("GB")))
    shop.publish(document("chosen", country("DE")))
    key = min(shop.members["chosen", 1])
    assert values(shop.workspace, "customers", "email", search=key).found == 1
    erase_customer(shop.workspace, key)
    found = changes(shop.workspace, "chosen", limit=10_000)
    assert set(found.left_keys) == shop.members["chosen", 1] - {key}
    assert found.left == len(shop.members["chosen", 1])
    planned = plan_segment(shop.workspace, document("chosen", country("GB")), keys=10_000)
    assert set(planned.joined_keys or ()) == shop.members["chosen", 1] - {key}
    with pytest.raises(NotFound):
        explain_customer(shop.workspace, "chosen", key)
    assert values(shop.workspace, "customers", "email", search=key).found == 0
