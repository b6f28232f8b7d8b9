"""One data set's course: start a home, prepare, add a day, then every contender in turn on the same files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from benchmarks import latency
from benchmarks.contender.contender import Stage
from benchmarks.contender.snapshot import newest_store
from benchmarks.data import Dataset, add_day, catalog, linked
from benchmarks.home import Home, running
from benchmarks.lane import Failed, Lane
from benchmarks.ledger import Ledger
from benchmarks.meter import Usage, metered
from benchmarks.mix import Segment, segments
from benchmarks.refresh import Refresher

#: The contender that is the whole project, from a claimed run to a published version.
WHOLE = "muster"
#: Contenders on the project's own engine: its processes are measured with their own.
ON_ENGINE = {"engine", "spark"}
#: Contenders that read nothing but the snapshot or the files: no counts to compare.
FLOORS = {"floor", "floor-store"}
#: So many segments a contender of one query each is asked for at most; beyond that it gets a sample.
MOST = {"duckdb": 100, "duckdb-sorted": 100, "duckdb-store": 100, "clickhouse": 100, "spark": 20}
#: Seconds a contender may take, but for the one with a limit of its own.
_PATIENCE = 1800.0
#: A contender that took more memory than this gets a new process for its next turn.
_MUCH = 2 * 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured on one data set."""

    contenders: Sequence[str]
    sizes: Sequence[int]
    #: Rounds of the quick contenders; those that take long get one.
    rounds: int
    sample: int
    #: Of those asked one by one no more than this is asked for, whatever `MOST` says.
    most: int = 100
    prepare_duckdb: bool = True
    extras: bool = False


@dataclass(slots=True, kw_only=True)
class Course:
    """Runs a plan on one data set and writes every figure into the ledger."""

    dataset: Dataset
    plan: Plan
    ledger: Ledger
    work: Path
    cores: int
    memory_bytes: int
    limit_seconds: float
    tell: Callable[[str], None]
    warm_up: Dataset
    differences: list[str] = field(default_factory=list)
    _lanes: dict[str, Lane] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)

    @property
    def point(self) -> str:
        """Return the data set's name in the ledger."""
        return self.dataset.shape.name

    def run(self) -> None:
        """Measure everything; figures that were taken stay in the ledger whatever happens."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        shape = self.dataset.shape
        self.ledger.add(
            "data",
            point=self.point,
            customers=shape.customers,
            rows=shape.related,
            bytes=self.dataset.size,
        )
        try:
            self._run(linked(self.dataset, self.work / "data"))
        finally:
            shutil.rmtree(self.work, ignore_errors=True)

    def _run(self, data: Dataset) -> None:
        stage = Stage(
            dataset=data,
            home=self.work / "home",
            scratch=self.work / "scratch",
            cores=self.cores,
            memory_bytes=self.memory_bytes,
            limit_seconds=self.limit_seconds,
        )
        stage.scratch.mkdir()
        with self._started(stage) as (home, refresher):
            self._apply(home, data)
            self.tell("warming the engine up")
            self._lane("engine", stage).ask("warm", self.warm_up, patience=900)
            self._prepare(data, stage, refresher)
            for size in self.plan.sizes:
                for number in range(self.plan.rounds):
                    self._round(size, number, stage, refresher)
            if self.plan.extras:
                self._extras(stage, refresher)

    @contextmanager
    def _started(self, stage: Stage) -> Iterator[tuple[Home, Refresher]]:
        self.tell("starting Muster")
        with ExitStack() as stack:
            with metered([]) as usage:
                home = stack.enter_context(running(stage.home))
            self.ledger.add("up", point=self.point, seconds=usage.seconds)
            refresher = Refresher(stage.home)
            stack.callback(refresher.close)
            # before the home goes down: some of them are clients of its engine
            stack.callback(self._close_lanes)
            yield home, refresher

    def _apply(self, home: Home, data: Dataset) -> None:
        self.tell("applying catalog and segments")
        path = self.work / "catalog.json"
        path.write_text(json.dumps(catalog(data.folder)))
        documents = [segment.document() for segment in segments(max(self.plan.sizes))]
        (self.work / "segments.yaml").write_text(yaml.safe_dump_all(documents, sort_keys=False))
        for what, file in (("catalog", path), ("segment", self.work / "segments.yaml")):
            with metered([]) as usage:
                home(what, "apply", file)
            self.ledger.add("apply", point=self.point, what=what, seconds=usage.seconds)

    def _prepare(self, data: Dataset, stage: Stage, refresher: Refresher) -> None:
        first = segments(1)
        self.tell("preparing the store")
        self._prepared("first", refresher, first)
        duckdb = self._lane("duckdb-prepare", stage) if self.plan.prepare_duckdb else None
        partitions = newest_store(stage.home).manifest.partitions
        if duckdb:
            self.tell("the same join and sort in DuckDB")
            self._timed(duckdb, "first", "first", partitions)
        rows = add_day(self.dataset, data)
        self.tell(f"preparing one new day of {rows:,} rows")
        self._prepared("day", refresher, first, rows=rows)
        if duckdb:
            self._timed(duckdb, "day", "day")
            duckdb.close()
            shutil.rmtree(stage.scratch / "duckdb-store", ignore_errors=True)
        self.ledger.add("store", point=self.point, partitions=partitions, bytes=_size(stage.home))

    def _prepared(self, what: str, refresher: Refresher, first: list[Segment], **more: Any) -> None:
        with metered([refresher.pid], disk=self.work) as usage:
            found = refresher.refresh(first)
        self.ledger.add(
            "prepare",
            point=self.point,
            contender=WHOLE,
            what=what,
            seconds=found.stages["prepare"],
            **_taken(usage),
            **more,
        )

    def _timed(self, lane: Lane, what: str, method: str, *arguments: Any) -> None:
        fields = {"point": self.point, "contender": "duckdb-prepare", "what": what}
        try:
            with metered([lane.start()], disk=self.work) as usage:
                lane.ask(method, *arguments, patience=3600)
        except Failed as exc:
            self.ledger.add("prepare-failed", **fields, failed=str(exc))
            return
        self.ledger.add("prepare", **fields, seconds=usage.seconds, **_taken(usage))

    def _extras(self, stage: Stage, refresher: Refresher) -> None:
        self.tell("hint to claim on an idle system")
        waited = latency.hint_to_claim(refresher, segments(1))
        self.ledger.add("hint", point=self.point, seconds=waited)
        self.tell("10,000 segments due at one instant")
        self.ledger.add("due", point=self.point, **latency.plan_due(stage.home, 10_000))
        self.tell("single segments")
        for segment in segments(10):
            self._alone(segment, stage, refresher)

    def _alone(self, segment: Segment, stage: Stage, refresher: Refresher) -> None:
        """Time one segment by itself, twice each way in turn; the second time counts."""
        taken: dict[str, float] = {}
        for _ in range(2):
            for name in ("engine", "duckdb"):
                lane = self._lane(name, stage)
                with metered([lane.start()]) as usage:
                    lane.ask("count", [segment])
                taken[name] = usage.seconds
            taken[WHOLE] = refresher.refresh([segment]).seconds
        self.ledger.add("alone", point=self.point, segment=segment.name, **taken)

    def _round(self, size: int, number: int, stage: Stage, refresher: Refresher) -> None:
        for name in self.plan.contenders:
            # what takes a query a segment takes long enough to be measured once
            if number and (name in MOST or self._gave_up(name)):
                continue
            chosen = segments(size)[: self._asked(name, size)]
            count = len(chosen)
            self.tell(f"{size:,} segments: {name}" + (f", {count} of them" if count < size else ""))
            self._measure(name, chosen, size, stage, refresher)

    def _asked(self, name: str, size: int) -> int:
        """Return how many of `size` segments a contender is asked for."""
        most = min(MOST.get(name, size), self.plan.most) if name in MOST else size
        return size if size <= most else min(self.plan.sample, most)

    def _measure(
        self, name: str, chosen: list[Segment], size: int, stage: Stage, refresher: Refresher
    ) -> None:
        fields = {"point": self.point, "contender": name, "segments": size, "run": len(chosen)}
        try:
            if name == WHOLE:
                with metered([refresher.pid]) as usage:
                    found = refresher.refresh(chosen)
                counts, seconds, stages = found.counts, found.seconds, found.stages
            else:
                lane = self._lane(name, stage)
                engine = [refresher.engine_pid] if name in ON_ENGINE else []
                roots = [lane.start(), *engine]
                with metered(roots) as usage:
                    counts = lane.ask("count", chosen)
                seconds, stages = usage.seconds, {}
                if name not in ON_ENGINE and usage.peak_bytes > _MUCH:
                    # what its allocator keeps would be missing to the others
                    lane.close()
        except Failed as exc:
            self.ledger.add("refresh", **fields, failed=str(exc))
            if name != WHOLE:
                self._lane(name, stage).close()
            return
        self.ledger.add("refresh", **fields, seconds=seconds, stages=stages, **_taken(usage))
        if name not in FLOORS:
            self._compare(name, dict(zip([s.name for s in chosen], counts, strict=True)))

    def _compare(self, name: str, counts: Mapping[str, int]) -> None:
        """Hold the counts against those of whoever counted these segments first."""
        for segment, count in counts.items():
            known = self._counts.setdefault(segment, count)
            if known != count:
                said = f"{self.point}: {name} counts {count} members of {segment}, not {known}"
                self.differences.append(said)
                self.ledger.add("difference", point=self.point, said=said)
        self.ledger.add("agreed", point=self.point, contender=name, segments=len(counts))

    def _gave_up(self, name: str) -> bool:
        return any(
            "failed" in e for e in self.ledger.of("refresh", point=self.point, contender=name)
        )

    def _close_lanes(self) -> None:
        for lane in self._lanes.values():
            lane.close()

    def _lane(self, name: str, stage: Stage) -> Lane:
        # a query a segment always ends; one for all of many segments may not
        patient = stage if name == "duckdb-all" else replace(stage, limit_seconds=_PATIENCE)
        return self._lanes.setdefault(name, Lane(name, patient))


def _taken(usage: Usage) -> dict[str, float | int]:
    return {
        "cpu_seconds": usage.cpu_seconds,
        "peak_bytes": usage.peak_bytes,
        "task_bytes": usage.task_bytes,
        "disk_bytes": usage.disk_bytes,
    }


def _size(home: Path) -> int:
    return sum(file.stat().st_size for file in (home / "lake" / "store").rglob("*.parquet"))
