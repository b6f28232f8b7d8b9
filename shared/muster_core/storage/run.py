"""Refresh runs in the control database: everything services and the console do with them, in one place.

A run's way: planned or requested, claimed in a batch, evaluated, published. The modules behind this one hold
one step each.
"""

from muster_core.storage.claim import (
    Claim,
    ClaimedRun,
    ClaimPolicy,
    claim_batch,
    release_unknown,
)
from muster_core.storage.held import approve_run, expire_held, reject_run
from muster_core.storage.lease import (
    ATTEMPTS_EXHAUSTED,
    Blame,
    Heartbeat,
    Reaped,
    Recovery,
    cancelled_runs,
    heartbeat,
    put_off,
    reap,
    release,
    settle_cancelled,
    settle_failure,
    settle_skipped,
)
from muster_core.storage.publication import Outcome, pin_snapshot, publish, record_evaluated
from muster_core.storage.record import (
    RunEvent,
    RunRecord,
    get_run,
    list_runs,
    run_events,
    slowest_runs,
)
from muster_core.storage.request import (
    RequestedRun,
    cancel_run,
    cancel_segment,
    request_refresh,
    retry_run,
)

__all__ = [
    "ATTEMPTS_EXHAUSTED",
    "Blame",
    "Claim",
    "ClaimPolicy",
    "ClaimedRun",
    "Heartbeat",
    "Outcome",
    "Reaped",
    "Recovery",
    "RequestedRun",
    "RunEvent",
    "RunRecord",
    "approve_run",
    "cancel_run",
    "cancel_segment",
    "cancelled_runs",
    "claim_batch",
    "expire_held",
    "get_run",
    "heartbeat",
    "list_runs",
    "pin_snapshot",
    "publish",
    "put_off",
    "reap",
    "record_evaluated",
    "reject_run",
    "release",
    "release_unknown",
    "request_refresh",
    "retry_run",
    "run_events",
    "settle_cancelled",
    "settle_failure",
    "settle_skipped",
    "slowest_runs",
]
