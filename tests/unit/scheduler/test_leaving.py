"""How the scheduler takes the signal that ends it."""

from __future__ import annotations

import signal

import pytest

from muster_scheduler.__main__ import _leave


def test_a_second_signal_does_not_disturb_the_leaving():
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit):
            _leave(signal.SIGTERM, None)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
