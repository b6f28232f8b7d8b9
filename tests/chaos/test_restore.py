"""A control database that forgot an hour: nothing is delivered twice with other bytes."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.running import Parts
from tests.shop import add_orders, ordered, segment, write_shop

from muster_core.storage.epoch import VERSIONS_PER_EPOCH

pytestmark = [pytest.mark.chaos, pytest.mark.long, pytest.mark.timeout(900)]


def hashes(sink: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of every version; the pointers move on."""
    return {
        str(file.relative_to(sink)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sink.glob("*/*/version=*/*")
    }


def versions(sink: Path) -> list[int]:
    return sorted(int(folder.name.partition("=")[2]) for folder in sink.glob("*/*/version=*"))


def copy(source: Path, target: Path) -> None:
    """Copy a folder with its owner, who is not root where root runs the test."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def test_restored_an_hour_back_nothing_is_delivered_twice_with_other_bytes(tmp_path: Path):
    home, sink, kept = tmp_path / "home", tmp_path / "sink", tmp_path / "backup"
    sink.mkdir()
    shop = write_shop(tmp_path / "shop", customers=2_000, orders=4_000)
    (tmp_path / "segments.yaml").write_text(yaml.safe_dump(segment("buyers", ordered(2))))
    feed = {
        "name": "feed",
        "connection": {"kind": "folder", "path": str(sink)},
        "segments": ["buyers"],
        "rows_per_file": 200,
    }
    (tmp_path / "export.yaml").write_text(yaml.safe_dump(feed))
    parts = Parts(home, {"MUSTER_PARTITIONS": "2"})
    with parts:
        parts.muster("catalog", "apply", str(shop.catalog))
        parts.muster("segment", "apply", str(tmp_path / "segments.yaml"))
        parts.muster("export", "apply", str(tmp_path / "export.yaml"))
        parts.muster("system", "refresh", "--deliveries")
    copy(home / "postgres" / "data", kept)

    random = np.random.default_rng(5)
    with parts:  # an hour in which three versions are published, each of other members
        for number in range(3):
            customers = shop.frame("customers")["customer_id"].to_numpy(zero_copy_only=False)
            keys = customers[:500]
            add_orders(shop.folder, keys, 700, first=10_000 * (number + 1), random=random)
            parts.muster("system", "refresh", "--deliveries")
    before = hashes(sink)
    assert versions(sink) == [1, 2, 3, 4]

    shutil.rmtree(home / "postgres" / "data")
    copy(kept, home / "postgres" / "data")
    bare = Parts(home, {"MUSTER_PARTITIONS": "2", "MUSTER_SERVICES": "none"})
    with bare:
        epoch = bare.json("admin", "bump-epoch")["epoch"]
    with parts:
        parts.muster("export", "deliver", "feed")
        parts.muster("system", "refresh", "--deliveries")
        add_orders(shop.folder, keys, 700, first=90_000, random=random)
        parts.muster("system", "refresh", "--deliveries")

    after, first = hashes(sink), VERSIONS_PER_EPOCH * epoch
    assert {name: after.get(name) for name in before} == before
    assert versions(sink) == [1, 2, 3, 4, first + 1, first + 2]
