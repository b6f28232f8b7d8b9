"""What the engine's Python processes run: a task that leaves its process quick for the next one."""

from __future__ import annotations

import sys
import zipimport
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from muster_core.importing import leave_pandas_out

#: What ``mapInArrow`` takes.
Work = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True, slots=True)
class PythonTask:
    """`work` as the engine is to run it: what its process remembers of archives is forgotten afterwards.

    Before each task PySpark calls `importlib.invalidate_caches`, and every archive that imports have looked into
    is read again: Spark's own, with thousands of names, once for each of its packages. What is forgotten here
    is not read again before something is imported from it. And pandas, which no work needs, is left out.
    """

    work: Work

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield what `work` yields."""
        leave_pandas_out()
        try:
            yield from self.work(batches)
        finally:
            forget_archives()


def forget_archives() -> None:
    """Drop Python's finders of archives; an import that needs one makes it anew, from what is known of it."""
    for path, finder in list(sys.path_importer_cache.items()):
        if isinstance(finder, zipimport.zipimporter):
            sys.path_importer_cache.pop(path, None)
