"""People, tokens, signing in, and what everybody did."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field, SecretStr

from muster_console.api.body import Given
from muster_console.api.idempotency import SHOWN_ONCE, IdempotentRoute
from muster_console.api.page import Cursor, Limit, Page, Sort, page_of, read_order
from muster_console.api.policy import Administering, Anybody, Viewing
from muster_console.api.problem import NotAllowed, NotSignedIn
from muster_console.operation import access as operation
from muster_core.errors import InvalidInput, Problem
from muster_core.security.role import Permission, Principal, Role
from muster_core.storage.person import StoredPerson, StoredToken

router = APIRouter(tags=["access"], route_class=IdempotentRoute)

TokenId = Annotated[int, Path(ge=1, lt=2**63)]


class Me(BaseModel):
    """Who you are here."""

    name: str
    role: Role
    members: bool


class SignIn(Given):
    """A name and its password."""

    name: str = Field(max_length=128)
    password: SecretStr = Field(max_length=256)


class NewPerson(Given):
    """Somebody to let in."""

    name: str = Field(min_length=1, max_length=128)
    role: Role = Role.VIEWER
    members: bool = False
    password: SecretStr | None = Field(default=None, max_length=256)


class ChangedPerson(Given):
    """What to change of somebody; what is left out stays."""

    role: Role | None = None
    members: bool | None = None
    disabled: bool | None = None
    password: SecretStr | None = Field(default=None, max_length=256)


class NewToken(Given):
    """A token to make; it may never do more than its owner."""

    name: str = Field(min_length=1, max_length=128)
    role: Role | None = None
    members: bool = False
    #: Whose token it is to be; only administrators name somebody else.
    user: str | None = Field(default=None, min_length=1, max_length=128)
    days: int = Field(default=90, ge=1, le=3_660)


class MadeToken(BaseModel):
    """A new token; it is shown this once."""

    id: int
    token: str


class Entry(BaseModel):
    """One thing somebody did."""

    seq: int
    at: datetime
    actor: str
    action: str
    object: str
    detail: dict[str, Any]
    previous: str
    hash: str


class Entries(BaseModel):
    """Some of what was done; `next` is the cursor of the page behind."""

    items: list[Entry]
    next: str | None


class Verified(BaseModel):
    """How many entries fit the chain, and the first one that does not."""

    entries: int
    broken_at: int | None


@router.post("/sign-in", openapi_extra={SHOWN_ONCE: True})
def sign_in(workspace: Anybody, given: SignIn, request: Request) -> MadeToken:
    """Exchange a password for a token of twelve hours."""
    address = request.client.host if request.client else ""
    token_id, token = operation.sign_in(
        workspace, given.name, given.password.get_secret_value(), address
    )
    return MadeToken(id=token_id, token=token)


@router.get("/me")
def me(workspace: Viewing) -> Me:
    """Return who you are, and what you may do."""
    principal = workspace.principal
    if principal is None:
        raise NotSignedIn
    return Me(
        name=principal.name, role=principal.role, members=principal.allows(Permission.MEMBERS)
    )


@router.get("/users")
def list_people(
    workspace: Administering,
    *,
    sort: Annotated[str, Query(max_length=64)] = "name",
    search: Annotated[str, Query(max_length=256, description="Part of the name.")] = "",
    role: Role | None = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> Page[StoredPerson]:
    """List everybody, by default by name."""
    order = read_order(sort, [column.name for column in fields(StoredPerson)])
    text = search.casefold()
    found = [
        person
        for person in operation.list_people(workspace)
        if text in person.name.casefold() and (role is None or person.role == role)
    ]
    return page_of(found, order, limit=limit, cursor=cursor, name=lambda person: person.name)


@router.post("/users", status_code=201)
def create_person(workspace: Administering, given: NewPerson) -> Me:
    """Let somebody in."""
    operation.create_person(
        workspace, given.name, given.role, members=given.members, password=_secret(given.password)
    )
    return Me(name=given.name, role=given.role, members=given.members)


@router.get("/users/{name}")
def show_person(workspace: Administering, name: str) -> StoredPerson:
    """Return one person."""
    return operation.get_person(workspace, name)


@router.patch("/users/{name}", status_code=204)
def change_person(workspace: Administering, name: str, given: ChangedPerson) -> None:
    """Change somebody's role, grant or password; a role taken away is gone with the next request."""
    operation.change_person(
        workspace,
        name,
        role=given.role,
        members=given.members,
        disabled=given.disabled,
        password=_secret(given.password),
    )


@router.get("/tokens")
def list_tokens(
    workspace: Viewing,
    *,
    sort: Annotated[str, Query(max_length=64)] = "-id",
    limit: Limit = 200,
    cursor: Cursor = None,
) -> Page[StoredToken]:
    """List your tokens, by default the newest first; administrators see everybody's."""
    order = read_order(sort, [column.name for column in fields(StoredToken)])
    found = operation.list_tokens(workspace, owner=_owner(workspace.principal))
    return page_of(found, order, limit=limit, cursor=cursor, name=lambda token: f"{token.id:019}")


@router.post("/tokens", status_code=201, openapi_extra={SHOWN_ONCE: True})
def create_token(workspace: Viewing, given: NewToken) -> MadeToken:
    """Make a token of yours, or as an administrator of somebody; it is shown this once."""
    principal = workspace.principal
    if principal is None:
        raise NotSignedIn
    owner = given.user or principal.name
    if owner != principal.name and not principal.allows(Permission.ADMINISTER):
        raise NotAllowed(Permission.ADMINISTER)
    # a token never passes on more than it has itself
    least = principal.capped(given.role or principal.role, members=given.members, token_id=0)
    token_id, token = operation.create_token(
        workspace,
        owner,
        given.name,
        role=least.role,
        members=least.members,
        lifetime=timedelta(days=given.days),
    )
    return MadeToken(id=token_id, token=token)


@router.delete("/tokens/{token_id}", status_code=204)
def revoke_token(workspace: Viewing, token_id: TokenId) -> None:
    """End one of your tokens at once; administrators may end everybody's."""
    operation.revoke_token(workspace, token_id, owner=_owner(workspace.principal))


@router.get("/audit")
def list_entries(
    workspace: Administering,
    *,
    before: Annotated[
        int | None, Query(ge=1, lt=2**63, description="Only entries older than this one.")
    ] = None,
    actor: Annotated[str | None, Query(max_length=256)] = None,
    object: Annotated[str | None, Query(max_length=256)] = None,
    action: Annotated[str | None, Query(max_length=256)] = None,
    sort: Sort = "-seq",
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    cursor: Cursor = None,
) -> Entries:
    """List what was done, by default the newest first."""
    found = operation.list_entries(
        workspace,
        before=before,
        actor=actor,
        object=object,
        action=action,
        limit=limit,
        sort=sort,
        cursor=cursor,
    )
    items = [
        Entry(
            seq=entry.seq,
            at=entry.at,
            actor=entry.actor,
            action=entry.action,
            object=entry.object,
            detail=entry.detail,
            previous=entry.previous.hex(),
            hash=entry.hash.hex(),
        )
        for entry in found
    ]
    return Entries(items=items, next=operation.entries_behind(found, limit, sort))


@router.get("/audit/verify")
def verify_entries(workspace: Administering) -> Verified:
    """Read along the chain of entries."""
    entries, broken = operation.verify_entries(workspace)
    return Verified(entries=entries, broken_at=broken)


def _owner(principal: Principal | None) -> str | None:
    """Return whose tokens are meant: everybody's for an administrator."""
    if principal is None:
        raise NotSignedIn
    return None if principal.allows(Permission.ADMINISTER) else principal.name


def _secret(given: SecretStr | None) -> str | None:
    if given is None:
        return None
    if not given.get_secret_value():
        raise InvalidInput([Problem(message="the password is empty", pointer="/password")])
    return given.get_secret_value()
