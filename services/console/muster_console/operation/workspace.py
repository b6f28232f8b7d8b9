"""The parts an operation works on: the control database, the lake, and the hints that wake services."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from getpass import getuser

from sqlalchemy import Connection, Engine

from muster_console.operation.server import OnlyHere, Server, open_server
from muster_core.catalog.document import Catalog
from muster_core.errors import Conflict, NotPermitted
from muster_core.lake.location import Lake
from muster_core.security.role import Permission, Principal
from muster_core.settings import Settings
from muster_core.storage.catalog import current_catalog
from muster_core.storage.database import open_database


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One deployment, as its settings describe it."""

    settings: Settings
    database: Engine
    lake: Lake
    #: Who asked, where that came in through the REST API; None on this machine's command line.
    principal: Principal | None = None

    @property
    def actor(self) -> str:
        """Return who is at work, for the record."""
        return self.principal.actor if self.principal else f"local {getuser()}"

    @property
    def sees_members(self) -> bool:
        """Whether whoever asks may see member data; on the machine itself everybody may."""
        return self.principal is None or self.principal.allows(Permission.MEMBERS)

    def of(self, principal: Principal) -> Workspace:
        """Return this workspace as `principal` works in it."""
        return replace(self, principal=principal)


class RemoteWorkspace(Workspace):
    """A deployment elsewhere: operations that know a route ask its server, all others end with an error."""

    __slots__ = ("server",)

    def __init__(self, settings: Settings, server: Server) -> None:
        # frozen like every workspace
        object.__setattr__(self, "settings", settings)
        object.__setattr__(self, "principal", None)
        object.__setattr__(self, "server", server)

    server: Server

    @property
    def database(self) -> Engine:
        """There is none here.

        Raises:
            OnlyHere: always.
        """
        raise _only_here()

    @property
    def lake(self) -> Lake:
        """There is none here.

        Raises:
            OnlyHere: always.
        """
        raise _only_here()


@contextmanager
def open_workspace(settings: Settings | None = None, *, pool_size: int = 5) -> Iterator[Workspace]:
    """Open what `settings` (default: the environment's) name, and close it at the end of the block.

    Where the environment names a server it is that one; services, which say their settings, never are elsewhere.

    Raises:
        PartUnavailable: nothing names a database and nothing runs in this home.
        InvalidInput: there is a server and no token for it.
    """
    if settings is None:
        settings = Settings()
        if settings.server:
            server = open_server(settings)
            try:
                yield RemoteWorkspace(settings, server)
            finally:
                server.close()
            return
    database = open_database(settings.database(), application="muster console", pool_size=pool_size)
    try:
        yield Workspace(settings=settings, database=database, lake=Lake(settings.lake()))
    finally:
        database.dispose()


def _only_here() -> OnlyHere:
    return OnlyHere(hint="Leave --server and MUSTER_SERVER away, on the machine Muster runs on.")


def required_catalog(connection: Connection) -> Catalog:
    """Return the catalog in use.

    Raises:
        Conflict: none has been applied yet.
    """
    found = current_catalog(connection)
    if found is None:
        raise Conflict(
            "There is no catalog yet.", hint="Apply one first: `muster catalog apply FILE`."
        )
    return found[1]


def require_administrator(workspace: Workspace, what: str) -> None:
    """Make sure that whoever asks is an administrator; on the machine itself everybody is.

    Raises:
        NotPermitted: they are not.
    """
    principal = workspace.principal
    if principal is not None and not principal.allows(Permission.ADMINISTER):
        raise NotPermitted(f"Only administrators may {what}.")
