"""Sources that change under a running Muster: nothing is published from a fault, and the rest goes on."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.integration.store.shop import Shop, rows

from muster_core.errors import NullKeys, SourceShrunken, SourceUnreadable
from muster_core.lake.location import Lake
from muster_core.lake.store import Store
from muster_core.rules.document import SegmentDocument
from muster_core.settings import Settings
from muster_core.storage.catalog import apply_catalog, current_catalog
from muster_core.storage.database import transaction
from muster_core.storage.segment import apply_segments
from muster_core.storage.snapshot import read_head
from muster_worker.prepare.lease import ensure_prepared

pytestmark = [pytest.mark.integration, pytest.mark.spark]

MANY = [f"c{number}" for number in range(200)]


def write_orders(shop: Shop, name: str, **columns) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    known = {"customer": ["c1"], "at": [at], "number": pa.array([7], pa.int32())}
    pq.write_table(pa.table({**known, **columns}), shop.folder / "orders" / name)


def test_faults_of_sources_leave_the_last_snapshot_in_use(database, spark, lake_url, tmp_path):
    shop = Shop(tmp_path / "shop").customers(MANY).orders([("c1", 1, 1, 10)])
    settings = Settings(home=tmp_path, lake_url=lake_url, partitions=2)
    big = {
        "kind": "rows",
        "table": "orders",
        "aggregate": {"function": "sum", "column": "amount"},
        "compare": "gte",
        "value": 5,
    }
    with transaction(database) as connection:
        apply_catalog(connection, shop.catalog())
        document = SegmentDocument.model_validate({"name": "big", "rules": [{"where": big}]})
        apply_segments(connection, [document])

    def prepare(shrink_share: float = 0.9):
        chosen = settings.model_copy(update={"shrink_share": shrink_share})
        return ensure_prepared(database, lambda: spark, chosen, owner="w")

    def refused(error, match):
        with pytest.raises(error, match=match):
            prepare()
        with transaction(database) as connection:
            head = read_head(connection)
        assert head.snapshot is not None
        assert (head.snapshot.id, head.held) == (first.id, False)
        assert head.error_class == error.code

    first = prepare()

    write_orders(shop, "1.parquet")
    refused(SourceUnreadable, "orders no longer has column amount; it is used by segment big")
    write_orders(shop, "1.parquet", amount=["10"])
    refused(SourceUnreadable, "orders has column amount as text.*used by segment big")
    (shop.folder / "orders" / "1.parquet").unlink()

    shop.customers([*MANY[:-1], None])
    refused(NullKeys, "1")
    shop.customers(MANY[:20])
    refused(SourceShrunken, "customers has 20 rows, the snapshot before had 200")
    assert not prepare(shrink_share=1).unchanged


def test_an_added_column_is_taken_up_into_the_catalog(database, spark, lake_url, tmp_path):
    shop = Shop(tmp_path / "shop").customers(["c1"]).orders([("c1", 1, 1, 10)])
    settings = Settings(home=tmp_path, lake_url=lake_url, partitions=1)
    with transaction(database) as connection:
        apply_catalog(connection, shop.catalog())
    ensure_prepared(database, lambda: spark, settings, owner="w")
    write_orders(shop, "1.parquet", amount=[20], coupon=["spring"])
    made = ensure_prepared(database, lambda: spark, settings, owner="w")
    store = Store.open(Lake(lake_url), made.manifest, made.manifest_sha256)
    coupons = {row["number"]: row["coupon"] for row in rows(store)["c1"]}
    assert coupons == {1: None, 7: "spring"}
    with transaction(database) as connection:
        found = current_catalog(connection)
    assert found is not None
    assert found[1] == store.manifest.catalog
    assert found[1].tables["orders"].columns["coupon"] == "text"
    assert ensure_prepared(database, lambda: spark, settings, owner="w").unchanged
    # applying the same file again changes nothing
    assert shop.catalog() == found[1]
