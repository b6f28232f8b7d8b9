"""What is called impossible matches nobody, and what is called never false everybody, at any time."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, seed, settings
from tests.conformance.generation import Example, examples
from tests.conformance.preparation import Shape, catalog_of, prepare
from tests.conformance.product import measures_of
from tests.conformance.reference import Reference

from muster_core.catalog.statistic import Statistics, TableStatistic
from muster_core.rules.document import parse_segment
from muster_core.rules.formula import impossible, opposite
from muster_core.rules.literal import Frame
from muster_core.rules.resolve import Resolver
from muster_core.rules.scope import Scopes
from muster_core.rules.sketch import Sketcher
from muster_core.rules.warning import warnings_of
from muster_core.schedules.zone import read_zone
from muster_worker.prepare.task.counting import TableCount

_EXAMPLES = int(os.environ.get("MUSTER_WARNING_EXAMPLES", "60"))
#: Evaluation times beside the one the world was made around.
_TIMES = (timedelta(0), timedelta(days=-1), timedelta(days=33, hours=5), timedelta(days=-700))


def _pairs(example: Example) -> list[dict[str, Any]]:
    """Return conditions of the example joined so that some contradict each other or leave nobody out."""
    found = [rule["where"] for document in example.documents for rule in document["rules"]]
    inner = [part for node in found for part in _parts(node)][:12]
    pairs = []
    for i, one in enumerate(inner):
        for other in inner[i:]:
            turned = {"kind": "not", "of": other}
            pairs += [{"kind": "all", "of": [one, other]}, {"kind": "all", "of": [one, turned]}]
            pairs += [{"kind": "any", "of": [one, other]}, {"kind": "any", "of": [one, turned]}]
    return pairs + inner


def _parts(node: dict[str, Any]) -> list[dict[str, Any]]:
    of = node["of"] if node["kind"] in ("all", "any") else []
    return [node, *(inner for part in of for inner in _parts(part))]


def _surely(example: Example, zone: str, node: dict[str, Any]) -> bool | None:
    """Return whether `node` surely holds for nobody (False) or for everybody (True)."""
    document = parse_segment({"name": "s", "rules": [{"where": node}]})
    scopes = Scopes(catalog_of(example.world))
    frame = Frame(as_of=example.as_of, zone=read_zone(zone))
    resolver = Resolver(scopes=scopes, frame=frame, measures=measures_of(example.world))
    resolved = resolver.condition(document.rules[0].where, "")
    if resolved is None:
        return None
    sketcher = Sketcher(frame=frame, profile=scopes.profile.stored)
    formula = sketcher.condition(document.rules[0].where, resolved, "").formula
    if impossible(formula, sketcher.bases):
        return False
    return True if impossible(opposite(formula), sketcher.bases) else None


@seed(7)
@settings(
    max_examples=_EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
@given(example=examples(documents=2))
def test_what_is_warned_of_is_so_for_all_data_and_times(example: Example) -> None:
    zone = example.documents[0]["timezone"]
    everybody = {row["id"] for row in example.alive.rows[example.alive.profile]}
    for node in _pairs(example):
        sure = _surely(example, zone, node)
        if sure is None:
            continue
        for moved in _TIMES:
            reference = Reference(world=example.alive, as_of=example.as_of + moved)
            document = {"name": "s", "timezone": zone, "rules": [{"where": node}]}
            members = reference.members(document)
            assert members == (everybody if sure else set()), (sure, moved, node)


@seed(8)
@settings(
    max_examples=_EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
@given(example=examples(documents=3))
def test_warnings_are_made_for_every_document(example: Example) -> None:
    for document in example.documents:
        parsed = parse_segment(document)
        for warning in warnings_of(
            parsed,
            catalog_of(example.world),
            as_of=example.as_of,
            measures=measures_of(example.world),
        ):
            assert warning.pointer.startswith("/rules/")


def _statistics(example: Example) -> Statistics:
    """Return what a preparation would count of the world."""
    prepared = prepare(example.world, Shape(), gone=frozenset())
    (partition,) = prepared.partitions
    catalog = prepared.catalog
    tables = {catalog.profile.name: _counted(partition.customers, catalog.profile.columns)}
    for name, rows in partition.tables.items():
        (whole,) = [rows] if isinstance(rows, pa.Table) else rows
        table = catalog.tables[name.partition("@")[0]]
        tables[name] = _counted(whole, table.columns)
    dimensions = {
        name: _counted(rows, catalog.tables[name].columns)
        for name, rows in partition.dimensions.items()
    }
    return Statistics(tables=tables, dimensions=dimensions)


def _counted(rows: pa.Table, columns: dict[str, str]) -> TableStatistic:
    there = {name: kind for name, kind in columns.items() if name in rows.column_names}
    count = TableCount(there, personal=())
    count.add(rows)
    return TableStatistic.model_validate({"columns": count.result()})


def _at(document: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def _asked(document: Any, pointer: str) -> Any:
    """Return a condition on customers that holds only where what is warned of holds of something."""
    node = _at(document, pointer)
    steps = pointer.split("/")
    for cut in range(len(steps) - 1, 3, -1):
        above = _at(document, "/".join(steps[:cut]))
        if isinstance(above, dict) and "table" in above:
            related = {key: above[key] for key in ("table", "via") if key in above}
            test = {"window": node} if steps[-1] == "window" else {"where": node}
            future = {"include_future": True} if "where" in test else {}
            aggregate = {"function": "exists"}
            return {"kind": "rows", "aggregate": aggregate, **related, **test, **future}
    return node


@seed(9)
@settings(
    max_examples=_EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
@given(example=examples(documents=4))
def test_what_statistics_exclude_is_not_there(example: Example) -> None:
    reference = Reference(world=example.world, as_of=example.as_of)
    statistics = _statistics(example)
    for document in example.documents:
        warnings = warnings_of(
            parse_segment(document),
            catalog_of(example.world),
            as_of=example.as_of,
            measures=measures_of(example.world),
            statistics=statistics,
        )
        for warning in warnings:
            if "by the statistics" in warning.message:
                rules = [{"where": _asked(document, warning.pointer)}]
                asked = {"name": "s", "timezone": document["timezone"], "rules": rules}
                assert reference.members(asked) == set(), (warning, asked)
