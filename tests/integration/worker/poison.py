"""A kernel that does harm on purpose: installed into the engine's Python processes by its environment only.

The folder of this file's copy named `sitecustomize.py` stands on the engine's PYTHONPATH. Which segments are
poisonous, and how, stands in the file that `MUSTER_TEST_POISON` names: `ID die` or `ID hang` a line.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import muster_core.kernel.evaluate as kernel

_evaluate = kernel.evaluate


def evaluate(plan, partition, *, memory=None):
    """Evaluate as ever, unless the plan holds a poisonous segment."""
    for line in Path(os.environ["MUSTER_TEST_POISON"]).read_text().splitlines():
        segment, _, harm = line.partition(" ")
        if int(segment) in plan.bits:
            if harm == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(600)
    return _evaluate(plan, partition, memory=memory)


if "MUSTER_TEST_POISON" in os.environ:
    kernel.evaluate = evaluate
