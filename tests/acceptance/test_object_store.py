"""Everything on an object store: sources and lake in S3 and Azure give the members that a disk gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from tests.object_store import AzureServer, S3Server
from tests.running import Parts
from tests.shop import Shop, in_country, ordered, segment, write_shop
from tests.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.spark, pytest.mark.timeout(600)]

SEGMENT = {"kind": "all", "of": [in_country("GB"), ordered(3, channel="web")]}


def _upload_to_s3(server: S3Server, shop: Shop) -> str:
    bucket = server.bucket()
    with server.client() as client:
        for file in shop.folder.rglob("*.parquet"):
            client.upload_file(str(file), bucket, f"shop/{file.relative_to(shop.folder)}")
    return f"s3://{bucket}/shop"


def _upload_to_azure(server: AzureServer, shop: Shop) -> str:
    container = server.container()
    with server.client() as client:
        for file in shop.folder.rglob("*.parquet"):
            blob = client.get_blob_client(container, f"shop/{file.relative_to(shop.folder)}")
            blob.upload_blob(file.read_bytes(), overwrite=True)
    return f"abfss://{container}@{server.account}.dfs.core.windows.net/shop"


def _catalog(shop: Shop, place: str) -> Path:
    """Write the shop's catalog with its sources at `place`."""
    document = yaml.safe_load(shop.catalog.read_text())
    for table in (document["profile"], *document["tables"].values()):
        table["source"]["parquet"] = f"{place}/{table['source']['parquet']}"
    path = shop.folder / f"{place.partition(':')[0]}.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def _members(parts: Parts, catalog: Path, folder: Path, number: int) -> list[str]:
    """Prepare and refresh by `catalog`, and return the members as they were exported."""
    parts.muster("catalog", "apply", str(catalog))
    run = parts.json("segment", "refresh", "web", "--wait")["runs"][0]
    assert run["state"] == "published"

    version = folder / "crm" / "web" / f"version={number}"
    eventually((version / "manifest.json").exists, 60, every=0.5)  # the last file of a delivery
    exported: list[str] = pq.read_table(version / "part-00000.parquet")["customer_id"].to_pylist()
    return exported


def _describe(parts: Parts, folder: Path) -> None:
    parts_file = folder / "segment.yaml"
    parts_file.write_text(yaml.safe_dump(segment("web", SEGMENT)))
    export = {
        "name": "crm",
        "connection": {"kind": "folder", "path": str(folder / "out")},
        "segments": ["web"],
        "format": "parquet",
    }
    (folder / "out").mkdir()
    (folder / "export.yaml").write_text(yaml.safe_dump(export))
    parts.muster("segment", "apply", str(parts_file))
    parts.muster("export", "apply", str(folder / "export.yaml"))


@pytest.mark.long
@pytest.mark.parametrize("store", ["s3", "azure"])
def test_sources_and_lake_in_object_stores_give_the_same_members(
    tmp_path: Path, s3_server: S3Server, azure_server: AzureServer, store: str
):
    shop = write_shop(tmp_path / "shop", customers=500, orders=4_000)
    lake = f"s3://{s3_server.bucket()}/deep/lake"
    if store == "azure":
        lake = f"abfs://{azure_server.container()}@{azure_server.account}/deep/lake"
    environment = {**s3_server.environment(), **azure_server.environment(), "LAKE_URL": lake}
    uploads: list[Callable[[], str]] = [
        lambda: _upload_to_s3(s3_server, shop),
        lambda: _upload_to_azure(azure_server, shop),
    ]
    with Parts(tmp_path / "home", environment) as parts:
        parts.muster("catalog", "apply", str(shop.catalog))
        _describe(parts, tmp_path)
        local = _members(parts, shop.catalog, tmp_path / "out", 1)
        assert 20 < len(local) < 480
        for number, upload in enumerate(uploads, 2):
            found = _members(parts, _catalog(shop, upload()), tmp_path / "out", number)
            assert found == local
        secrets = (s3_server.secret_key, azure_server.key)
        for log in (tmp_path / "home" / "log").iterdir():
            assert not any(secret in log.read_text() for secret in secrets), log.name
    # nothing of the lake is on this disk
    assert not list((tmp_path / "home").rglob("*.parquet"))
