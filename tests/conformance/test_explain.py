"""Why a customer is in or out: verdicts and deciding rows agree with the reference, for customers and rules at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import isnan
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from tests.conformance.failure import case_text
from tests.conformance.generation import Example, examples
from tests.conformance.preparation import Prepared, prepare
from tests.conformance.product import earlier, measures_of, pointer_of, stored_names
from tests.conformance.reference import Reference
from tests.conformance.reference_value import is_set, passes

from muster_core.kernel.customer import OneCustomer
from muster_core.kernel.explain import Explained, Ground, explain
from muster_core.kernel.plan import Plan, PlannedSegment, compile_plan
from muster_core.kernel.rank import thresholds_of
from muster_core.kernel.source import ArrowPartition
from muster_core.rules.document import parse_segment

#: Examples have three documents and some customers each: well above a thousand of both together.
_EXAMPLES = 150
_SEED = 7
_SETTINGS = settings(
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    print_blob=False,
    report_multiple_bugs=False,
)


def test_verdicts_and_deciding_rows_agree_with_the_reference() -> None:
    explained = 0

    @settings(_SETTINGS, max_examples=_EXAMPLES)
    @seed(_SEED)
    @given(examples())
    def agree(example: Example) -> None:
        nonlocal explained
        reference = Reference(world=example.alive, as_of=example.as_of)
        prepared = prepare(example.world, example.shape, gone=example.gone)
        partitions = [
            replace(partition, earlier=earlier(example.world, keys))
            for partition, keys in zip(prepared.partitions, prepared.keys, strict=True)
        ]
        plan = _plan(example, prepared, partitions)
        for partition, keys in zip(partitions, prepared.keys, strict=True):
            columns = {
                name: [n for n in partition.tables[name][0].schema.names if not n.startswith("_")]
                for name in plan.tables
            }
            for ordinal, key in enumerate(keys):
                customer = OneCustomer(partition, ordinal, columns)
                for place, document in enumerate(example.documents):
                    found = explain(plan, customer, place)
                    explained += 1
                    try:
                        _check(reference, document, key, found, customer)
                    except AssertionError as exc:
                        text = case_text(example.alive, example.as_of, [(document, [])])
                        pytest.fail(f"{key}: {exc}\n{text}")

    agree()
    assert explained >= 1_000


def _plan(example: Example, prepared: Prepared, partitions: Sequence[ArrowPartition]) -> Plan:
    world = example.world
    others = [known for known in world.segments.values() if isinstance(known, dict)]
    named = [document | {"name": f"case_{n}"} for n, document in enumerate(example.documents)]
    plan = compile_plan(
        [
            PlannedSegment(segment_id=place, document=parse_segment(document), previous=None)
            for place, document in enumerate([*named, *others])
        ],
        prepared.catalog,
        example.as_of,
        stored={name: pointer_of(place) for place, name in enumerate(stored_names(world))},
        measures=measures_of(world),
    )
    return plan.with_thresholds(thresholds_of(plan, partitions)) if plan.ranks else plan


def _check(
    reference: Reference, document: dict[str, Any], key: Any, found: Explained, one: OneCustomer
) -> None:
    assert found.member == (key in reference.members(document))
    named = {pointer: key in keys for pointer, keys in reference.nodes(document).items()}
    assert {pointer: verdict.holds for pointer, verdict in found.verdicts.items()} == named
    assert found.running == tuple(key in keys for keys in reference.running(document))
    if key not in reference.world.customers:
        return
    for pointer, node in _leaves(document):
        zone = document.get("timezone")
        grounds = found.verdicts[pointer].grounds
        sides = _sides(reference, node)
        if node["kind"] == "attribute" and len(grounds) > 1:
            # of a one-to-one table: several conditions of the plan look at the same row
            sides *= len(grounds)
        for side, ground in zip(sides, grounds, strict=True):
            _check_ground(reference, side, zone, key, ground, one)


def _leaves(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    waiting = [(f"/rules/{n}/where", rule["where"]) for n, rule in enumerate(document["rules"])]
    while waiting:
        pointer, node = waiting.pop()
        if node["kind"] == "not":
            waiting.append((f"{pointer}/of", node["of"]))
        elif node["kind"] in ("all", "any"):
            waiting += [(f"{pointer}/of/{n}", part) for n, part in enumerate(node["of"])]
        else:
            yield pointer, node


def _sides(reference: Reference, node: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a condition looks at; measures as they are defined, in the workspace's zone."""
    match node["kind"]:
        case "everyone" | "segment" | "sample":
            return []
        case "compare":
            return [_measured(reference, node[side]) for side in ("left", "right")]
        case "top":
            return [_measured(reference, node["by"])]
        case "measure":
            return [_measured(reference, {"measure": node["name"]})]
    return [node]


def _measured(reference: Reference, side: dict[str, Any]) -> dict[str, Any]:
    if "measure" not in side:
        return side
    return {**reference.world.measures[side["measure"]], "workspace zone": True}


def _check_ground(
    reference: Reference,
    side: dict[str, Any],
    zone: str | None,
    key: Any,
    ground: Ground,
    one: OneCustomer,
) -> None:
    evaluation = reference._evaluation(None if "workspace zone" in side else zone)
    if "table" not in side and side.get("kind") != "held":
        value = evaluation.world.attribute(
            evaluation.world.customers[key], side["column"], side.get("via"), evaluation.clock
        )
        if ground.table is None:
            assert _same(ground.value, value), (ground, value)
        else:  # a column of a one-to-one table is told by its row
            rows = evaluation.world.related(side["column"].partition(".")[0], None)[key]
            assert len(ground.rows) <= len(rows)
        return
    table = side["table"] if "table" in side else evaluation._history(side)["table"]
    assert ground.table is not None
    places = one.table(ground.table).column("_source_row").to_pylist()
    world = evaluation.world
    rows = [world.rows[table][places[place]] for place in ground.rows]
    kind = side.get("kind")
    if kind == "sequence":
        _check_chain(evaluation, side, key, rows)
    elif kind == "held":
        _check_held(evaluation, side, key, rows)
    else:
        wanted = _wanted(evaluation, side, key)
        assert sorted(map(id, rows)) == sorted(map(id, wanted)), (side, rows, wanted)
        if side.get("aggregate", {}).get("function") == "exists":
            assert ground.value == len(rows)
        elif "aggregate" in side:
            assert _same(ground.value, evaluation.value(side, key)), (side, ground)


def _wanted(evaluation: Any, side: dict[str, Any], key: Any) -> list[Any]:
    kind, rows = side.get("kind"), list(evaluation._rows(side, key))
    if kind == "first_row":
        first = [evaluation._time(side, row) for row in rows][:1]
        return [row for row in rows if [evaluation._time(side, row)] == first]
    if kind == "last_row":
        return rows[-1:]
    if kind == "periods":
        clock = evaluation.clock
        begin = clock.moved(clock.as_of, side["period"], -side["of_last"])
        return [row for row in rows if begin < clock.moment(evaluation._time(side, row))]
    rows = list(evaluation._windowed(side, key))
    aggregate = side["aggregate"]
    function, column = aggregate["function"], aggregate.get("column")
    if function in ("first", "last"):
        if aggregate.get("order_by") is not None:
            rows = list(evaluation._ordered(side, rows, aggregate["order_by"]))
        return rows[:1] if function == "first" else rows[-1:]
    if column is None:
        return rows
    rows = [row for row in rows if is_set(evaluation._column(side, row, column))]
    if function in ("min", "max"):
        best = evaluation.value(side, key)
        return [row for row in rows if evaluation._column(side, row, column) == best]
    return rows


def _check_chain(evaluation: Any, side: dict[str, Any], key: Any, rows: list[Any]) -> None:
    """A chain is one: each row passes its step, strictly after the one before, all in time."""
    assert bool(rows) == evaluation._sequence(side, key)
    if not rows:
        return
    rows = rows[::-1]
    clock = evaluation.clock
    moments = [clock.moment(evaluation._time(side, row)) for row in rows]
    assert len(rows) == len(side["steps"])
    assert all(evaluation._row_passes(s, side, r) for s, r in zip(side["steps"], rows, strict=True))
    assert all(a < b for a, b in pairwise(moments))
    assert clock.holds(side["window"], moments[0])
    assert moments[-1] <= clock.moved(moments[0], side["within"], 1)


def _check_held(evaluation: Any, side: dict[str, Any], key: Any, rows: list[Any]) -> None:
    """All rows have the value, and the stretch is decided by them alone; or the latest has another one."""
    note = evaluation._history(side)
    about = [
        row
        for row in evaluation.world.related(note["table"], None)[key]
        if evaluation.world.visible(note["table"], row, evaluation.clock)
        and row[note["column"]] == side["column"]
    ]
    kind = evaluation.world.catalog["tables"][note["table"]]["columns"][note["value"]]
    wanted = side["value"]
    if kind == "text" and not isinstance(wanted, str):
        wanted = str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
    same = [passes(evaluation.clock, row[note["value"]], "eq", wanted) for row in about]
    if not about or not same[-1]:
        assert [id(row) for row in rows] == [id(row) for row in about[-1:]]
        return
    first = len(about) - 1
    while first > 0 and same[first - 1]:
        first -= 1
    assert [id(row) for row in rows] == [id(row) for row in about[first:][::-1]]


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, Fraction) and isinstance(found, float):
        # the mean of whole numbers is shown as a double
        return abs(Fraction(found) - wanted) <= abs(wanted) / 10**14
    if isinstance(wanted, Fraction) and found is not None:
        return abs(Fraction(found) - wanted) < Fraction(1, 10**20)
    if isinstance(wanted, float) and isinstance(found, float):
        return found == wanted or (isnan(found) and isnan(wanted))
    if wanted in (None, "") or wanted == []:
        return found in (None, "") or found == []
    return bool(found == wanted)
