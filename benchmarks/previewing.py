"""How soon the API answers what an unsaved definition would give: previews, estimated and exact, and plans."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import yaml

from benchmarks import data
from benchmarks.data import AS_OF, Shape
from benchmarks.home import Home, running
from benchmarks.mix import segments
from benchmarks.serving import reader
from muster_console.operation.workspace import open_workspace
from muster_core.security.role import Role
from muster_core.settings import Settings

#: Segments that are published, so that every column a definition of the mix may name is prepared.
PUBLISHED = 40
#: Definitions that are looked at: of the same mix, with other values.
DEFINITIONS = 10
ROUNDS = 3
#: What no answer should take longer than, in seconds.
TARGET = 2.0
#: What is asked for, by what it is called in the report.
_ASKED = {
    "preview": ("preview", {}),
    "preview, a part": ("preview", {"exact": "false"}),
    "preview, everybody": ("preview", {"exact": "true"}),
    "plan": ("plan", {}),
}


def measure(customers: int, cache: Path) -> dict[str, Any]:
    """Prepare the data of so many customers, made once below `cache`, and print and return what answers take."""
    dataset = data.generate(Shape(customers=customers), cache, lambda _done, _of: None)
    with TemporaryDirectory(prefix="muster-preview-") as name, running(Path(name) / "home") as home:
        began = time.perf_counter()
        _prepare(home, dataset.folder, Path(name))
        print(f"prepared and refreshed in {time.perf_counter() - began:.0f} s")
        with (
            open_workspace(Settings(home=home.path), pool_size=5) as workspace,
            reader(workspace, Role.CONTRIBUTOR) as client,
        ):
            return _asked(client, customers)


def _prepare(home: Home, folder: Path, aside: Path) -> None:
    (aside / "catalog.yaml").write_text(yaml.safe_dump(data.catalog(folder), sort_keys=False))
    documents = [segment.document() for segment in segments(PUBLISHED)]
    (aside / "segments.yaml").write_text(yaml.safe_dump_all(documents, sort_keys=False))
    home("catalog", "apply", aside / "catalog.yaml")
    home("segment", "apply", aside / "segments.yaml")
    runs = home("segment", "refresh", "--all", "--wait", "--as-of", AS_OF.isoformat())["runs"]
    lost = [run for run in runs if run["state"] != "published"]
    if lost:
        raise RuntimeError(f"{len(lost)} runs were not published, the first: {lost[0]}")


def _asked(client: httpx.Client, customers: int) -> dict[str, Any]:
    """Ask everything of every definition, in turn, some rounds; every one has a published version to differ from."""
    names = [segment.name for segment in segments(DEFINITIONS)]
    wanted = [segment.document() for segment in segments(DEFINITIONS, seed=12)]
    documents = [{**one, "name": name} for one, name in zip(wanted, names, strict=True)]
    taken: dict[str, list[float]] = {name: [] for name in _ASKED}
    for document in documents * ROUNDS:
        for name, (path, query) in _ASKED.items():
            begin = time.perf_counter()
            answer = client.post(
                f"/api/v1/segments/{path}",
                params={**query, "as_of": AS_OF.isoformat()},
                json=document,
            )
            taken[name].append(time.perf_counter() - begin)
            answer.raise_for_status()
    load = os.getloadavg()[0]
    print(f"{customers:,} customers, {DEFINITIONS} definitions, {ROUNDS} rounds; load {load:.1f}")
    found: dict[str, Any] = {"customers": customers, "load": load, "target": TARGET}
    for name, seconds in taken.items():
        median, longest = statistics.median(seconds), max(seconds)
        found[name] = {"median": median, "longest": longest}
        print(f"{name:20} median {median:6.2f} s   longest {longest:6.2f} s")
    return found
