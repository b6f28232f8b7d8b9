"""Fixtures for tests of the parts."""

from __future__ import annotations

import socket

import pytest


@pytest.fixture
def listening():
    """A port that somebody else listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]
