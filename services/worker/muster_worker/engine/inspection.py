"""The task that looks around where it runs. It travels by value: it must work where no code of ours arrived."""

from __future__ import annotations

import json
import platform
import socket
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pyarrow as pa
from pyspark import cloudpickle

#: What the tasks of a refresh import; ``infra/executor-requirements.txt`` installs it on the executors.
PACKAGES = (
    "cronsim",
    "lark",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "tzdata",
    "xxhash",
)

Task = Callable[[Iterable[Any]], Iterator[Any]]


def inspection_task(lake_url: str, marker: str, content: str) -> Task:
    """Return a task for ``mapInArrow`` whose one row is a JSON report of its Python and its view of the lake."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]
    return _Inspection(lake_url, marker, content, PACKAGES)


class _Inspection:
    def __init__(self, lake_url: str, marker: str, content: str, packages: tuple[str, ...]) -> None:
        self._lake_url = lake_url
        self._marker = marker
        self._content = content
        self._packages = packages

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Take no notice of the rows, and yield the report."""
        found = {}
        for name in self._packages:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                continue
        for _ in batches:
            pass
        report = {
            "host": socket.gethostname(),
            "python": platform.python_version(),
            "packages": found,
            "lake": self._lake(),
        }
        yield pa.RecordBatch.from_pydict({"report": [json.dumps(report, sort_keys=True)]})

    def _lake(self) -> str:
        try:
            # not at the top: that the code has not arrived is to be reported, not to be failed on
            from muster_core.errors import MusterError
            from muster_core.lake.location import Lake
        except ImportError as exc:
            return f"the code that was sent cannot be imported ({exc})"
        try:
            lake = Lake(self._lake_url)
            seen = lake.read_bytes(self._marker).decode()
            if seen != self._content:
                return "it is another lake than this worker's"
            lake.write_bytes(f"probe/{uuid.getnode():x}", b"")
        except MusterError as exc:
            return str(exc)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the report names its kind
            return type(exc).__name__
        return ""
