"""A thousand segments: every action takes them in one call. `python -m benchmarks listing` times their list."""

from __future__ import annotations

import time

import pytest
from tests.integration.api.conftest import Api
from tests.integration.api.test_life import act

from muster_console.operation.workspace import Workspace
from muster_core.rules.document import parse_segment
from muster_core.storage.database import transaction
from muster_core.storage.segment import apply_segments

pytestmark = [pytest.mark.integration, pytest.mark.long]

COUNT = 1_000


def rules(number: int):
    column = {"kind": "attribute", "column": "country", "compare": "eq"}
    parts = [{**column, "value": f"{number}_{part}"} for part in range(8)]
    return [
        {"where": {"kind": "all", "of": [{"kind": "any", "of": parts[:4]}, *parts[4:]]}},
        {"combine": "except", "where": {"kind": "not", "of": parts[0]}},
    ]


@pytest.fixture
def thousand(workspace: Workspace) -> list[str]:
    names = [f"segment_{number:04}" for number in range(COUNT)]
    documents = [
        parse_segment(
            {
                "name": name,
                "display_name": f"Number {number}",
                "tags": [f"t{number % 10}"],
                "rules": rules(number),
            }
        )
        for number, name in enumerate(names)
    ]
    with transaction(workspace.database) as connection:
        apply_segments(connection, documents, actor="user test")
    return names


def test_every_action_takes_all_of_them_in_one_call(api: Api, thousand: list[str]) -> None:
    for action, options in (
        ("tag", {"add_tags": ["all"]}),
        ("deactivate", {}),
        ("activate", {}),
        ("static", {}),
        ("dynamic", {}),
        ("schedule", {"schedule": {"cron": "0 6 * * *"}}),
        ("rename", {"display_name": "one of many"}),
        ("refresh", {}),
        ("delete", {}),
    ):
        began = time.perf_counter()
        results = act(api, action, all=True, **options)
        print(f"{action}: {time.perf_counter() - began:.1f} s")  # noqa: T201
        assert len(results) == COUNT
        assert not any(one["outcome"] == "refused" for one in results.values()), action
    began = time.perf_counter()
    assert len(act(api, "restore", thousand)) == COUNT
    print(f"restore: {time.perf_counter() - began:.1f} s")  # noqa: T201
