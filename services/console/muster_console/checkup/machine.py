"""This machine: installed versions, folders and disks, and settings that contradict each other."""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from muster_console.checkup.finding import Finding, error, fine, warning
from muster_console.operation.workspace import Workspace
from muster_console.parts.setting import PartSettings
from muster_core.settings import Settings

_MEBIBYTE = 1024**2
_LITTLE = 1024 * _MEBIBYTE
_TOO_LITTLE = 100 * _MEBIBYTE


def check_versions() -> Iterator[Finding]:
    """Hold what is installed against what this release asks for."""
    yield fine("machine", "python", sys.version.split()[0])
    wrong = []
    for line in requires("muster") or []:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            present = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(present, prereleases=True):
            wrong.append(f"{requirement.name} {present}, not {requirement.specifier}")
    if wrong:
        mend = "Install with `pip install --require-hashes -r requirements.txt`."
        yield error("machine", "packages", "; ".join(wrong[:5]), mend)
    else:
        yield fine("machine", "packages", f"muster {version('muster')} and what it asks for")


def check_settings(settings: Settings) -> Iterator[Finding]:
    """Find settings that contradict each other."""
    parts = PartSettings()
    found = False
    for wrong, what, mend in (
        (
            settings.backoff_seconds > settings.backoff_max_seconds,
            "MUSTER_BACKOFF_SECONDS is longer than MUSTER_BACKOFF_MAX_SECONDS",
            "Make the first wait the shorter one.",
        ),
        (
            settings.stop_grace_seconds >= parts.stop_seconds,
            "MUSTER_STOP_GRACE_SECONDS is not shorter than MUSTER_STOP_SECONDS",
            "A worker is killed before it hands its batch back: make the grace shorter.",
        ),
        (
            settings.reaper_seconds > settings.lease_seconds,
            "MUSTER_REAPER_SECONDS is longer than MUSTER_LEASE_SECONDS",
            "Lost work is noticed late: look more often than a lease lasts.",
        ),
        (
            settings.heartbeat_seconds * 2 > settings.lease_seconds - settings.trust_margin_seconds,
            "MUSTER_HEARTBEAT_SECONDS leaves no second try within MUSTER_LEASE_SECONDS",
            "One lost packet costs the lease: make the heartbeat a third of the lease or shorter.",
        ),
        (
            settings.sweep_seconds > 60,
            f"MUSTER_SWEEP_SECONDS is {settings.sweep_seconds:g}",
            "A lost hint delays work for so long: 5 is usual.",
        ),
    ):
        if wrong:
            found = True
            yield warning("settings", "contradictions", what, mend)
    if not found:
        yield fine("settings", "contradictions", "none")


def check_folders(workspace: Workspace) -> Iterator[Finding]:
    """Look at the home and the lake: rights and space."""
    home = workspace.settings.home
    if home.exists():
        yield from _space("home", home)
        yield from _secrets(home / "secret")
    yield from _lake(workspace)


def _space(part: str, folder: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free
    found = f"{free / 1024**3:.1f} GiB free"
    mend = f"Free space on the disk of {folder}, or move it."
    if free < _TOO_LITTLE:
        yield error(part, "space", found, mend)
    elif free < _LITTLE:
        yield warning(part, "space", found, mend)
    else:
        yield fine(part, "space", found)


def _secrets(folder: Path) -> Iterator[Finding]:
    if not folder.exists() or not os.access(folder, os.X_OK):
        return
    open_ = [f.name for f in [folder, *folder.iterdir()] if f.stat().st_mode & 0o077]
    if open_:
        yield error(
            "home",
            "secrets",
            f"others may read {', '.join(sorted(open_)[:5])}",
            f"Run `chmod -R go-rwx {folder}`.",
        )
    else:
        yield fine("home", "secrets", "readable by their owner only")


def _lake(workspace: Workspace) -> Iterator[Finding]:
    lake = workspace.lake
    written = uuid.uuid4().bytes
    # always the same small file: nothing gathers there
    lake.write_bytes("probe/doctor", written)
    if lake.read_bytes("probe/doctor") != written:
        yield error("lake", "writing", "what was written reads otherwise", "Look at its disk.")
        return
    yield fine("lake", "writing", "yes")
    if lake.is_local:
        yield from _space("lake", lake.root)
