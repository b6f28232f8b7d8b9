"""Delivers to an SSH server whose key is known beforehand, under the rules of the local folder.

A file is written under a hidden name that carries the fence, its size is compared, and it is renamed in one
step. Folders below the target that are links are refused. The user needs no right but to write in that folder.
"""

from __future__ import annotations

import asyncio
import hashlib
import stat
import uuid
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self, TypeVar

import asyncssh
from pydantic import ValidationError

from muster_core.errors import MusterError, NoSpace, TargetRefused, TargetUnavailable
from muster_core.exports.connection import SftpSecret, SftpTarget
from muster_core.exports.manifest import DeliveredFile, Latest
from muster_core.exports.naming import (
    CHUNK_PATTERN,
    LATEST_NAME,
    MANIFEST_NAME,
    staged_fence,
    staged_name,
)
from muster_core.security.outbound import Guard
from muster_exporter.sink import Staged

T = TypeVar("T")

_LOGIN_SECONDS = 20.0
#: Longest wait for one answer; a server that hangs is given up.
_ANSWER_SECONDS = 60.0
_PIECE_BYTES = 1 << 20
_FILE_MODE = 0o640
_FOLDER_MODE = 0o750


class SftpSink:
    """The folder of one version below a folder on an SSH server."""

    def __init__(
        self,
        target: SftpTarget,
        secret: SftpSecret,
        guard: Guard,
        parts: tuple[str, ...],
        fence: int,
    ) -> None:
        self._target, self._secret, self._guard = target, secret, guard
        self._parts, self._fence = parts, fence
        self._base = target.path.rstrip("/")
        self._folder = "/".join((self._base, *parts))
        self._runner = asyncio.Runner()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._sftp: asyncssh.SFTPClient

    @property
    def location(self) -> str:
        """Return the address of the version's folder."""
        return f"sftp://{self._target.host}:{self._target.port}/{self._folder.lstrip('/')}"

    def __enter__(self) -> Self:
        try:
            self._run(self._connect(), _LOGIN_SECONDS)
            self._make_folders()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.abort()
        self._runner.close()

    def remove_stale(self) -> None:
        """Remove what earlier holders of this delivery left half written."""
        for name in self._names():
            fence = staged_fence(name)
            if fence is not None and fence < self._fence:
                self._remove(f"{self._folder}/{name}")

    def holds(self, file: DeliveredFile) -> bool:
        """Whether the file stands there with exactly the bytes that were acknowledged; it is read to be sure."""
        digest, size = hashlib.sha256(), 0
        found = self._open(f"{self._folder}/{file.name}", "rb")
        if found is None:
            return False
        try:
            while piece := self._run(found.read(_PIECE_BYTES)):
                digest.update(piece)
                size += len(piece)
        finally:
            self._run(found.close())
        return (size, digest.hexdigest()) == (file.size, file.sha256)

    @contextmanager
    def stage(self, name: str) -> Iterator[Staged]:
        """Open a file to be written in the block; it gets its final name when the block ends well."""
        with self._staged(self._folder, name) as staged:
            yield staged

    def keep_only(self, names: frozenset[str]) -> None:
        """Remove files of an earlier definition of this version that no manifest ever named."""
        for name in self._names():
            if CHUNK_PATTERN.fullmatch(name) and name not in names:
                self._remove(f"{self._folder}/{name}")

    def write_manifest(self, data: bytes) -> None:
        """Put the manifest in place, in one step."""
        with self.stage(MANIFEST_NAME) as staged:
            staged.write(data)

    def point_latest(self, latest: Latest) -> bool:
        """Let the segment's pointer name this version, unless it names a newer one; return whether it does.

        SFTP has no lock that every server knows, so this relies on one delivery of a segment at a time.
        """
        folder = "/".join((self._base, *self._parts[:-1]))
        found = self._open(f"{folder}/{LATEST_NAME}", "rb")
        if found is not None:
            try:
                data = self._run(found.read(_PIECE_BYTES))
            finally:
                self._run(found.close())
            if _version(data) > latest.segment_version:
                return False
        with self._staged(folder, LATEST_NAME) as staged:
            staged.write(latest.encode())
        return True

    def probe(self) -> None:
        """Write, rename and remove a small file in the target folder, and list it."""
        name = f".muster-probe-{uuid.uuid4().hex}"
        with self._staged(self._base, name) as staged:
            staged.write(b"muster")
        self._names()
        self._remove(f"{self._base}/{name}")

    async def _connect(self) -> None:
        target, secret = self._target, self._secret
        try:
            protocol = asyncssh.import_public_key(" ".join(target.host_key.split()[:2]))
        except asyncssh.KeyImportError:
            raise TargetRefused(
                "The host key of the connection cannot be read.",
                hint="Copy `host_key` from known_hosts, the type of the key and the key.",
            ) from None
        password = secret.password.get_secret_value() if secret.password else None
        connected = await asyncio.to_thread(self._guard.connect, target.host, target.port)
        try:
            self._connection = await asyncssh.connect(
                target.host,
                target.port,
                sock=connected,
                username=target.user,
                password=password,
                client_keys=_client_keys(secret),
                # the one key, whatever the user's own files say: an unknown one is refused before any login
                known_hosts=([protocol], [], []),
                x509_trusted_certs=None,
                x509_trusted_cert_paths=None,
                config=None,
                agent_path=None,
                gss_host=None,
                preferred_auth="publickey,password,keyboard-interactive",
            )
        except BaseException:
            connected.close()
            raise
        self._sftp = await self._connection.start_sftp_client()

    def _make_folders(self) -> None:
        """Make the folders below the target where they are missing, and refuse links among them."""
        path = self._base or "/"
        if not self._run(self._sftp.isdir(path)):
            raise TargetRefused(
                f"The folder {self._target.path} does not exist on {self._target.host}.",
                hint="Make it, writable for this user.",
            )
        for part in self._parts:
            path = f"{path.rstrip('/')}/{part}"
            if self._kind(path) is None:
                with suppress(
                    TargetUnavailable
                ):  # somebody else made it meanwhile, or the next look tells
                    self._run(self._sftp.mkdir(path, asyncssh.SFTPAttrs(permissions=_FOLDER_MODE)))
            found = self._kind(path)
            if found is None:
                raise TargetUnavailable("The server makes no folder.", hint="It is tried again.")
            if not stat.S_ISDIR(found):
                raise TargetRefused(
                    f"The folder {self._target.path} holds a link or a file where Muster's own"
                    " folder should be.",
                    hint="Remove it, or export to another folder.",
                )

    @contextmanager
    def _staged(self, folder: str, name: str) -> Iterator[Staged]:
        hidden = f"{folder}/{staged_name(name, self._fence)}"
        self._remove(hidden)
        file = self._open(hidden, "xb")
        assert file is not None
        waiting = bytearray()

        def put(view: memoryview) -> None:
            waiting.extend(view)
            if len(waiting) >= _PIECE_BYTES:
                self._run(file.write(bytes(waiting)))
                waiting.clear()

        try:
            staged = Staged(put)
            yield staged
            if waiting:
                self._run(file.write(bytes(waiting)))
            self._sync(file)
            self._run(file.close())
            if self._run(self._sftp.lstat(hidden)).size != staged.size:
                raise TargetUnavailable("The server did not keep every byte of a file.")
            self._run(self._sftp.posix_rename(hidden, f"{folder}/{name}"))
        except BaseException:
            self._clear(file, hidden)
            raise

    def _clear(self, file: Any, path: str) -> None:
        """Remove what cannot be finished, where the server still answers."""
        try:
            self._run(file.close())
            self._remove(path)
        except MusterError:
            # what made it fail is told; the next holder removes the rest
            return

    def _sync(self, file: Any) -> None:
        """Make a file durable, where the server can."""
        try:
            self._runner.run(asyncio.wait_for(file.fsync(), _ANSWER_SECONDS))
        except asyncssh.SFTPOpUnsupported:
            return
        except (asyncssh.Error, OSError, TimeoutError) as exc:
            raise self._translated(exc) from None

    def _open(self, path: str, mode: str) -> Any:
        """Return an open file; None where it shall be read and is not there."""
        try:
            return self._run(self._opened(path, mode))
        except FileNotFoundError:
            if mode == "rb":
                return None
            raise TargetUnavailable(
                "A folder at the server is gone.", hint="It is tried again."
            ) from None

    async def _opened(self, path: str, mode: str) -> Any:
        attributes = asyncssh.SFTPAttrs(permissions=_FILE_MODE)
        return await self._sftp.open(path, mode, attributes)

    def _kind(self, path: str) -> int | None:
        """Return the mode of what stands there, a link's own; None where nothing does."""
        try:
            return self._run(self._sftp.lstat(path)).permissions or 0
        except FileNotFoundError:
            return None

    def _names(self) -> list[str]:
        return [str(name) for name in self._run(self._sftp.listdir(self._folder))]

    def _remove(self, path: str) -> None:
        try:
            self._run(self._sftp.remove(path))
        except FileNotFoundError:
            return

    def _run(self, work: Coroutine[Any, Any, T], seconds: float = _ANSWER_SECONDS) -> T:
        """Wait for one step, for so long at the most."""
        try:
            return self._runner.run(asyncio.wait_for(work, seconds))
        except asyncssh.SFTPNoSuchFile:
            raise FileNotFoundError from None
        except (asyncssh.Error, OSError, TimeoutError) as exc:
            raise self._translated(exc) from None

    def _translated(self, exc: Exception) -> MusterError:
        host = self._target.host
        if isinstance(exc, asyncssh.HostKeyNotVerifiable):
            return TargetRefused(
                f"The server {host} has another key than the connection says; nothing was sent to it.",
                hint="Ask its owner for the key, and change `host_key` if it is right.",
            )
        if isinstance(exc, asyncssh.PermissionDenied | asyncssh.SFTPPermissionDenied):
            return TargetRefused(
                f"The server {host} refuses the credentials, or what they may do.",
                hint="Compare the user's rights, and use `muster connection rotate`.",
            )
        if isinstance(exc, asyncssh.SFTPOpUnsupported):
            return TargetRefused(
                f"The server {host} cannot replace a file in one step.",
                hint="It must know posix-rename@openssh.com, or a reader could see no pointer or an old one.",
            )
        if isinstance(exc, asyncssh.SFTPNoSpaceOnFilesystem | asyncssh.SFTPQuotaExceeded):
            return NoSpace(f"No space is left on {host}.", hint="Free space; it is tried again.")
        return TargetUnavailable(
            f"The server {host} does not do what it was asked ({type(exc).__name__}).",
            hint="It is tried again.",
        )


def _client_keys(secret: SftpSecret) -> list[Any] | None:
    if secret.private_key is None:
        return None
    passphrase = secret.passphrase.get_secret_value() if secret.passphrase else None
    try:
        return [asyncssh.import_private_key(secret.private_key.get_secret_value(), passphrase)]
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
        # the cause could quote the key
        raise TargetRefused(
            "The private key of the connection cannot be read.",
            hint="Set it again with `muster connection rotate`.",
        ) from None


def _version(data: bytes) -> int:
    """Return the version a pointer names; 0 where nobody can read it."""
    try:
        return Latest.model_validate_json(data).segment_version
    except ValidationError:
        return 0
