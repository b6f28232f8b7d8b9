"""Long lists against a server: by any column, page by page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.integration.remote.conftest import Run

pytestmark = pytest.mark.integration


def test_lists_are_sorted_by_any_column_page_by_page(run: Run) -> None:
    for command, number, columns in (
        ("audit list", "seq", ("actor", "action", "at", "seq")),
        ("run list", "run_id", ("state", "finished_at", "members", "error", "run_id")),
        ("export deliveries", "id", ("segment", "state", "rows", "created_at", "id")),
    ):
        whole = json.loads(run(f"{command} --json")[1])
        assert whole
        for column in columns:
            for down in ("-", ""):
                found: list[dict[str, Any]] = []
                cursor: list[str] = []
                while True:
                    order = f"--sort={down}{column} --limit {max(1, len(whole) // 2)} --page --json"
                    here = len(found) % 2 == 0
                    code, out = run(command, *order.split(), *cursor, here=here)
                    assert code == 0, out
                    page = json.loads(out)
                    found += page["items"]
                    if page["next"] is None:
                        break
                    cursor = ["--cursor", page["next"]]
                # every row once, in order, missing values last
                assert {one[number] for one in found} >= {one[number] for one in whole}
                assert len({one[number] for one in found}) == len(found)
                values = [one[column] for one in found]
                given = [value for value in values if value is not None]
                assert given == sorted(given, reverse=bool(down))
                assert values[: len(given)] == given
        for wrong in ("--sort=nothing", "--cursor=eA==", "--cursor=x"):
            refused = run(command, wrong, "--json")
            assert refused == run(command, wrong, "--json", here=True)
            assert refused[0] == 2
    assert json.loads(run("audit list --action nothing --json")[1]) == []
    assert json.loads(run("run list --trigger nothing --json")[1]) == []
