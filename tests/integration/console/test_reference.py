"""References and measures as people save, show and delete them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from muster_console.cli.app import app
from muster_console.operation.action import delete_segment
from muster_console.operation.catalog import apply_catalog
from muster_console.operation.measure import delete_measure, list_measures, show_measure
from muster_console.operation.refresh import refresh_segments
from muster_console.operation.saving import apply_segments
from muster_console.operation.segment import list_segments
from muster_console.operation.workspace import Workspace, open_workspace
from muster_core.errors import Conflict, InvalidInput, NotFound
from muster_core.settings import Settings

pytestmark = pytest.mark.integration

CATALOG = """
version: 1
profile: {table: customers, key: id, source: {parquet: customers.parquet}}
tables: {orders: {source: {parquet: orders.parquet}, row_key: [order_id], time: at}}
relationships: [{name: order_customer, from: orders.customer, to: customers.id}]
"""
MEASURE = "name: spent\nby: {table: orders, aggregate: {function: sum, column: amount}}\n"
USER = "name: big\nrules: [{where: {kind: measure, name: spent, compare: gte, value: 100}}]\n"


@pytest.fixture
def workspace(
    database_url: str, redis_url: str, lake_url: str, tmp_path: Path
) -> Iterator[Workspace]:
    settings = Settings(
        database_url=SecretStr(database_url), redis_url=SecretStr(redis_url), lake_url=lake_url
    )
    pq.write_table(pa.table({"id": ["a"], "country": ["GB"]}), tmp_path / "customers.parquet")
    at = pa.array([0], pa.timestamp("us", "UTC"))
    orders = pa.table({"order_id": [1], "customer": ["a"], "at": at, "amount": [5]})
    pq.write_table(orders, tmp_path / "orders.parquet")
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    with open_workspace(settings) as opened:
        apply_catalog(opened, tmp_path / "catalog.yaml")
        yield opened


def refers(name: str, to: str | None, **fields: str) -> str:
    where = "{kind: everyone}" if to is None else f"{{kind: segment, name: {to}}}"
    more = "".join(f"{key}: {value}\n" for key, value in fields.items())
    return f"name: {name}\n{more}rules: [{{where: {where}}}]\n"


def save(workspace: Workspace, folder: Path, *documents: str) -> list[str]:
    file = folder / f"rules-{abs(hash(documents))}.yaml"
    file.write_text("---\n".join(documents))
    return [applied.change for applied in apply_segments(workspace, file)]


def problems(workspace: Workspace, folder: Path, *documents: str) -> str:
    with pytest.raises(InvalidInput) as raised:
        save(workspace, folder, *documents)
    return " ".join(map(str, raised.value.problems))


def test_a_folder_may_refer_within_itself_but_not_to_what_is_nowhere_or_in_a_circle(
    workspace: Workspace, tmp_path: Path
) -> None:
    assert "nowhere" in problems(workspace, tmp_path, refers("a", "nowhere"))
    assert "a -> a" in problems(workspace, tmp_path, refers("a", "a"))
    said = problems(workspace, tmp_path, refers("a", "b"), refers("b", "c"), refers("c", "a"))
    assert "a -> b -> c -> a" in said
    assert list_segments(workspace) == []
    assert (
        len(save(workspace, tmp_path, refers("c", "b"), refers("b", "a"), refers("a", None))) == 3
    )
    assert "a -> c -> b -> a" in problems(workspace, tmp_path, refers("a", "c"))
    with pytest.raises(Conflict, match="referred to by `b`"):
        delete_segment(workspace, "a")
    save(workspace, tmp_path, refers("b", None))
    delete_segment(workspace, "a")
    assert "a" in problems(workspace, tmp_path, refers("b", "a"))


def test_two_who_save_at_once_never_close_a_circle_together(
    workspace: Workspace, tmp_path: Path
) -> None:
    save(workspace, tmp_path, refers("a", None), refers("b", None))

    def turn(number: int, name: str, to: str) -> bool:
        folder = tmp_path / f"{name}{number}"
        folder.mkdir()
        try:
            save(workspace, folder, refers(name, to))
        except InvalidInput:
            return False
        return True

    with ThreadPoolExecutor(2) as people:
        for number in range(5):
            save(workspace, tmp_path, refers("a", None), refers("b", None))
            done = people.map(lambda pair: turn(number, *pair), [("a", "b"), ("b", "a")])  # noqa: B023
            assert sorted(done) == [False, True]


def test_a_draft_may_be_invalid_and_neither_runs_nor_becomes_active_until_it_is_valid(
    workspace: Workspace, tmp_path: Path
) -> None:
    assert save(workspace, tmp_path, refers("a", "nowhere", state="draft")) == ["created"]
    with pytest.raises(Conflict, match="draft"):
        refresh_segments(workspace, ["a"])
    for state in ("active", "inactive"):
        assert "nowhere" in problems(workspace, tmp_path, refers("a", "nowhere", state=state))
    assert save(workspace, tmp_path, refers("nowhere", None), refers("a", "nowhere")) == [
        "created",
        "changed",
    ]
    assert [run.name for run in refresh_segments(workspace, None)] == ["a", "nowhere"]


def test_static_segments_are_refreshed_by_name_only_and_expansions_like_dynamic_ones(
    workspace: Workspace, tmp_path: Path
) -> None:
    save(
        workspace,
        tmp_path,
        refers("fixed", None, type="static"),
        refers("similar", None, type="expansion"),
    )
    assert [run.name for run in refresh_segments(workspace, None)] == ["similar"]
    assert [run.name for run in refresh_segments(workspace, ["fixed"])] == ["fixed"]


def test_a_measure_is_kept_while_a_segment_uses_it(workspace: Workspace, tmp_path: Path) -> None:
    assert save(workspace, tmp_path, USER, MEASURE) == ["created", "created"]
    assert save(workspace, tmp_path, MEASURE) == ["unchanged"]
    (stored,) = list_measures(workspace)
    assert (stored.name, stored.rev) == ("spent", 1)
    assert show_measure(workspace, "spent").segments == ["big"]
    with pytest.raises(Conflict, match="`big`"):
        delete_measure(workspace, "spent")
    assert save(workspace, tmp_path, MEASURE + "description: All of it.\n") == ["changed"]
    described = show_measure(workspace, "spent").measure
    assert (described.rev, described.digest) == (2, stored.digest)
    delete_segment(workspace, "big")
    delete_measure(workspace, "spent")
    with pytest.raises(NotFound):
        show_measure(workspace, "spent")
    assert "spent" in problems(workspace, tmp_path, USER)


def test_measures_are_listed_shown_and_deleted_on_the_command_line(
    workspace: Workspace, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("LAKE_URL", workspace.settings.lake_url or "")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    save(workspace, tmp_path, USER, MEASURE + "description: All of it.\n")

    def muster(*arguments: str) -> str:
        answer = CliRunner().invoke(app, arguments)
        assert answer.exit_code == 0, answer.output
        return answer.output

    assert "spent" in muster("measure", "list")
    shown = muster("measure", "show", "spent")
    assert "big" in shown
    assert "function: sum" in shown
    delete_segment(workspace, "big")
    assert "deleted" in muster("measure", "delete", "spent")
    assert list_measures(workspace) == []
