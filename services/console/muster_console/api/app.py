"""The application: every route, its errors, its limits, and its description."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from muster_console.api.body import BodyLimit
from muster_console.api.description import describe
from muster_console.api.idempotency import check_repetitions
from muster_console.api.policy import Viewing, check_policies
from muster_console.api.problem import RESPONSES, answer_errors, problem_response
from muster_console.api.route import (
    access,
    catalog,
    column,
    connection,
    customer,
    definition,
    export,
    folder,
    insight,
    life,
    measure,
    run,
    segment,
    service,
    system,
)
from muster_console.operation.workspace import Workspace

PREFIX = "/api/v1"
_OTHERS = (export, connection, catalog, customer, access, system)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def create_api(workspace: Workspace) -> FastAPI:
    """Return the API over `workspace`.

    Raises:
        RouteWithoutPolicy: a route says not who may take it.
        RouteDoneTwice: a POST takes no Idempotency-Key.
    """
    app = FastAPI(
        title="Muster",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.workspace = workspace
    # each straight into the application: a router in a router makes every route once more, half a second in all
    where: dict[str, Any] = {"prefix": PREFIX, "responses": RESPONSES}
    for module in (
        insight,
        column,
        segment,
        life,
        folder,
        service,
        definition,
        run,
        measure,
        *_OTHERS,
    ):
        app.include_router(module.router, **where)
    about = APIRouter(redirect_slashes=False)

    @about.get("/openapi.json", tags=["system"])
    def description(workspace: Viewing) -> dict[str, Any]:
        """Return the OpenAPI description of this API."""
        return describe(app)

    app.include_router(about, **where)
    answer_errors(app)
    app.add_middleware(BodyLimit)

    @app.middleware("http")
    async def harden(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        # PostgreSQL holds no text with NUL: whatever the path leads to, nothing is called so
        response: Response
        if "\0" in request.scope["path"]:
            response = problem_response(404, "not_found", "Nothing has a NUL in its name.")
        elif b"%00" in request.scope["query_string"] or b"\0" in request.scope["query_string"]:
            response = problem_response(422, "invalid_input", "Nothing here holds a NUL.")
        else:
            response = await go_on(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    check_policies(app)
    check_repetitions(app)
    return app
