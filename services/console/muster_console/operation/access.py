"""People, their tokens, and the record of what everybody did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from muster_console.operation.remote import over
from muster_console.operation.sorting import next_cursor, read_sorting, sortable
from muster_console.operation.workspace import Workspace
from muster_core.errors import Conflict, InvalidInput, MusterError, NotFound, Problem
from muster_core.security.credential import password_fits
from muster_core.security.role import Principal, Role
from muster_core.storage import audit
from muster_core.storage import person as storage
from muster_core.storage.audit import AuditEntry
from muster_core.storage.database import transaction
from muster_core.storage.person import StoredPerson, StoredToken

#: How long a token is valid where nobody says otherwise.
DEFAULT_LIFETIME = timedelta(days=90)
#: How long somebody stays signed in with a password.
SIGNED_IN_FOR = timedelta(hours=12)
#: What entries of the audit can be sorted by.
ENTRY_COLUMNS = sortable(AuditEntry)


class TooManyAttempts(MusterError):
    """Too many failed attempts; try again in a minute."""

    code = "too_many_attempts"


class WrongPassword(MusterError):
    """Name or password is wrong."""

    code = "wrong_password"


@over("POST", "/users")
def create_person(
    workspace: Workspace, name: str, role: Role, *, members: bool, password: str | None
) -> None:
    """Let somebody in.

    Raises:
        InvalidInput: name or password cannot be used.
        Conflict: somebody of that name exists.
    """
    with transaction(workspace.database) as connection:
        storage.create_person(connection, name, role, members=members, password=password)
        detail = {"role": role, "members": members}
        audit.record(connection, workspace.actor, "user.created", name, detail)


@over("PATCH", "/users/{name}")
def change_person(
    workspace: Workspace,
    name: str,
    *,
    role: Role | None = None,
    members: bool | None = None,
    password: str | None = None,
    disabled: bool | None = None,
) -> None:
    """Change what is given.

    Raises:
        NotFound: there is nobody of that name.
        Conflict: no administrator would be left.
        InvalidInput: the password cannot be used.
    """
    given = {"role": role, "members": members, "disabled": disabled}
    detail: dict[str, object] = {key: value for key, value in given.items() if value is not None}
    if password is not None:
        detail["new_password"] = True
    with transaction(workspace.database) as connection:
        storage.change_person(
            connection, name, role=role, members=members, password=password, disabled=disabled
        )
        audit.record(connection, workspace.actor, "user.changed", name, detail)


@over("GET", "/users", pages="cursor")
def list_people(workspace: Workspace) -> list[StoredPerson]:
    """Return everybody by name."""
    with transaction(workspace.database) as connection:
        return storage.list_people(connection)


@over("GET", "/users/{name}")
def get_person(workspace: Workspace, name: str) -> StoredPerson:
    """Return one person.

    Raises:
        NotFound: there is nobody of that name.
    """
    found = next((person for person in list_people(workspace) if person.name == name), None)
    if found is None:
        raise NotFound(f"There is nobody called `{name}`.", hint="`muster user list` shows all.")
    return found


@over(
    "POST",
    "/tokens",
    names={"owner": "user", "lifetime": "days"},
    values={"lifetime": lambda lifetime: lifetime.days},
    read=lambda answer: (answer["id"], answer["token"]),
)
def create_token(
    workspace: Workspace,
    owner: str,
    name: str,
    *,
    role: Role | None,
    members: bool,
    lifetime: timedelta = DEFAULT_LIFETIME,
) -> tuple[int, str]:
    """Make a token that may do at most what `role` and `members` say; return its id and itself.

    Raises:
        NotFound: there is nobody called `owner`.
        InvalidInput: `lifetime` is not positive, or over ten years.
    """
    with transaction(workspace.database) as connection:
        token_id, token = storage.create_token(
            connection, owner, name, role=role, members=members, lifetime=lifetime
        )
        detail = {"token": token_id, "role": role, "members": members, "days": lifetime.days}
        audit.record(connection, workspace.actor, "token.created", owner, detail)
    return token_id, token


@over("DELETE", "/tokens/{token_id}")
def revoke_token(workspace: Workspace, token_id: int, *, owner: str | None = None) -> None:
    """End a token at once; `owner` restricts it to a person's own ones.

    Raises:
        NotFound: there is no such token.
    """
    with transaction(workspace.database) as connection:
        storage.revoke_token(connection, token_id, owner=owner)
        audit.record(connection, workspace.actor, "token.revoked", str(token_id))


@over("GET", "/tokens", pages="cursor")
def list_tokens(workspace: Workspace, *, owner: str | None = None) -> list[StoredToken]:
    """Return tokens, the newest first."""
    with transaction(workspace.database) as connection:
        return storage.list_tokens(connection, owner=owner)


def sign_in(workspace: Workspace, name: str, password: str, address: str) -> tuple[int, str]:
    """Exchange a password for a token of half a day; return its id and itself.

    Raises:
        TooManyAttempts: this name failed too often from this address; nothing was looked at.
        WrongPassword: name or password is wrong.
    """
    if not name.isprintable():
        # nobody is called so, and no column could be asked for it
        raise WrongPassword
    with transaction(workspace.database) as connection:
        attempt = storage.begin_attempt(connection, name, address)
        known = storage.who_signs_in(connection, name)
    if attempt is None:
        raise TooManyAttempts
    # between two transactions: it takes a while, and nobody is to wait for a connection meanwhile
    principal, stored = known or (None, None)
    if not password_fits(password, stored) or principal is None:
        raise WrongPassword
    with transaction(workspace.database) as connection:
        storage.forget_attempt(connection, attempt)
        made = storage.create_token(
            connection,
            principal.name,
            "sign-in",
            role=None,
            members=principal.members,
            lifetime=SIGNED_IN_FOR,
        )
        audit.record(connection, principal.actor, "user.signed_in", principal.name)
    return made


def principal_of_token(workspace: Workspace, token: str) -> Principal | None:
    """Return who holds `token`, None where nobody may come in with it."""
    with transaction(workspace.database) as connection:
        return storage.principal_of_token(connection, token)


def _entry_of(answer: Mapping[str, Any]) -> AuditEntry:
    hashes = {name: bytes.fromhex(answer[name]) for name in ("previous", "hash")}
    at = datetime.fromisoformat(answer["at"])
    return AuditEntry(**{**answer, **hashes, "at": at})


@over("GET", "/audit", pages="cursor", read=lambda answer: [_entry_of(entry) for entry in answer])
def list_entries(
    workspace: Workspace,
    *,
    before: int | None = None,
    actor: str | None = None,
    object: str | None = None,
    action: str | None = None,
    limit: int = 100,
    sort: str = "-seq",
    cursor: str | None = None,
) -> list[AuditEntry]:
    """Return what was done before entry `before`, by default the newest first.

    `sort` is one of `ENTRY_COLUMNS`, with - the largest first; `cursor` is that of the page before.

    Raises:
        InvalidInput: there is no such column, or the cursor is none of this list.
    """
    sorting = read_sorting(sort, cursor, ENTRY_COLUMNS)
    with transaction(workspace.database) as connection:
        return audit.list_entries(
            connection,
            before=before,
            actor=actor,
            object=object,
            action=action,
            limit=limit,
            sorting=sorting,
        )


def entries_behind(found: Sequence[AuditEntry], limit: int, sort: str) -> str | None:
    """Return the cursor of the page behind these entries, None at the end."""
    return next_cursor(found, limit, sort, ENTRY_COLUMNS, number="seq")


@over("GET", "/audit/verify", read=lambda answer: (answer["entries"], answer["broken_at"]))
def verify_entries(workspace: Workspace) -> tuple[int, int | None]:
    """Read along the chain of entries; return how many fit, and the first number that does not."""
    with transaction(workspace.database) as connection:
        return audit.verify_entries(connection)


def sign_out(workspace: Workspace, token: str) -> None:
    """End the session that came in with `token`; one that has ended already is no error."""
    principal = principal_of_token(workspace, token)
    if principal is not None and principal.token_id is not None:
        revoke_token(workspace.of(principal), principal.token_id, owner=principal.name)


def anybody_known(workspace: Workspace) -> bool:
    """Tell whether anybody can come in yet; a new installation knows nobody."""
    with transaction(workspace.database) as connection:
        return storage.has_people(connection)


def create_first(workspace: Workspace, name: str, password: str, *, members: bool) -> None:
    """Make the first administrator.

    Raises:
        Conflict: somebody is known already.
        InvalidInput: name or password cannot be used.
    """
    if not password:
        raise InvalidInput([Problem(message="the password is empty", pointer="/password")])
    with transaction(workspace.database) as connection:
        storage.lock_people(connection)
        if storage.has_people(connection):
            raise Conflict("The first administrator is there already.", hint="Sign in instead.")
        storage.create_person(
            connection, name, Role.ADMINISTRATOR, members=members, password=password
        )
        detail = {"role": Role.ADMINISTRATOR, "members": members}
        audit.record(connection, workspace.actor, "user.created", name, detail)
