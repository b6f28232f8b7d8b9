"""The export cases handed in beside the checkout, against a real receiver that may refuse rows."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from tests.integration.exporter.connected import connect, drain
from tests.integration.exporter.world import COLUMNS, build_world, partition_table
from tests.receiver import running_receiver

pytestmark = pytest.mark.integration

CASES = Path(__file__).parents[4] / "shared" / "cases" / "segment_cases.json"
FOUND = json.loads(CASES.read_text())["export_cases"] if CASES.exists() else []
MODES = {"diff": "changes", "upsert": "upsert", "full": "full"}
KEY = b"a key of thirty-two bytes, canary"[:32]


@pytest.mark.skipif(not CASES.exists(), reason=f"the handed-in cases are not at {CASES}")
@pytest.mark.parametrize("case", FOUND, ids=lambda case: case["id"])
def test_the_expected_rows_are_sent(
    case: dict[str, Any], database: sa.Engine, database_url: str, tmp_path: Path
) -> None:
    profile = partition_table(0, 26)
    names = pa.array([chr(ord("a") + n) for n in range(26)])
    profile = profile.set_column(0, profile.schema.field(0), pa.array([True] * 26))
    profile = profile.set_column(1, profile.schema.field(1), names)
    world = build_world(database, database_url, tmp_path, [profile], COLUMNS)
    failed = {entry["id"] for entry in case["failed"]}
    sent: dict[str, list[str]] = {"add": [], "remove": []}

    def behave(_: str, body: bytes) -> Any:
        message = json.loads(body)
        rows = message["data"].get("rows", [])
        refused = [n for n, row in enumerate(rows) if row["id"] in failed]
        for row in rows:
            sent[row.get("operation", "add")].append(row["id"])
        answer = {"refused": [{"row": n, "reason": "no"} for n in refused]}
        return 200, {"content-type": "application/json"}, json.dumps(answer).encode()

    with running_receiver(KEY) as hook:
        hook.behave = behave
        secret = {"signing_secret": f"whsec_{base64.b64encode(KEY).decode()}"}
        connect(world, {"name": "there", "kind": "webhook", "url": hook.url}, secret)
        for members in ({*case["delivered"], *failed}, case["members"]):
            version = world.publish("vip", keys=set(members))
            world.export(connection="there", mode=MODES[case["mode"]], columns=[])
            world.queue("crm", "vip", version)
            sent["add"].clear()
            sent["remove"].clear()
            drain(world)
            refuses_again = set(case.get("destination_refuses", []))
            failed = refuses_again

    assert sorted(sent["add"]) == sorted(case["expected_ops"]["add"])
    assert sorted(sent["remove"]) == sorted(case["expected_ops"]["remove"])
