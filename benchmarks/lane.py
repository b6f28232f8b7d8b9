"""A contender in a process of its own, so that its time, memory and crashes are its own."""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.contender.contender import Stage

#: Contenders by name: module and class, imported in the contender's process only.
CONTENDERS = {
    "duckdb": ("benchmarks.contender.duck", "QueryEach"),
    "duckdb-all": ("benchmarks.contender.duck", "QueryAll"),
    "duckdb-sorted": ("benchmarks.contender.duck", "SortedEach"),
    "duckdb-store": ("benchmarks.contender.duck", "StoreEach"),
    "duckdb-prepare": ("benchmarks.contender.duck", "Preparing"),
    "clickhouse": ("benchmarks.contender.clickhouse", "ClickHouseEach"),
    "spark": ("benchmarks.contender.spark", "SparkEach"),
    "engine": ("benchmarks.contender.engine", "EnginePart"),
    "floor": ("benchmarks.contender.floor", "SourceFloor"),
    "floor-store": ("benchmarks.contender.floor", "StoreFloor"),
}
#: On top of a contender's own limit, before its process is ended.
_PATIENCE = 60.0
#: One of them sorts a copy of the data first.
_START_PATIENCE = 1800.0


class Failed(Exception):
    """A contender could not do what it was asked."""


class Lane:
    """Asks one contender's process, which starts at the first question."""

    def __init__(self, name: str, stage: Stage) -> None:
        self.name = name
        self._stage = stage
        self._process: Any = None
        self._pipe: Connection | None = None

    def start(self) -> int:
        """Start the process if it does not run; return its id."""
        if self._process is None or not self._process.is_alive():
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(
                target=_serve, args=(self.name, self._stage, theirs), daemon=True
            )
            self._process.start()
            theirs.close()
            self._answer(_START_PATIENCE)
        return int(self._process.pid)

    def ask(self, method: str, *arguments: Any, patience: float | None = None) -> Any:
        """Call a method of the contender and return what it returns.

        Raises:
            Failed: it raised, died, or did not answer in time.
        """
        self.start()
        assert self._pipe is not None
        self._pipe.send((method, arguments))
        return self._answer(patience or self._stage.limit_seconds + _PATIENCE)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            if self._pipe is not None:
                with suppress(OSError):
                    self._pipe.send(None)
            self._process.join(10)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
        self._process = self._pipe = None

    def _answer(self, patience: float) -> Any:
        assert self._pipe is not None
        if not self._pipe.poll(patience):
            self._process.kill()
            self._process.join()
            raise Failed(f"did not finish in {patience:.0f} s")
        try:
            worked, answer = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise Failed(f"its process ended with code {self._process.exitcode}") from None
        if not worked:
            raise Failed(answer)
        return answer


def _serve(name: str, stage: Stage, pipe: Connection) -> None:
    try:
        # here and by name, since the libraries of others need not be installed to measure some
        module, kind = CONTENDERS[name]
        make: Callable[[Stage], Any] = getattr(import_module(module), kind)
        contender = make(stage)
    except Exception as exc:  # noqa: BLE001 - whoever asks is told, and measures the others
        traceback.print_exc()
        pipe.send((False, f"{type(exc).__name__}: {exc}"))
        return
    pipe.send((True, None))
    while (question := pipe.recv()) is not None:
        method, arguments = question
        try:
            answer = (True, getattr(contender, method)(*arguments))
        except TimeoutError as exc:
            answer = (False, str(exc))
        except Exception as exc:  # noqa: BLE001 - the same
            traceback.print_exc()
            answer = (False, f"{type(exc).__name__}: {(str(exc).splitlines() or [''])[0][:300]}")
        pipe.send(answer)
