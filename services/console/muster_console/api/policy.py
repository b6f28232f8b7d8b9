"""Who may take which route: every route names its permission, and one that names none stops the start."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts

from muster_console.api.problem import NotAllowed, NotSignedIn
from muster_console.operation.access import principal_of_token
from muster_console.operation.workspace import Workspace
from muster_core.errors import MusterError
from muster_core.security.role import Permission, Principal


class RouteWithoutPolicy(MusterError):
    """A route says not who may take it; the API does not start."""

    code = "route_without_policy"


class Require:
    """A dependency: only principals with `permission` come through, and the workspace is theirs."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    def __call__(self, request: Request) -> Workspace:
        """Return the workspace as the caller works in it.

        Raises:
            NotSignedIn: there is no token, or none that is valid.
            NotAllowed: the caller may not do this.
        """
        workspace: Workspace = request.app.state.workspace
        principal = _principal(request, workspace)
        if not principal.allows(self.permission):
            raise NotAllowed(self.permission)
        request.state.principal = principal
        return workspace.of(principal)


class Public:
    """A dependency that does nothing but say that everybody may take the route."""

    def __call__(self, request: Request) -> Workspace:
        """Return the workspace without anybody in it."""
        workspace: Workspace = request.app.state.workspace
        return workspace


Viewing = Annotated[Workspace, Depends(Require(Permission.VIEW))]
Editing = Annotated[Workspace, Depends(Require(Permission.EDIT))]
Administering = Annotated[Workspace, Depends(Require(Permission.ADMINISTER))]
SeeingMembers = Annotated[Workspace, Depends(Require(Permission.MEMBERS))]
Anybody = Annotated[Workspace, Depends(Public())]


def permission_of(route: RouteContext) -> Permission | None:
    """Return what a route asks for, None for a public one.

    Raises:
        RouteWithoutPolicy: it says nothing, or several things.
    """
    dependant = getattr(route, "dependant", None)
    found = policies_of(dependant) if isinstance(dependant, Dependant) else []
    if len(found) != 1:
        raise RouteWithoutPolicy(f"The route {route.path} names {len(found)} policies, not one.")
    return found[0].permission if isinstance(found[0], Require) else None


def check_policies(app: FastAPI) -> None:
    """Look at every route before the first request.

    Raises:
        RouteWithoutPolicy: one says not who may take it.
    """
    for route in every_route(app):
        permission_of(route)


def every_route(app: FastAPI) -> list[RouteContext]:
    """Return every route, those of included routers, too."""
    return list(iter_route_contexts(app.routes))


def policies_of(dependant: Dependant) -> list[Require | Public]:
    """Return every policy among what a route depends on."""
    found: list[Require | Public] = []
    for inner in dependant.dependencies:
        if isinstance(inner.call, Require | Public):
            found.append(inner.call)
        found += policies_of(inner)
    return found


def _principal(request: Request, workspace: Workspace) -> Principal:
    given = request.headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token:
        raise NotSignedIn
    principal = principal_of_token(workspace, token)
    if principal is None:
        raise NotSignedIn
    return principal
