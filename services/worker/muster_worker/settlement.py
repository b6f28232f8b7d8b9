"""How the runs of a batch are settled that are not published: stopped, broken off, or guilty alone.

Every function runs in a transaction of the caller's and may be repeated: it compares fence and state.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import Connection

from muster_core.errors import (
    EngineUnavailable,
    InvalidInput,
    KillerSegment,
    MusterError,
    PoisonSegment,
    RunTooLong,
    TaskMemoryExceeded,
    TransientError,
)
from muster_core.runs.state import Reason
from muster_core.settings import Settings
from muster_core.storage.run import (
    Blame,
    Claim,
    ClaimedRun,
    cancelled_runs,
    put_off,
    release,
    settle_cancelled,
    settle_failure,
)
from muster_worker.evaluate.job import TaskCrashed
from muster_worker.lease import Interruption


def settle_stopped(
    connection: Connection, claim: Claim, settings: Settings, why: Interruption
) -> None:
    """Settle what is still held of a batch that was stopped before its end."""
    if why is Interruption.CANCELLED:
        settle_cancelled(connection, claim, sorted(cancelled_runs(connection, claim)))
    if why is not Interruption.TIMED_OUT:
        release(connection, claim)
        return
    alone = f" of the segment {claim.runs[0].name}" if len(claim.runs) == 1 else ""
    error = RunTooLong(
        f"The evaluation{alone} took longer than {settings.run_limit_seconds:g} s.",
        hint="Look at its rules, or raise MUSTER_RUN_LIMIT_SECONDS.",
    )
    settle_failure(
        connection,
        claim,
        claim.run_ids,
        error,
        backoff=settings.backoff,
        blame=Blame.WORK,
        reason=Reason.TIMED_OUT,
    )


def settle_broken(
    connection: Connection, claim: Claim, settings: Settings, error: MusterError, *, jobs: int
) -> Mapping[int, str]:
    """Settle what is still held of a batch that `error` ended, after it had begun so many jobs."""
    lost_engine = isinstance(error, EngineUnavailable)
    if lost_engine and not jobs:
        wait = timedelta(seconds=settings.backoff_seconds * random.uniform(0.5, 1))  # noqa: S311
        put_off(connection, claim, error, wait=wait)
        return {}
    if isinstance(error, TaskCrashed):
        # whichever part is tried: the machine may be short of memory, and that may pass
        error = TransientError("Every part of the batch made a process of the engine die.")
        lost_engine = True
    return settle_failure(
        connection,
        claim,
        claim.run_ids,
        error,
        backoff=settings.backoff,
        blame=Blame.PERHAPS_WORK if lost_engine else Blame.OTHERS,
    )


def settle_guilty(
    connection: Connection, claim: Claim, settings: Settings, run: ClaimedRun, error: MusterError
) -> Mapping[int, str]:
    """Settle the run that stood alone with `error`: one that kills processes is tried again, alone."""
    return settle_failure(
        connection,
        claim,
        [run.run_id],
        # what says already which segment it is about, and what to do, is told as it is
        error if isinstance(error, TaskMemoryExceeded) else _poison(run, error),
        backoff=settings.backoff,
        blame=Blame.WORK,
    )


def _poison(run: ClaimedRun, error: MusterError) -> MusterError:
    said = error.listed() if isinstance(error, InvalidInput) else error.message
    kind = KillerSegment if isinstance(error, TaskCrashed) else PoisonSegment
    return kind(
        f"The segment {run.name} alone made its evaluation fail: {said}",
        hint="Look at its rules and at the columns they read; the last published members stay.",
    )
