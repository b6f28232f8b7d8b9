"""What columns hold, as the API tells it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.integration.api.conftest import Api

from muster_console.operation.workspace import Workspace
from muster_core.catalog.quantile import Sketch
from muster_core.catalog.statistic import ColumnStatistic, Statistics, TableStatistic
from muster_core.lake.manifest import SnapshotManifest
from muster_core.lake.statistic import write_statistics
from muster_core.lake.store import write_snapshot
from muster_core.storage.catalog import current_catalog
from muster_core.storage.database import transaction
from muster_core.storage.snapshot import publish_snapshot, take_lease

pytestmark = pytest.mark.integration

COLUMNS = {
    "country": ColumnStatistic(kind="text", rows=3, nulls=1, values={"GB": 2}),
    "paid": ColumnStatistic(
        kind="decimal(9,2)",
        rows=3,
        nulls=0,
        minimum=-5,
        maximum=1_250,
        values={"-5": 1, "1250": 2},
        spread=Sketch(shift=0, first=-5, steps=[1_255], counts=[1, 2]),
    ),
}


@pytest.fixture
def prepared(workspace: Workspace) -> None:
    lake = workspace.lake
    known = Statistics(tables={"customers": TableStatistic(columns=COLUMNS)})
    with transaction(workspace.database) as connection:
        found = current_catalog(connection)
        assert found is not None
        manifest = SnapshotManifest(
            generation=1,
            partitions=1,
            parent=None,
            catalog=found[1],
            fingerprint="0",
            sources=[],
            keys=[],
            columns={},
            profile=[],
            tables={},
            statistics=write_statistics(lake, "store/one", known),
        )
        path, sha256 = write_snapshot(lake, "store/one", manifest)
        fence = take_lease(connection, owner="test", lease=timedelta(minutes=1))
        assert fence is not None
        publish_snapshot(
            connection,
            fence=fence,
            parent_id=None,
            generation=1,
            manifest=path,
            manifest_sha256=sha256,
            catalog_id=found[0],
            customers=3,
            report={},
        )


@pytest.mark.usefixtures("prepared")
def test_percentiles_and_frequent_values_are_told_to_every_role(api: Api) -> None:
    answer = api.call("viewer", "GET", "/catalog/statistics/customers?column=paid")
    assert answer.status_code == 200, answer.text
    (table,) = answer.json()["items"]
    (paid,) = table["columns"]
    assert (paid["minimum"], paid["maximum"], paid["distinct"]) == ("-0.05", "12.50", 2)
    assert {p["percent"]: (p["low"], p["high"]) for p in paid["percentiles"]} == {
        **dict.fromkeys((1, 5, 25), ("-0.05", "-0.05")),
        **dict.fromkeys((50, 75, 95, 99), ("12.50", "12.50")),
    }
    assert paid["top"] == [{"value": "12.50", "rows": 2}, {"value": "-0.05", "rows": 1}]
    assert api.call("viewer", "GET", "/catalog/statistics/customer").status_code == 404
    assert api.call(None, "GET", "/catalog/statistics/customers").status_code == 401


def test_before_anything_was_prepared_there_is_nothing_to_tell(api: Api) -> None:
    assert api.call("viewer", "GET", "/catalog/statistics/customers").status_code == 409
