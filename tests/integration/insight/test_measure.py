"""Measures by command: saved, edited, refreshed with what uses them, and not deleted while they are used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.insight.shop import AS_OF, Shop, country, document
from typer.testing import CliRunner

from muster_console.cli.app import app
from muster_console.operation.explain import explain_customer
from muster_console.operation.measure import apply_measure_text
from muster_console.operation.preview import preview
from muster_core.errors import ChangedMeanwhile, Conflict, InvalidInput

pytestmark = pytest.mark.integration

SPENT = "name: spent\nby: {table: orders, aggregate: {function: sum, column: total}}\n"
RICH = {"kind": "measure", "name": "spent", "compare": "gte", "value": 900}


@pytest.fixture
def muster(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command against the shop; the answer is its JSON."""
    settings = shop.workspace.settings
    monkeypatch.setenv("DATABASE_URL", settings.database())
    monkeypatch.setenv("REDIS_URL", settings.redis())
    monkeypatch.setenv("LAKE_URL", settings.lake())
    monkeypatch.chdir(tmp_path)
    Path("spent.yaml").write_text(SPENT)

    def run(*words: str) -> Any:
        answer = CliRunner().invoke(app, [*words, "--json"])
        if answer.exception is not None and not isinstance(answer.exception, SystemExit):
            raise answer.exception
        return json.loads(answer.stdout)

    return run


def test_a_measure_is_applied_edited_and_kept_while_used(
    shop: Shop, muster: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert muster("measure", "apply", "spent.yaml")[0]["change"] == "created"
    shop.save(document("rich", RICH))
    script = tmp_path / "editor.sh"
    script.write_text('#!/bin/sh\nsed -i "s/sum/max/" "$1"\n')
    script.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(script))
    assert muster("measure", "edit", "spent")[0]["change"] == "changed"
    shown = muster("measure", "show", "spent")
    assert (shown["rev"], shown["segments"]) == (2, ["rich"])
    with pytest.raises(Conflict, match="Nothing was changed"):
        muster("measure", "edit", "spent")  # there is no sum any more
    with pytest.raises(Conflict, match="used by `rich`"):
        muster("measure", "delete", "spent")
    text = "name: spent\nby: {table: orders, aggregate: {function: last, column: product}}\n"
    with pytest.raises(InvalidInput) as told:
        apply_measure_text(shop.workspace, "spent", text)
    assert "segment rich" in str(told.value.problems[0])
    with pytest.raises(ChangedMeanwhile):
        apply_measure_text(shop.workspace, "spent", SPENT, expected=1)
    segments = document("other", country("GB"))
    Path("both.yaml").write_text(f"{SPENT}---\n{json.dumps(segments)}\n")
    with pytest.raises(InvalidInput, match="not measures"):
        muster("measure", "apply", "both.yaml")


def test_a_measure_is_refreshed_with_what_uses_it(shop: Shop, muster: Any) -> None:
    muster("measure", "apply", "spent.yaml")
    with pytest.raises(Conflict, match="No active segment"):
        muster("measure", "refresh", "spent", "--no-wait")
    shop.save(document("rich", RICH), document("british", country("GB")))
    muster("measure", "refresh", "spent", "--no-wait")
    assert [run["segment"] for run in muster("run", "list")] == ["rich"]


def test_previews_and_explanations_tell_a_measures_value(shop: Shop, muster: Any) -> None:
    muster("measure", "apply", "spent.yaml")
    wanted = document("rich", RICH)
    reference = shop.reference()
    reference.world.measures["spent"] = {
        "table": "orders",
        "aggregate": {"function": "sum", "column": "total"},
    }
    found = preview(shop.workspace, wanted, exact=True, as_of=AS_OF)
    members = reference.members(wanted)
    assert found.members.count == len(members) > 0
    shop.publish(wanted, members=members)
    key = min(members)
    with shop.workspace.database.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE refresh_run SET inputs = %s",
            (json.dumps({"segments": [], "measures": [{"measure": "spent", "rev": 1}]}),),
        )
    apply_measure_text(shop.workspace, "spent", SPENT.replace("sum", "max"))
    then = explain_customer(shop.workspace, "rich", key, version=1)
    assert then.member
    value = then.nodes[0].reasons[0].value
    assert value == reference.measure("spent", key)
