"""Counts of every rule and condition, and shares of the work, as people look at them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.integration.worker.conftest import Bench
from tests.integration.worker.test_batch import expected
from tests.shop import LAST_ORDER, Shop, in_country, ordered, segment

from muster_console.operation.count import count_nodes
from muster_console.operation.run import look_at_run, look_at_slowest, run_json
from muster_console.operation.workspace import open_workspace
from muster_core.errors import Conflict, NotFound
from muster_worker.app import Worker

pytestmark = [pytest.mark.integration, pytest.mark.spark]

CHOSEN = segment("chosen", {"kind": "all", "of": [in_country("GB"), ordered(8)]})
CHOSEN["rules"].append({"combine": "except", "where": {"kind": "not", "of": in_country("GB")}})


def test_every_rule_and_condition_is_counted_as_the_version_was(ready: Bench, shop: Shop) -> None:
    ready.apply_segments([CHOSEN, segment("british", in_country("GB"))])
    with open_workspace(ready.settings) as workspace:
        with pytest.raises(Conflict):
            count_nodes(workspace, "chosen")
        with pytest.raises(NotFound):
            count_nodes(workspace, "nobody")
        runs = ready.refresh(as_of=LAST_ORDER)
        # a later definition has not been counted yet
        ready.apply_segments([segment("chosen", ordered(1))])
        found = count_nodes(workspace, "chosen")
        record = look_at_run(workspace, runs["chosen"]["id"]).run
        slowest = look_at_slowest(workspace, limit=5)

    answers = expected(shop, LAST_ORDER)
    british, regular = answers["british"], answers["regular"]
    both = len(british & regular)
    assert [
        (n.pointer, n.depth, n.combine, n.condition.split()[0], n.members, n.running)
        for n in found.nodes
    ] == [
        ("/rules/0", 0, None, "all", both, both),
        ("/rules/0/where/of/0", 1, None, "country", len(british), None),
        ("/rules/0/where/of/1", 1, None, "count(orders)", len(regular), None),
        ("/rules/1", 0, "except", "not", len(answers["not_british"]), both),
        ("/rules/1/where/of", 1, None, "country", len(british), None),
    ]
    assert (found.members, found.joined, found.left, found.version) == (both, both, 0, 1)
    assert found.as_of == LAST_ORDER

    # the orders are read for one of the two, the country is shared
    assert record.work_share is not None
    assert 0.5 < record.work_share < 1
    assert run_json(record)["work_seconds"] == record.work_seconds
    assert [run.segment for run in slowest] == ["chosen", "british"]


def test_a_segment_too_large_for_a_task_fails_alone(ready: Bench) -> None:
    settings = ready.settings.model_copy(update={"task_memory": "1m"})
    worker = Worker(database=ready.database, settings=settings, name="worker@test:2")
    small = replace(ready, settings=settings, worker=worker)
    small.apply_segments([segment("british", in_country("GB"))])
    try:
        run = small.refresh()["british"]
    finally:
        worker.close()
    assert (run["state"], run["error_class"]) == ("failed", "task_memory_exceeded")
    assert "The segment british needs" in run["error"]
    assert "MUSTER_TASK_MEMORY" in run["error"]
    assert not small.batch(run)["engine_jobs"]
