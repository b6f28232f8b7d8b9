"""Refresh runs in the control database: everything services and the console do with them, in one place.

A run's way: planned or requested, claimed in a batch, evaluated, published. The modules behind this one hold
one step each.
"""

from muster_core.storage.claim import Claim, ClaimedRun, claim_batch
from muster_core.storage.held import approve_run, expire_held, reject_run
from muster_core.storage.lease import (
    ATTEMPTS_EXHAUSTED,
    Heartbeat,
    Reaped,
    heartbeat,
    reap,
    release,
    settle_cancelled,
    settle_failure,
    settle_skipped,
)
from muster_core.storage.publication import Outcome, pin_snapshot, publish, record_evaluated
from muster_core.storage.record import RunEvent, RunRecord, get_run, list_runs, run_events
from muster_core.storage.request import (
    RequestedRun,
    cancel_run,
    cancel_segment,
    request_refresh,
    retry_run,
)

__all__ = [
    "ATTEMPTS_EXHAUSTED",
    "Claim",
    "ClaimedRun",
    "Heartbeat",
    "Outcome",
    "Reaped",
    "RequestedRun",
    "RunEvent",
    "RunRecord",
    "approve_run",
    "cancel_run",
    "cancel_segment",
    "claim_batch",
    "expire_held",
    "get_run",
    "heartbeat",
    "list_runs",
    "pin_snapshot",
    "publish",
    "reap",
    "record_evaluated",
    "reject_run",
    "release",
    "request_refresh",
    "retry_run",
    "run_events",
    "settle_cancelled",
    "settle_failure",
    "settle_skipped",
]
