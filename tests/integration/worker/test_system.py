"""Segments that refer to each other inside a system refresh, and what is told of it on the command line and the API."""

from __future__ import annotations

import json

import pytest
from tests.integration.api.conftest import opened_api
from tests.integration.worker.conftest import Bench
from tests.integration.worker.test_batch import members
from tests.integration.worker.test_reference import member_of
from tests.shop import Shop, in_country, segment
from typer.testing import CliRunner

from muster_console.cli.app import app
from muster_console.operation.workspace import open_workspace
from muster_core.storage.database import transaction
from muster_core.storage.planning import request_system_refresh
from muster_core.storage.refresh import close_refreshes

pytestmark = [pytest.mark.integration, pytest.mark.spark]


def system_refresh(bench: Bench) -> int:
    """Refresh everything that follows the system and return the number of the refresh, which has ended."""
    with transaction(bench.database) as connection:
        number = request_system_refresh(connection, actor="test").id
    while bench.worker.work_once():
        pass
    with transaction(bench.database) as connection:
        assert close_refreshes(connection) == [number]
    return number


def test_a_child_sees_the_new_members_of_its_parent_in_the_same_system_refresh(
    ready: Bench, shop: Shop
) -> None:
    # named so that the order of names is not that of references
    ready.apply_segments([segment("z_parent", in_country("GB"))])
    ready.apply_segments(
        [
            segment("a_child", member_of("z_parent", "skip")),
            segment("b_others", {"kind": "not", "of": member_of("z_parent")}),
        ]
    )
    everybody = set(shop.frame("customers")["customer_id"].to_pylist())
    for country in ("GB", "DE"):
        ready.apply_segments([segment("z_parent", in_country(country))])
        system_refresh(ready)
        frame = shop.frame("customers").to_pylist()
        living = {row["customer_id"] for row in frame if row["country"] == country}
        assert members(ready, "z_parent") == living
        assert members(ready, "a_child") == living
        assert members(ready, "b_others") == everybody - living


def test_a_parent_failed_in_a_system_refresh_the_child_follows_its_policy_and_says_so(
    ready: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.apply_segments([segment("parent", in_country("GB"))])
    ready.apply_segments(
        [
            segment("lenient", member_of("parent")),
            segment("strict", member_of("parent", "skip")),
            segment("beside", in_country("FR")),
        ]
    )
    ready.apply_segments([segment("grandchild", member_of("strict", "skip"))])
    system_refresh(ready)
    before = members(ready, "parent")
    ready.apply_segments([segment("parent", {**in_country("GB"), "column": "no_such_column"})])
    number = system_refresh(ready)
    # the last members stay, and who may go on with them does
    assert members(ready, "parent") == members(ready, "lenient") == members(ready, "strict")
    assert members(ready, "parent") == before

    wanted = {
        "parent": ("failed", "error"),
        "lenient": ("successful with warnings", "reference not fresh"),
        "strict": ("skipped", "upstream failed"),
        "grandchild": ("skipped", "upstream skipped"),
        "beside": ("successful", None),
    }
    left_out = {
        ("segments", "strict", "upstream_failed"),
        ("segments", "grandchild", "upstream_skipped"),
    }
    settings = ready.settings
    monkeypatch.setenv("MUSTER_HOME", str(settings.home))
    monkeypatch.setenv("DATABASE_URL", settings.database())
    monkeypatch.setenv("LAKE_URL", settings.lake())
    monkeypatch.setenv("REDIS_URL", settings.redis())

    def told(*words: str):
        done = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    listed = told("segment", "list")
    assert {s["name"]: (s["status"], s["reason"]) for s in listed} == wanted
    assert skips(told("system", "show", str(number))) == left_out
    with open_workspace(settings) as workspace, opened_api(workspace) as api:
        items = api.call("viewer", "GET", "/segments").json()["items"]
        assert {s["name"]: (s["status"], s["reason"]) for s in items} == wanted
        assert skips(api.call("viewer", "GET", f"/system/refreshes/{number}").json()) == left_out
        path = "/runs?segment=strict&limit=1"
        (run,) = api.call("viewer", "GET", path).json()["items"]
        assert "parent, which failed at its last refresh" in run["error"]


def skips(shown) -> set[tuple[str, str, str]]:
    return {(s["stage"], s["name"], s["reason"]) for s in shown["skips"]}
