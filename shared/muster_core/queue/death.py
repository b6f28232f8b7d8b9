"""Ties a child process to its parent, so that ``kill -9`` of the parent leaves nothing behind."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when the parent (process id `parent`) dies.

    The kernel watches the thread that started this process: that must be one that lives as long.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # It may have died before the call above.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
