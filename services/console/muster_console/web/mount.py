"""The console process: REST API below ``/api``, pages everywhere else, one server and one origin."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from nicegui import Client, ui
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from muster_console.api.app import create_api
from muster_console.operation.access import principal_of_token
from muster_console.operation.workspace import Workspace
from muster_console.web import policy
from muster_console.web.arrival import bring_values
from muster_console.web.component.markup import empty, link, text
from muster_console.web.cookie import session_token
from muster_console.web.door import door, to_sign_in, unavailable
from muster_console.web.download import download
from muster_console.web.frame import SECTIONS, frame
from muster_console.web.guard import Harden, guard_socket, never_changes
from muster_console.web.kept import Kept
from muster_console.web.page import ALL
from muster_console.web.policy import PAGES, Page
from muster_console.web.visit import Visit, off_loop
from muster_console.web.words import explain_error
from muster_core.errors import MusterError

_ASSETS = Path(__file__).parent / "asset"
#: Seconds a page may take to be built; what takes longer says so.
_BUILD_SECONDS = 30.0
#: Seconds an open page may be away, in a tunnel or asleep, and go on where it was.
_AWAY_SECONDS = 20.0


def create_application(workspace: Workspace) -> ASGIApp:
    """Return what the console process serves.

    Raises:
        RouteWithoutPolicy: a route or a page says not who may take it.
    """
    api, console = create_api(workspace), create_console(workspace)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        # two applications, so that nothing of the console's looser rules reaches the API
        rest = scope["type"] == "http" and scope["path"].startswith("/api/")
        await (api if rest else console)(scope, receive, send)

    return application


def create_console(workspace: Workspace) -> FastAPI:
    """Return the pages over `workspace`; NiceGUI knows one console in a process.

    Raises:
        RouteWithoutPolicy: a page says not who may open it.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(door(workspace))
    app.include_router(download(workspace))
    app.mount("/asset", StaticFiles(directory=_ASSETS))

    @app.get("/")
    async def start() -> Response:
        """Lead to the segments."""
        return RedirectResponse("/segments", 303)

    assert ALL
    _prepare()
    mounted = []
    # a path that names something would take the fixed ones beside it
    for page in sorted(PAGES.values(), key=lambda page: (len(page.parameters), page.path)):
        shown = _shown(page, workspace)
        ui.page(page.path, title=page.title, response_timeout=_BUILD_SECONDS)(shown)
        mounted.append(page.path)
    policy.check_pages(set(mounted))
    ui.run_with(
        app,
        title="Muster",
        favicon=_ASSETS / "mark.svg",
        language="en-US",
        dark=None,
        tailwind=False,
        reconnect_timeout=_AWAY_SECONDS,
        binding_refresh_interval=None,
        gzip_middleware_factory=None,
        show_welcome_message=False,
    )
    guard_socket()
    # the one added last is asked first
    app.add_middleware(Kept, never_changes=never_changes)
    app.add_middleware(Harden)
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=4)
    return app


def _prepare() -> None:
    """Set what every page has: the style, the theme before anything is drawn, and how parts look."""
    ui.add_head_html(f'<link rel="stylesheet" href="{_asset("muster.css")}">', shared=True)
    ui.add_head_html(f'<script src="{_asset("muster.js")}"></script>', shared=True)
    ui.add_head_html(f'<script src="{_asset("keys.js")}" defer></script>', shared=True)
    for kind in (ui.input, ui.number, ui.select, ui.textarea):
        kind.default_props("outlined dense")
    ui.dialog.default_props("transition-duration=120")


def _asset(name: str) -> str:
    """Return the address of an asset, another one whenever its content is: browsers keep what has a version."""
    version = hashlib.sha256((_ASSETS / name).read_bytes()).hexdigest()[:12]
    return f"/asset/{name}?v={version}"


def _shown(page: Page, workspace: Workspace) -> Callable[..., Awaitable[Response | None]]:
    async def shown(request: Request, **given: str) -> Response | None:
        token = session_token(request)
        if token is None:
            return to_sign_in(request)
        try:
            principal = await off_loop(lambda: principal_of_token(workspace, token))
        except MusterError as exc:
            return unavailable(exc)
        if principal is None:
            return to_sign_in(request)
        visit = Visit(
            workspace=workspace,
            principal=principal,
            token=token,
            permission=page.permission,
            client=ui.context.client,
            path=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            query=dict(request.query_params),
            cookies=dict(request.cookies),
        )
        with frame(visit, section=page.section, title=page.title):
            await _build(page, visit, given)
        if not visit.client.has_socket_connection:
            await bring_values(visit.client)
        return None

    names = ["request", *page.parameters]
    kinds: dict[str, Any] = {"request": Request}
    shown.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=kinds.get(name, str)
            )
            for name in names
        ]
    )
    return shown


async def _build(page: Page, visit: Visit, given: dict[str, str]) -> None:
    """Build the page, or say in its place why not."""
    client: Client = ui.context.client
    if not visit.allows(page.permission):
        client.status_code = 403
        words = f"It needs the permission “{page.permission}”. Ask an administrator for it."
        with empty("This page is not for you", words, icon_name="lock"):
            _lead_back(page.section)
        return
    try:
        await page.build(visit, **given)
    except Exception as exc:  # noqa: BLE001 - the page says so, and the log
        trouble = explain_error(exc)
        client.status_code = 503 if trouble.passing else 404
        with empty("This page cannot be shown", trouble.line, icon_name="error_outline"):
            if not trouble.passing:
                _lead_back(page.section)
        if trouble.passing:
            ui.timer(3.0, lambda: ui.navigate.to(visit.path), once=True)


def _lead_back(section: str) -> None:
    """Put a link to where everything of a section is listed."""
    for name, path, word, _ in SECTIONS:
        if name == section:
            with link(path):
                text(f"Go to {word}")
