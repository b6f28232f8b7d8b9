"""What the demo prints, without running it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from muster_console.cli import demo as module
from muster_console.cli import waiting
from muster_console.demo.stage import Stage


def test_with_json_standard_output_is_one_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(folder=tmp_path, rows={"customers": 10}, made=True)
    replaced: dict[str, Callable[..., Any]] = {
        "_running": lambda *_, **__: nullcontext(),
        "set_stage": lambda *_, **__: stage,
        "open_workspace": lambda _: nullcontext(),
        "_scheduled": lambda _: [],
    }
    for name in ("apply_catalog", "apply_segments", "apply_exports"):
        replaced[name] = lambda *_: [("a", "created")]
    for name, function in replaced.items():
        monkeypatch.setattr(module, name, function)
    monkeypatch.setattr(waiting, "watch_runs", lambda *_: [])
    monkeypatch.setattr(waiting, "watch_deliveries", lambda *_: [])
    module.demo(customers=10, home=tmp_path, keep=False, json=True)
    said = capsys.readouterr()
    assert json.loads(said.out)["runs"] == []
    assert "Made a shop of 10 customers" in said.err
    assert "1 segments and 1 exports are in place" in said.err
