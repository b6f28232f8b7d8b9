"""An estimate's interval holds the true count of at least 930 of 1,000 rules drawn at random."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from tests.conformance.preparation import Shape, prepare
from tests.integration.insight.shop import AS_OF, make_world

from muster_core.kernel.estimate import estimate
from muster_core.kernel.evaluate import evaluate
from muster_core.kernel.plan import PlannedSegment, compile_plan
from muster_core.kernel.rank import thresholds_of
from muster_core.rules.document import parse_segment

RULES = 1_000
PARTITIONS = 16
CUSTOMERS = 4_000


def test_the_interval_holds_the_true_count_of_930_of_1000_random_rules() -> None:
    chance = random.Random(11)
    prepared = prepare(
        make_world(CUSTOMERS, 3 * CUSTOMERS), Shape(partitions=PARTITIONS, hashed=True)
    )
    documents = [
        parse_segment({"name": f"s{n}", "rules": [{"where": _condition(chance, 2)}]})
        for n in range(RULES)
    ]
    planned = [
        PlannedSegment(segment_id=place, document=one, previous=None)
        for place, one in enumerate(documents)
    ]
    plan = compile_plan(planned, prepared.catalog, AS_OF)
    plan = plan.with_thresholds(thresholds_of(plan, prepared.partitions))
    results = [evaluate(plan, partition) for partition in prepared.partitions]
    tallies = [result.tallies for result in results]
    counts = np.array([[found[s].count for s in range(RULES)] for found in tallies])
    customers = np.array([result.customers for result in results])
    assert customers.sum() == CUSTOMERS

    held, widths = 0, []
    for rule in range(RULES):
        # the partitions that are looked at vary with the rule: one sample would be right or wrong for all
        chosen = np.random.default_rng(rule).choice(PARTITIONS, 4, replace=False)
        found = estimate(int(counts[chosen, rule].sum()), int(customers[chosen].sum()), CUSTOMERS)
        truth = int(counts[:, rule].sum())
        held += found.low <= truth <= found.high
        widths.append((found.high - found.low) / CUSTOMERS)
    assert held >= 930
    # and it says something: a quarter of the customers tells a share to within some percent
    assert np.mean(widths) < 0.06


def _condition(chance: random.Random, depth: int) -> dict[str, Any]:
    kind = chance.choice(["country", "age", "spent", "born", "orders", "total", "sample", "top"])
    if depth and chance.random() < 0.4:
        of = [_condition(chance, depth - 1) for _ in range(chance.randrange(2, 4))]
        return {"kind": chance.choice(["all", "any"]), "of": of}
    if depth and chance.random() < 0.15:
        return {"kind": "not", "of": _condition(chance, depth - 1)}
    attribute = {"kind": "attribute", "column": kind}
    rows = {
        "kind": "rows",
        "table": "orders",
        "window": {"last": f"{chance.randrange(5, 300)} days"},
    }
    match kind:
        case "country":
            return {**attribute, "compare": "eq", "value": chance.choice(["GB", "DE", "FR", "US"])}
        case "age":
            return {**attribute, "compare": "gte", "value": chance.randrange(18, 91)}
        case "spent":
            return {**attribute, "compare": "lt", "value": chance.randrange(2_100)}
        case "born":
            return {**attribute, "compare": "lt", "value": f"{chance.randrange(1940, 2009)}-06-01"}
        case "sample":
            percent = chance.choice([1, 10, 50])
            return {"kind": "sample", "percent": percent, "salt": f"{chance.random()}"}
        case "top":
            by = {"table": "orders", "aggregate": {"function": "sum", "column": "total"}}
            return {"kind": "top", "by": by, "percent": chance.randrange(1, 60)}
        case "orders":
            count = {"aggregate": {"function": "count"}, "compare": "gte"}
            return {**rows, **count, "value": chance.randrange(1, 6)}
    total = {"aggregate": {"function": "sum", "column": "total"}, "compare": "gte"}
    return {**rows, **total, "value": chance.randrange(1, 2_000)}
