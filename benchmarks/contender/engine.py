"""Muster's engine part alone: compile the batch, run its job on the engine, write the matrix."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Sequence

from benchmarks.contender.contender import Stage
from benchmarks.contender.snapshot import newest_manifest
from benchmarks.data import AS_OF, Dataset, catalog
from benchmarks.mix import Segment
from muster_core.catalog.text import read_catalog
from muster_core.lake.inspect import resolve_catalog
from muster_core.lake.location import Lake
from muster_core.rules.document import parse_segment
from muster_core.settings import Settings
from muster_core.storage.claim import ClaimedRun
from muster_worker.client import EngineClient
from muster_worker.evaluate.evaluator import Basis, Evaluator
from muster_worker.evaluate.reference import References
from muster_worker.prepare.preparation import prepare


class EnginePart:
    """What a worker does between claiming and publishing, with no control database in it."""

    def __init__(self, stage: Stage) -> None:
        self._home = stage.home
        self._scratch = stage.scratch
        self._client = EngineClient(Settings(home=stage.home).engine_url)

    def count(self, segments: Sequence[Segment]) -> list[int]:
        """Evaluate the segments as one batch on the newest snapshot."""
        lake, manifest, sha256 = newest_manifest(self._home)
        evaluator = Evaluator(
            lake=lake,
            directory=f"matrix/benchmark-{uuid.uuid4().hex}",
            basis=Basis(snapshot=manifest, snapshot_sha256=sha256, as_of=AS_OF),
            begin_job=self._client.session,
            progress=lambda tasks, done: None,
            references=References(as_of=AS_OF),
        )
        runs = [_run(number, segment) for number, segment in enumerate(segments)]
        evaluated = evaluator.evaluate(runs)
        if evaluated.matrix is None or evaluated.guilty:
            raise RuntimeError(f"{len(evaluated.guilty)} segments could not be evaluated")
        tallies = evaluated.matrix.evaluation.tallies
        return [tallies[run.segment_id].count for run in runs]

    def warm(self, dataset: Dataset) -> None:
        """Prepare a small data set beside the home's store, so that the engine's code is compiled."""
        document = read_catalog(json.dumps(catalog(dataset.folder)), "catalog.json")
        inspected = resolve_catalog(document, base=dataset.folder).catalog
        folder = self._scratch / "warm-lake"
        prepare(self._client.session(), Lake(str(folder)), inspected, parent=None)
        shutil.rmtree(folder)


def _run(number: int, segment: Segment) -> ClaimedRun:
    return ClaimedRun(
        run_id=number + 1,
        segment_id=number + 1,
        name=segment.name,
        document=parse_segment(segment.document()),
        rule_rev=1,
        rule_hash="",
        due_at=AS_OF,
        attempt=1,
        previous=None,
        previous_version=None,
    )
