"""Making, testing, rotating and removing connections."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from muster_console.operation.file import document_files, read_file
from muster_console.operation.remote import over
from muster_console.operation.revision import require_revision
from muster_console.operation.workspace import Workspace
from muster_core.documents.text import read_text
from muster_core.errors import InvalidInput, PartUnavailable, Problem
from muster_core.exports.connection import (
    Secret,
    Target,
    dump_secret,
    parse_secret,
    parse_target,
    target_json,
)
from muster_core.queue.hint import send_hint
from muster_core.queue.kind import Hint
from muster_core.security.outbound import AddressRefused, Guard
from muster_core.security.secret import add_key
from muster_core.storage import audit
from muster_core.storage import connection as storage
from muster_core.storage.connection import StoredConnection
from muster_core.storage.database import transaction
from muster_core.storage.erasure import reseal_erasures
from muster_core.storage.reference import lock_saving


def create_connection(workspace: Workspace, path: Path, secrets: Path | None) -> tuple[str, str]:
    """Create or change the connection of a file; return its name and what happened.

    Args:
        workspace: where.
        path: the connection document.
        secrets: a file with its credentials, ``-`` for standard input.

    Raises:
        InvalidInput: a document is not right, or its address may not be reached.
    """
    found = [w for file in document_files(path) for w in read_text(read_file(file), file=str(file))]
    if len(found) != 1:
        raise InvalidInput([Problem(message="the file holds one connection", file=str(path))])
    try:
        target = parse_target(found[0].data)
    except InvalidInput as exc:
        raise InvalidInput([found[0].place(problem) for problem in exc.problems]) from exc
    secret = None if secrets is None else read_secret(target.kind, secrets)
    return target.name, save_connection(workspace, target, secret)


@over("POST", "/connections", send=lambda given: _sent(**given), at="change")
def save_connection(
    workspace: Workspace, target: Target, secret: Secret | None, *, expected: int | None = None
) -> str:
    """Create a connection or change its document; return `created`, `changed` or `unchanged`.

    `expected` is the revision it must still have, 0 where there must be none; None: whichever.

    Raises:
        InvalidInput: its address may not be reached.
        Conflict: the kind changes, or credentials are missing for a new one.
        ChangedMeanwhile: it is not at the revision expected.
    """
    _check_address(target, workspace.settings.guard)
    with transaction(workspace.database) as connection:
        lock_saving(connection)
        if expected is not None:
            stored = {c.name: c.updated_at for c in storage.list_connections(connection)}
            require_revision(f"The connection `{target.name}`", stored.get(target.name), expected)
        change = storage.save_connection(connection, target, secret, workspace.settings.keys())
        if change != "unchanged":
            audit.record(connection, workspace.actor, f"connection.{change}", target.name)
    return change


def read_secret(kind: str, path: Path) -> Secret:
    """Read credentials from a file, or from standard input where `path` is ``-``.

    Raises:
        InvalidInput: they are not right; no message quotes them.
    """
    written = sys.stdin.read() if str(path) == "-" else read_file(path)
    try:
        found = read_text(written, file="the credentials")
    except InvalidInput:
        # what the parser says may quote a line of the credentials
        found = []
    if len(found) != 1:
        raise InvalidInput([Problem(message="the credentials are no YAML or JSON document")])
    return parse_secret(kind, found[0].data)


def rotate_connection(workspace: Workspace, name: str, secrets: Path) -> None:
    """Replace the credentials of a connection by those of a file."""
    kind = get_connection(workspace, name).target.kind
    rotate_secret(workspace, name, read_secret(kind, secrets))


@over(
    "PUT",
    "/connections/{name}/credentials",
    send=lambda given: {"credentials": dump_secret(given["secret"])},
)
def rotate_secret(workspace: Workspace, name: str, secret: Secret) -> None:
    """Replace the credentials of a connection; running deliveries end with the old ones.

    Raises:
        NotFound: there is no such connection.
    """
    with transaction(workspace.database) as connection:
        storage.rotate_secret(connection, name, secret, workspace.settings.keys())
        audit.record(connection, workspace.actor, "connection.rotated", name)


@over("POST", "/connections/rekey", at="sealed")
def rotate_keys(workspace: Workspace) -> int:
    """Seal every credential anew under the newest key; a new key is made where they are in a file."""
    if workspace.settings.secret_keys is None:
        workspace.settings.keys()
        add_key(workspace.settings.key_file)
    with transaction(workspace.database) as connection:
        sealed = storage.reseal_secrets(connection, workspace.settings.keys())
        sealed += reseal_erasures(connection, workspace.settings.keys())
        audit.record(connection, workspace.actor, "connection.keys_rotated", "all")
    return sealed


@over("GET", "/connections", pages="cursor", read=lambda answer: [_stored_of(c) for c in answer])
def list_connections(workspace: Workspace) -> list[StoredConnection]:
    """Return every connection by name."""
    with transaction(workspace.database) as connection:
        return storage.list_connections(connection)


@over("GET", "/connections/{name}", read=lambda answer: _stored_of(answer))
def get_connection(workspace: Workspace, name: str) -> StoredConnection:
    """Return one connection."""
    with transaction(workspace.database) as connection:
        return storage.get_connection(connection, name)


@over("POST", "/connections/{name}/test")
def ask_test(workspace: Workspace, name: str) -> None:
    """Ask an exporter to try the connection; the answer shows in it once `tested_at` is set again.

    Raises:
        NotFound: there is no such connection.
    """
    with transaction(workspace.database) as connection:
        storage.ask_test(connection, name)
        audit.record(connection, workspace.actor, "connection.test_asked", name)
    send_hint(workspace.settings, Hint.DELIVER)


def try_connection(workspace: Workspace, name: str, *, seconds: float = 30) -> StoredConnection:
    """Let an exporter try the connection, and return it with the answer.

    Raises:
        PartUnavailable: no exporter answered in time.
    """
    ask_test(workspace, name)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        stored = get_connection(workspace, name)
        if stored.tested_at is not None:
            return stored
        time.sleep(0.1)
    raise PartUnavailable(
        f"No exporter tried the connection `{name}` within {seconds:g} seconds.",
        hint="Look at `muster status`.",
    )


@over(
    "POST",
    "/connections/{name}/{paused}",
    values={"paused": {True: "pause", False: "resume"}},
    at="deliveries",
)
def pause_connection(workspace: Workspace, name: str, *, paused: bool) -> int:
    """Hold what waits for the connection, or let it go on."""
    with transaction(workspace.database) as connection:
        moved = storage.pause_connection(connection, name, paused=paused, actor=workspace.actor)
        action = "connection.paused" if paused else "connection.resumed"
        audit.record(connection, workspace.actor, action, name)
    if not paused:
        send_hint(workspace.settings, Hint.DELIVER)
    return moved


@over("POST", "/connections/{name}/detach", at="exports")
def detach_connection(workspace: Workspace, name: str) -> list[str]:
    """Take the connection away from its exports, which stay inactive."""
    with transaction(workspace.database) as connection:
        detached = storage.detach_connection(connection, name)
        audit.record(connection, workspace.actor, "connection.detached", name)
    return detached


@over("DELETE", "/connections/{name}")
def delete_connection(workspace: Workspace, name: str) -> None:
    """Remove a connection that nothing uses."""
    with transaction(workspace.database) as connection:
        storage.delete_connection(connection, name)
        audit.record(connection, workspace.actor, "connection.deleted", name)


def connection_json(stored: StoredConnection) -> dict[str, Any]:
    """Return a connection as the REST API shows it: whether it has credentials, never which."""
    found = asdict(stored)
    del found["target"]
    return found | {
        "name": stored.name,
        "kind": stored.target.kind,
        "document": target_json(stored.target),
    }


def _stored_of(answer: Mapping[str, Any]) -> StoredConnection:
    stored: StoredConnection = TypeAdapter(StoredConnection).validate_python(
        {**answer, "target": parse_target(answer["document"])}
    )
    return stored


def _sent(target: Target, secret: Secret | None, expected: int | None) -> dict[str, Any]:
    sent: dict[str, Any] = {"document": target_json(target)}
    return sent if secret is None else sent | {"credentials": dump_secret(secret)}


def _check_address(target: Target, guard: Guard) -> None:
    """Refuse a target that cannot be reached anyway; names are judged again when they are connected to."""
    protocol = {"feed": "postgresql"}.get(target.kind, target.kind)
    try:
        if target.kind in ("sftp", "postgresql", "feed"):
            guard.check(target.host, target.port, protocol=protocol)
        elif target.kind == "webhook":
            guard.check_url(target.url)
        elif target.kind in ("s3", "azure") and target.endpoint is not None:
            guard.check_url(target.endpoint)
    except AddressRefused as exc:
        raise InvalidInput([Problem(message=exc.message, hint=exc.hint)]) from exc
