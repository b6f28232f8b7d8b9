"""What a child does between fork and exec: die with its parent, and stop being root.

PostgreSQL refuses to run as root, so as root it becomes the existing user `nobody`.
A checkout or data directory often lies below a folder `nobody` cannot pass (`mktemp -d` makes mode 0700);
then the child keeps one capability, to pass and read directories, instead of us opening the user's folders.
See docs/decisions/0008-postgresql-as-root.md.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from muster_core.errors import PartUnavailable

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522

# loaded before any fork: a child must not load libraries
_libc = ctypes.CDLL(None, use_errno=True)


class Capability(IntEnum):
    """A right a child keeps from root; the values are Linux's capability numbers."""

    CAP_DAC_OVERRIDE = 1
    CAP_DAC_READ_SEARCH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a child runs as; `capability` is the one right of root it keeps, if any."""

    uid: int
    gid: int
    capability: Capability | None = None


def nobody() -> Identity:
    """Return the unprivileged user every Linux system has.

    Raises:
        PartUnavailable: this system has none.
    """
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError as exc:
        raise PartUnavailable(
            "PostgreSQL cannot run as root, and this system has no user `nobody`.",
            hint="Run Muster as a normal user, or set DATABASE_URL.",
        ) from exc
    return Identity(uid=entry.pw_uid, gid=entry.pw_gid)


def unprivileged(binary: Path, directory: Path) -> Identity | None:
    """Return as whom to run `binary` on `directory`: None for the current user, unless that is root.

    The identity with the fewest rights that can start the binary and list the directory is taken.

    Raises:
        PartUnavailable: `nobody` can reach neither, with no capability.
    """
    if os.geteuid() != 0:
        return None
    plain = nobody()
    for capability in (None, Capability.CAP_DAC_READ_SEARCH, Capability.CAP_DAC_OVERRIDE):
        identity = Identity(uid=plain.uid, gid=plain.gid, capability=capability)
        if _can_start([str(binary), "--version"], identity, cwd=directory):
            return identity
    raise PartUnavailable(
        f"The user `nobody` cannot run {binary} on {directory}, and this system grants no way around.",
        hint="Run Muster as a normal user, set MUSTER_HOME to a folder below /var/lib, or set DATABASE_URL.",
    )


def before_exec(
    death_signal: signal.Signals, identity: Identity | None = None
) -> Callable[[], None]:
    """Return what a child runs before exec, for `subprocess`'s `preexec_fn`.

    The child gets `death_signal` when the thread that started it ends: start children from a thread
    that lives as long as they should.
    """
    parent = os.getpid()

    def prepare() -> None:
        if identity is not None:
            become(identity)
        # after setuid, which clears it
        _call("prctl", _PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return prepare


def become(identity: Identity) -> None:
    """Turn this process, root until now, into `identity`, for good."""
    if identity.capability is not None:
        _call("prctl", _PR_SET_KEEPCAPS, 1, 0, 0, 0)
        # else access(2), with which PostgreSQL looks for its own files, would leave the capability out
        _call("prctl", _PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setgid(identity.gid)
    os.setuid(identity.uid)
    if identity.capability is not None:
        bit = 1 << identity.capability
        header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
        _call("capset", header, struct.pack("IIIIII", bit, bit, bit, 0, 0, 0))
        _call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, int(identity.capability), 0, 0)


def _can_start(command: list[str], identity: Identity, *, cwd: Path) -> bool:
    prepare = before_exec(signal.SIGKILL, identity)

    def enter() -> None:
        prepare()
        os.listdir(cwd)
        if not os.access(command[0], os.R_OK | os.X_OK):
            raise PermissionError(command[0])

    try:
        done = subprocess.run(
            command,
            check=False,
            preexec_fn=enter,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _call(function: str, *arguments: int | bytes) -> None:
    if getattr(_libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")
