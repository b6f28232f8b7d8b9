"""What a preview says before a definition is saved is what the refresh that follows gives."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.worker.conftest import Bench
from tests.shop import LAST_ORDER, in_country, ordered, segment

from muster_console.operation.count import count_nodes
from muster_console.operation.planning import plan_segment
from muster_console.operation.preview import preview
from muster_console.operation.workspace import open_workspace

pytestmark = [pytest.mark.integration, pytest.mark.spark]

COUNTED = {"table": "orders", "aggregate": {"function": "count"}}
CHOSEN = segment("chosen", {"kind": "any", "of": [in_country("GB"), ordered(8)]})
CHOSEN["rules"] += [
    {"combine": "except", "where": {"kind": "top", "by": COUNTED, "percent": 10}},
    {"combine": "union", "where": {"kind": "sample", "percent": 5, "salt": "x"}},
    {"combine": "intersect", "where": {"kind": "segment", "name": "british"}},
]


def test_an_exact_preview_equals_the_refresh_that_follows(ready: Bench) -> None:
    ready.apply_segments([segment("british", in_country("GB"))])
    ready.refresh(as_of=LAST_ORDER)
    with open_workspace(ready.settings) as workspace:
        before: dict[str, Any] = CHOSEN | {"rules": CHOSEN["rules"][:1]}
        ready.apply_segments([before])
        ready.refresh("chosen", as_of=LAST_ORDER)
        found = preview(workspace, CHOSEN, exact=True, as_of=LAST_ORDER)
        planned = plan_segment(workspace, CHOSEN, as_of=LAST_ORDER)
        ready.apply_segments([CHOSEN])
        ready.refresh("chosen", as_of=LAST_ORDER)
        counted = count_nodes(workspace, "chosen")
    assert found.members.count == counted.members > 0
    assert [(n.pointer, n.members.count) for n in found.nodes] == [
        (n.pointer, n.members) for n in counted.nodes
    ]
    assert [n.running.count if n.running else None for n in found.nodes] == [
        n.running for n in counted.nodes
    ]
    assert found.joined is not None
    assert found.left is not None
    changes = (counted.joined, counted.left)
    assert (found.joined.count, found.left.count) == (planned.joined, planned.left) == changes
