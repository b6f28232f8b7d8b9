"""The mutation control of the chaos suite: breaks a worker on purpose, to see that the checker notices.

Python imports this module at its start where the suite puts this folder on PYTHONPATH; nothing of the product
knows of it. CHAOS_CONTROL says what is broken:

zombie: the worker goes on writing after its lease was lost. The fence in the database must refuse it.
unfenced: the fence is not compared either. The checker must report violations.
"""

from __future__ import annotations

import os
import random
import re
import sys
import time
from typing import Any

_KIND = os.environ.get("CHAOS_CONTROL", "")
#: Longer than a lease and the claim of the next worker take on a busy machine.
_LONGEST_SLEEP = 40.0
_FENCE = r"(?:[a-z]\.)?fence = (?:ANY\(:fences\)|:fence)"


def _without_fence(statement: str) -> str:
    return re.sub(rf"{_FENCE}\s+AND | AND\s+{_FENCE}", " ", statement)


def _break_fence() -> None:
    import sqlalchemy

    genuine = sqlalchemy.text
    vars(sqlalchemy)["text"] = lambda statement: genuine(_without_fence(statement))


def _break_trust() -> None:
    from muster_worker.lease import Interruption, Lease

    genuine_stop, genuine_renew = Lease.stop, Lease._renew

    def stop(lease: Lease, why: Interruption) -> None:
        if why is not Interruption.LOST:
            genuine_stop(lease, why)

    def renew(lease: Lease, beats: bool) -> bool:
        return not vars(lease).get("asleep") and genuine_renew(lease, beats)

    setattr(Lease, "held", property(lambda _: True))  # noqa: B010 - mypy knows better
    setattr(Lease, "stop", stop)  # noqa: B010 - as above
    setattr(Lease, "_renew", renew)  # noqa: B010 - as above


def _sleep_before_writing() -> None:
    """Let every third batch sleep between its last look and its first write, until its runs are another's."""
    import sqlalchemy

    from muster_worker.batch import Batch

    genuine = Batch._publish
    taken = sqlalchemy.text(
        "SELECT 1 FROM refresh_run WHERE id = ANY(:ids) AND fence > :mine AND state = 'running'"
    )

    def publish(batch: Batch, *given: Any) -> Any:
        if random.random() < 1 / 3:
            vars(batch.lease)["asleep"] = True
            claim, end = batch._claim, time.monotonic() + _LONGEST_SLEEP
            known = {"ids": claim.run_ids, "mine": claim.fence}
            while time.monotonic() < end:
                if batch._persist(lambda open_: open_.execute(taken, known).first()):
                    sys.stderr.write(f"CONTROL: batch {claim.batch_id} writes after its lease\n")
                    break
                time.sleep(0.02)
        return genuine(batch, *given)

    setattr(Batch, "_publish", publish)  # noqa: B010 - as above


if _KIND and "muster_worker" in sys.orig_argv:
    if _KIND == "unfenced":
        _break_fence()
    _break_trust()
    _sleep_before_writing()
