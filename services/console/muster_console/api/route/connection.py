"""Connections: where exports may deliver to. Their credentials are only ever written."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from muster_console.api.body import Given
from muster_console.api.idempotency import IdempotentRoute
from muster_console.api.page import Cursor, Limit, Page, page_of, read_order
from muster_console.api.policy import Administering, Viewing
from muster_console.api.revision import IfMatch, IfNoneMatch, etag, expected_revision
from muster_console.api.route.export import Changed
from muster_console.operation import connection as operation
from muster_console.operation.revision import revision_of
from muster_console.operation.workspace import Workspace
from muster_core.errors import InvalidInput, Problem
from muster_core.exports.connection import parse_secret, parse_target
from muster_core.storage.connection import StoredConnection

router = APIRouter(prefix="/connections", tags=["connections"], route_class=IdempotentRoute)

_SORTABLE = (
    *("name", "kind", "paused", "disabled", "failures", "tested_at"),
    *("created_at", "updated_at"),
)


class ConnectionShown(BaseModel):
    """A connection: its document, whether it has credentials and never which, and how it does."""

    id: int
    name: str
    kind: str
    document: dict[str, Any]
    has_secret: bool
    #: How often its credentials were replaced.
    secret_rev: int
    paused: bool
    disabled: str | None
    failures: int
    closed_until: datetime | None
    tested_at: datetime | None
    test_error_class: str | None
    test_error: str | None
    exports: list[str]
    created_at: datetime
    updated_at: datetime


class ConnectionGiven(Given):
    """The document as files hold it; credentials may be left out where there are some already."""

    document: dict[str, Any]
    credentials: dict[str, Any] | None = None


class CredentialsGiven(Given):
    """The new credentials, whole."""

    credentials: dict[str, Any]


class Moved(BaseModel):
    """How many deliveries were held, or let go."""

    name: str
    deliveries: int


class Detached(BaseModel):
    """The exports that are inactive now."""

    name: str
    exports: list[str]


class Sealed(BaseModel):
    """How many credentials were sealed anew."""

    sealed: int


@router.get("")
def list_connections(
    workspace: Viewing,
    *,
    sort: Annotated[str, Query(max_length=64)] = "name",
    search: Annotated[str, Query(max_length=256, description="Part of the name.")] = "",
    kind: Annotated[str | None, Query(max_length=32)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ConnectionShown]:
    """List connections, by default by name."""
    order = read_order(sort, _SORTABLE)
    text = search.casefold()
    found = [
        _shown(stored)
        for stored in operation.list_connections(workspace)
        if text in stored.name.casefold() and (kind is None or stored.target.kind == kind)
    ]
    return page_of(found, order, limit=limit, cursor=cursor, name=lambda shown: shown.name)


@router.post("")
def put_connection(workspace: Administering, given: ConnectionGiven) -> Changed:
    """Create the connection its document names, or change it whatever it is now, as a file does."""
    return _save(workspace, given, expected=None)


@router.post("/rekey")
def rotate_keys(workspace: Administering) -> Sealed:
    """Seal all credentials anew under a new key, without changing them."""
    return Sealed(sealed=operation.rotate_keys(workspace))


@router.get("/{name}")
def show_connection(workspace: Viewing, name: str, response: Response) -> ConnectionShown:
    """Return one connection; its ETag is what a change is based on."""
    stored = operation.get_connection(workspace, name)
    response.headers["ETag"] = etag(revision_of(stored.updated_at))
    return _shown(stored)


@router.put("/{name}")
def save_connection(
    workspace: Administering,
    name: str,
    given: ConnectionGiven,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Changed:
    """Create a connection, or change its document.

    `If-Match` names the revision it is based on, `If-None-Match: *` makes a new one.
    """
    expected = expected_revision(if_match, if_none_match)
    if given.document.setdefault("name", name) != name:
        raise InvalidInput(
            [Problem(message=f"the document must be of `{name}`", pointer="/document/name")]
        )
    return _save(workspace, given, expected=expected)


@router.delete("/{name}", status_code=204)
def delete_connection(workspace: Administering, name: str) -> None:
    """Remove a connection that no export uses."""
    operation.delete_connection(workspace, name)


@router.put("/{name}/credentials", status_code=204)
def rotate(workspace: Administering, name: str, given: CredentialsGiven) -> None:
    """Replace the credentials; running deliveries end with the old ones."""
    kind = operation.get_connection(workspace, name).target.kind
    operation.rotate_secret(workspace, name, parse_secret(kind, given.credentials))


@router.post("/{name}/test", status_code=202)
def test(workspace: Administering, name: str) -> ConnectionShown:
    """Let an exporter sign in, write, read and remove a small object; `tested_at` comes with its answer."""
    operation.ask_test(workspace, name)
    return _shown(operation.get_connection(workspace, name))


@router.post("/{name}/pause")
def pause(workspace: Administering, name: str) -> Moved:
    """Hold what waits for the connection."""
    return Moved(name=name, deliveries=operation.pause_connection(workspace, name, paused=True))


@router.post("/{name}/resume")
def resume(workspace: Administering, name: str) -> Moved:
    """Let a paused or disabled connection take deliveries again."""
    return Moved(name=name, deliveries=operation.pause_connection(workspace, name, paused=False))


@router.post("/{name}/detach")
def detach(workspace: Administering, name: str) -> Detached:
    """Take the connection away from its exports, which stay and become inactive."""
    return Detached(name=name, exports=operation.detach_connection(workspace, name))


def _shown(stored: StoredConnection) -> ConnectionShown:
    return ConnectionShown(**operation.connection_json(stored))


def _save(workspace: Workspace, given: ConnectionGiven, *, expected: int | None) -> Changed:
    target = parse_target(given.document)
    secret = None if given.credentials is None else parse_secret(target.kind, given.credentials)
    change = operation.save_connection(workspace, target, secret, expected=expected)
    return Changed(name=target.name, change=change)
