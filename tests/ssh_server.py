"""A real SSH server on 127.0.0.1 that offers SFTP below one folder, to one user with a password."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

USER = "muster"
PASSWORD = "canary-password-sftp"  # noqa: S105 - of a server that lives for one test session


@dataclass(frozen=True, slots=True, kw_only=True)
class SshServer:
    """A running server; `root` is the folder that clients see as /."""

    port: int
    host_key: str
    root: Path
    password: str = field(default=PASSWORD, repr=False)
    #: Every password that was offered.
    offered: list[str] = field(default_factory=list, repr=False)


class _Door(asyncssh.SSHServer):
    def __init__(self, offered: list[str]) -> None:
        self._offered = offered

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        self._offered.append(password)
        return (username, password) == (USER, PASSWORD)


@contextmanager
def running_ssh(
    root: Path, offer: type[asyncssh.SFTPServer] = asyncssh.SFTPServer
) -> Iterator[SshServer]:
    """Run the server in a thread of this process; `offer` is what it can do."""
    offered: list[str] = []
    key = asyncssh.generate_private_key("ssh-ed25519")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="ssh-server", daemon=True)
    thread.start()

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Door(offered),
            server_host_keys=[key],
            sftp_factory=lambda channel: offer(channel, chroot=os.fsencode(root)),
        )

    acceptor = asyncio.run_coroutine_threadsafe(listen(), loop).result(30)
    try:
        public = key.export_public_key().decode().split()
        yield SshServer(
            port=acceptor.get_port(), host_key=" ".join(public[:2]), root=root, offered=offered
        )
    finally:
        asyncio.run_coroutine_threadsafe(_close(acceptor), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


async def _close(acceptor: asyncssh.SSHAcceptor) -> None:
    acceptor.close()
    await acceptor.wait_closed()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
