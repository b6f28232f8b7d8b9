"""People, their tokens, and whether somebody at the door is who they say."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from muster_core.errors import Conflict, InvalidInput, NotFound, Problem
from muster_core.security.credential import (
    TOKEN_PREFIX,
    hash_password,
    new_token,
    token_digest,
)
from muster_core.security.role import Principal, Role
from muster_core.spelling import name_hint
from muster_core.storage.access_table import api_token, login_attempt, person

#: Failed sign-ins of one name from one address within a minute; beyond that nothing is even looked at.
#: Those that are being looked at count, too: many at once are no way around it.
ATTEMPTS_A_MINUTE = 5
_NOW = sa.func.clock_timestamp()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPerson:
    """Somebody who may come in."""

    name: str
    role: Role
    members: bool
    has_password: bool
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredToken:
    """A token without what it takes to use it."""

    id: int
    name: str
    person: str
    role: Role
    members: bool
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


def create_person(
    connection: Connection, name: str, role: Role, *, members: bool, password: str | None
) -> None:
    """Let somebody in.

    Raises:
        InvalidInput: the name is empty, too long or holds control characters, or the password cannot be used.
        Conflict: somebody of that name exists, or of one that people take for it.
    """
    _check_name(name)
    lock_people(connection)
    for known in connection.scalars(sa.select(person.c.name)):
        if known != name and _as_read(known) == _as_read(name):
            raise Conflict(f"There is a user `{known}` already, whose name reads alike.")
    try:
        with connection.begin_nested():
            connection.execute(
                person.insert().values(
                    name=name,
                    role=role,
                    members=members,
                    password_hash=hash_password(password) if password else None,
                )
            )
    except IntegrityError as exc:
        raise Conflict(f"There is a user `{name}` already.") from exc


def change_person(
    connection: Connection,
    name: str,
    *,
    role: Role | None = None,
    members: bool | None = None,
    password: str | None = None,
    disabled: bool | None = None,
) -> None:
    """Change what is given; a role that is taken away is gone with the next request.

    Raises:
        NotFound: there is nobody of that name.
        Conflict: nobody who may administer would be left.
    """
    values: dict[str, object] = {}
    if role is not None:
        values["role"] = role
    if members is not None:
        values["members"] = members
    if password is not None:
        values["password_hash"] = hash_password(password)
    if disabled is not None:
        values["disabled_at"] = _NOW if disabled else None
    # one after the other, or two administrators could take each other's role at once
    connection.execute(sa.select(person.c.id).order_by(person.c.id).with_for_update())
    before = _administrators(connection)
    found = connection.execute(
        person.update().where(person.c.name == name).values(values or {"name": name})
    )
    if not found.rowcount:
        raise _nobody(connection, f"There is no user `{name}`.", name)
    if before and not _administrators(connection):
        raise Conflict(f"`{name}` is the last administrator.", hint="Make somebody else one first.")


def list_people(connection: Connection) -> list[StoredPerson]:
    """Return everybody by name."""
    rows = connection.execute(sa.select(person).order_by(person.c.name))
    return [
        StoredPerson(
            name=row.name,
            role=Role(row.role),
            members=row.members,
            has_password=row.password_hash is not None,
            created_at=row.created_at,
            disabled_at=row.disabled_at,
        )
        for row in rows
    ]


def create_token(
    connection: Connection,
    owner: str,
    name: str,
    *,
    role: Role | None,
    members: bool,
    lifetime: timedelta,
) -> tuple[int, str]:
    """Make a token for `owner`; return its id and the token itself, which is shown this once.

    Raises:
        NotFound: there is nobody of that name.
        InvalidInput: its name cannot be used, or it would be valid for no time, or for more than ten years.
    """
    _check_name(name)
    if not timedelta() < lifetime <= timedelta(days=3660):
        raise InvalidInput([Problem(message="a token is valid for up to ten years")])
    found = connection.execute(
        sa.select(person.c.id, person.c.role).where(
            person.c.name == owner, person.c.disabled_at.is_(None)
        )
    ).first()
    if found is None:
        raise _nobody(connection, f"There is no user `{owner}` who may come in.", owner)
    token = new_token()
    made = connection.execute(
        api_token.insert()
        .values(
            person_id=found.id,
            name=name,
            digest=token_digest(token),
            role=role or found.role,
            members=members,
            expires_at=_NOW + lifetime,
        )
        .returning(api_token.c.id)
    )
    return made.scalar_one(), token


def revoke_token(connection: Connection, token_id: int, *, owner: str | None = None) -> None:
    """End a token now; `owner` restricts it to a person's own ones.

    Raises:
        NotFound: there is no such token.
    """
    owned = sa.select(person.c.id).where(person.c.name == owner)
    change = api_token.update().where(api_token.c.id == token_id)
    if owner is not None:
        change = change.where(api_token.c.person_id.in_(owned))
    done = connection.execute(
        change.values(revoked_at=sa.func.coalesce(api_token.c.revoked_at, _NOW))
    )
    if not done.rowcount:
        raise NotFound(f"There is no token {token_id}.", hint="`muster token list` shows all.")


def list_tokens(connection: Connection, *, owner: str | None = None) -> list[StoredToken]:
    """Return tokens, the newest first."""
    names = [c for c in api_token.c if c.name not in ("digest", "person_id")]
    found = (
        sa.select(*names, person.c.name.label("person"))
        .join(person, person.c.id == api_token.c.person_id)
        .order_by(api_token.c.id.desc())
    )
    if owner is not None:
        found = found.where(person.c.name == owner)
    return [
        StoredToken(**{**row, "role": Role(row["role"])})
        for row in connection.execute(found).mappings()
    ]


def principal_of_token(connection: Connection, token: str) -> Principal | None:
    """Return who holds `token`; None where it is unknown, expired, revoked or of somebody disabled."""
    if not token.startswith(TOKEN_PREFIX):
        return None
    row = connection.execute(
        sa.select(
            api_token.c.id,
            api_token.c.role.label("cap"),
            api_token.c.members.label("may_see"),
            person.c.name,
            person.c.role,
            person.c.members,
        )
        .join(person, person.c.id == api_token.c.person_id)
        .where(
            api_token.c.digest == token_digest(token),
            api_token.c.revoked_at.is_(None),
            api_token.c.expires_at > _NOW,
            person.c.disabled_at.is_(None),
        )
    ).first()
    if row is None:
        return None
    connection.execute(
        api_token.update()
        .where(
            api_token.c.id == row.id,
            sa.or_(
                api_token.c.last_used_at.is_(None),
                api_token.c.last_used_at < _NOW - timedelta(minutes=1),
            ),
        )
        .values(last_used_at=_NOW)
    )
    holder = Principal(name=row.name, role=Role(row.role), members=row.members)
    return holder.capped(Role(row.cap), members=row.may_see, token_id=row.id)


def begin_attempt(connection: Connection, name: str, address: str) -> int | None:
    """Count an attempt to sign in before anything is looked at, and return its number.

    None where this name failed too often from this address within the last minute.
    """
    account = _account(name, address)
    # one after the other, or all of many at once would be the first
    connection.execute(
        sa.select(sa.func.pg_advisory_xact_lock(int.from_bytes(account[:8], signed=True)))
    )
    connection.execute(login_attempt.delete().where(login_attempt.c.at < _NOW - timedelta(days=1)))
    failed = connection.scalar(
        sa.select(sa.func.count())
        .select_from(login_attempt)
        .where(
            login_attempt.c.account == account,
            login_attempt.c.at > _NOW - timedelta(minutes=1),
        )
    )
    if (failed or 0) >= ATTEMPTS_A_MINUTE:
        return None
    made = login_attempt.insert().values(account=account).returning(login_attempt.c.id)
    return int(connection.execute(made).scalar_one())


def forget_attempt(connection: Connection, attempt: int) -> None:
    """Count an attempt no more: it was no failure."""
    connection.execute(login_attempt.delete().where(login_attempt.c.id == attempt))


def who_signs_in(connection: Connection, name: str) -> tuple[Principal, str | None] | None:
    """Return who is called so, and the hash of their password; None where nobody may come in by that name."""
    row = connection.execute(
        sa.select(person).where(person.c.name == name, person.c.disabled_at.is_(None))
    ).first()
    if row is None:
        return None
    found = Principal(name=row.name, role=Role(row.role), members=row.members)
    return found, row.password_hash


def has_people(connection: Connection) -> bool:
    """Tell whether anybody may come in yet."""
    return bool(connection.scalar(sa.select(sa.exists().where(person.c.id.is_not(None)))))


def lock_people(connection: Connection) -> None:
    """Let nobody else be let in until the transaction ends."""
    connection.execute(sa.text("LOCK TABLE person IN SHARE ROW EXCLUSIVE MODE"))


def _nobody(connection: Connection, message: str, name: str) -> NotFound:
    known = [known for known in connection.scalars(sa.select(person.c.name)) if known != name]
    return NotFound(message, hint=name_hint(name, known, "`muster user list` shows all."))


def _check_name(name: str) -> None:
    """Refuse what logs and lists would show as something else.

    Raises:
        InvalidInput: it is empty, too long, padded, or holds what cannot be printed.
    """
    if not name.strip() or name != name.strip() or len(name) > 128 or not name.isprintable():
        raise InvalidInput(
            [Problem(message="the name cannot be used", hint="1 to 128 printable characters")]
        )


def _as_read(name: str) -> str:
    """Return what two names have in common that people take for one another: case and composition."""
    return unicodedata.normalize("NFKC", name).casefold()


def _account(name: str, address: str) -> bytes:
    return hashlib.sha256(f"{name}\0{address}".encode()).digest()


def _administrators(connection: Connection) -> int:
    found = sa.select(sa.func.count()).where(
        person.c.role == Role.ADMINISTRATOR, person.c.disabled_at.is_(None)
    )
    return connection.scalar(found) or 0
