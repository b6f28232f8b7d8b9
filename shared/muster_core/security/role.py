"""Roles and what they allow; nothing else decides it.

Three roles build on each other. Member data is a grant of its own: not even administrators see it unasked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody is trusted with; each one may do what the ones before may."""

    VIEWER = "viewer"
    CONTRIBUTOR = "contributor"
    ADMINISTRATOR = "administrator"


class Permission(StrEnum):
    """What a way into the product asks of whoever takes it."""

    VIEW = "view"
    EDIT = "edit"
    ADMINISTER = "administer"
    MEMBERS = "members"


_ALLOWED: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.VIEW}),
    Role.CONTRIBUTOR: frozenset({Permission.VIEW, Permission.EDIT}),
    Role.ADMINISTRATOR: frozenset({Permission.VIEW, Permission.EDIT, Permission.ADMINISTER}),
}
_ORDER = list(Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Somebody who is known to us: a person, or a token of theirs that may do less."""

    name: str
    role: Role
    #: The grant to see member data.
    members: bool = False
    #: The token this came in with; None for a password.
    token_id: int | None = None

    @property
    def actor(self) -> str:
        """Return who is at work, for the record."""
        return f"user {self.name}"

    def allows(self, permission: Permission) -> bool:
        """Tell whether this principal has `permission`; whatever is not granted is denied."""
        if permission is Permission.MEMBERS:
            return self.members
        return permission in _ALLOWED[self.role]

    def capped(self, role: Role, *, members: bool, token_id: int) -> Principal:
        """Return this principal behind a token: never more than either of the two allows."""
        return Principal(
            name=self.name,
            role=min(self.role, role, key=_ORDER.index),
            members=self.members and members,
            token_id=token_id,
        )
