"""A segment with times of its own is kept fresh by the running services; nobody runs a command."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pytest
import yaml
from tests.running import Parts
from tests.shop import in_country, segment, write_shop
from tests.waiting import eventually

pytestmark = [pytest.mark.acceptance]


def test_a_segment_due_every_minute_is_refreshed_without_a_command(tmp_path: Path):
    shop = write_shop(tmp_path / "shop", customers=1_000, orders=2_000)
    document = segment(
        "british", in_country("GB"), schedule={"cron": "* * * * *", "timezone": "Europe/London"}
    )
    (tmp_path / "segments.yaml").write_text(yaml.safe_dump(document))
    with Parts(tmp_path / "home") as parts:
        parts.muster("catalog", "apply", str(shop.catalog))
        parts.muster("segment", "apply", str(tmp_path / "segments.yaml"))

        def published() -> object:
            return parts.json("run", "list", "--state", "published")

        found = eventually(published, 90, every=1.0)
        assert isinstance(found, list)
        run = parts.json("run", "show", str(found[0]["run_id"]))
        british = pc.field("country") == "GB"
        members = shop.frame("customers").filter(british).num_rows
        assert run["segment"] == "british"
        assert run["trigger"] == "schedule"
        assert run["scheduler"].startswith("scheduler@")
        assert run["worker"].startswith("worker@")
        assert " spark 4." in run["engine"]
        assert len(run["engine_jobs"]) == 1
        assert run["snapshot_id"] is not None
        assert run["as_of"] >= run["due_at"]
        assert (run["members"], run["joined"], run["left"]) == (members, members, 0)
        assert run["version"] == 1
