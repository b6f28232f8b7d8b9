"""What a task leaves behind in the engine's Python process."""

from __future__ import annotations

import importlib
import sys
import zipfile
import zipimport
from itertools import chain
from typing import Any

import pyarrow as pa
import pytest

from muster_worker.engine.python_task import PythonTask


@pytest.fixture(autouse=True)
def own_finders(monkeypatch):
    """What tasks leave out of their process is not left out of that of the tests."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))


@pytest.fixture
def archive(tmp_path, monkeypatch):
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as written:
        written.writestr("packed/__init__.py", "")
        written.writestr("packed/first.py", "NAME = 'first'")
        written.writestr("packed/second.py", "NAME = 'second'")
    monkeypatch.syspath_prepend(str(path))
    yield path
    for name in [name for name in sys.modules if name.split(".")[0] == "packed"]:
        del sys.modules[name]


def archives_known():
    finders = sys.path_importer_cache.values()
    return [f for f in finders if isinstance(f, zipimport.zipimporter)]


def numbers(*values):
    return pa.RecordBatch.from_pydict({"number": pa.array(values, pa.int64())})


def test_archives_a_task_imported_from_are_forgotten_and_can_be_imported_from_again(archive):
    def work(batches):
        importlib.import_module("packed.first")
        yield from batches

    answers = list(PythonTask(work)([numbers(1, 2), numbers(3)]))

    assert list(chain.from_iterable(a.column(0).to_pylist() for a in answers)) == [1, 2, 3]
    assert archives_known() == []
    assert importlib.import_module("packed.second").NAME == "second"


def test_they_are_forgotten_when_the_task_fails_or_is_given_up(archive):
    def work(batches):
        importlib.import_module("packed.first")
        yield next(iter(batches))
        raise ValueError("on purpose")

    given_up: Any = PythonTask(work)([numbers(1), numbers(2)])
    next(given_up)
    assert archives_known() != []
    given_up.close()
    assert archives_known() == []

    with pytest.raises(ValueError, match="on purpose"):
        list(PythonTask(work)([numbers(1), numbers(2)]))
    assert archives_known() == []
