"""A Chromium for the browser tests: the installed one, else Debian's where it may be installed."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Where Debian puts it, whatever the path of whoever runs the tests.
_PLACES = ("/usr/bin", "/usr/local/bin")
#: No sandbox: tests run as root in containers; nothing of the rest looks anywhere but at the console.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]


def find_chromium() -> str:
    """Return the path of Chromium; skip where there is none and none may be installed, but fail in CI."""
    found = _installed() or _install()
    if found:
        return found
    reason = "there is no Chromium, and it cannot be installed: `apt-get install chromium` as root"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _installed() -> str | None:
    places = os.pathsep.join((os.environ.get("PATH", ""), *_PLACES))
    return next((path for name in _NAMES if (path := shutil.which(name, path=places))), None)


def _install() -> str | None:
    """Install Debian's; where several processes want to, one does and the others wait for it."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    with (Path(tempfile.gettempdir()) / "muster-tests-chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if found := _installed():
            return found
        install = ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"]
        for command in (["apt-get", "update"], install):
            if subprocess.run(command, capture_output=True, timeout=280, check=False).returncode:
                return None
    return _installed()
