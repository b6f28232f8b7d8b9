"""Signing in and out, and the first administrator: plain forms that work without any script."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from muster_console.operation import access
from muster_console.operation.workspace import Workspace
from muster_console.web.cookie import (
    end_session,
    keep_session,
    local_path,
    same_origin,
    session_token,
)
from muster_console.web.visit import off_loop
from muster_console.web.words import explain_error
from muster_core.errors import Conflict, MusterError

#: Bytes of a form: a name, a password, and where to go.
_LARGEST_FORM = 10_000
#: A sign-in page runs nothing, so nothing may run on it.
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'"
)
_ASSETS = Path(__file__).parent / "asset"
_HERE = frozenset({"localhost", "127.0.0.1", "[::1]"})


class _ForeignForm(MusterError):
    """The form was not sent from a page of this console. Load the page again."""


def door(workspace: Workspace) -> APIRouter:
    """Return the routes of signing in and out."""
    router = APIRouter(include_in_schema=False)

    @router.get("/sign-in")
    async def show(request: Request) -> Response:
        """Show the form; a new installation asks for its first administrator."""
        target = local_path(request.query_params.get("next"))
        token = session_token(request)
        try:
            known = await off_loop(lambda: access.principal_of_token(workspace, token or ""))
            if known is not None:
                return RedirectResponse(target, 303)
            first = not await off_loop(lambda: access.anybody_known(workspace))
        except MusterError as exc:
            return unavailable(exc)
        if first:
            return _set_up_page(request)
        return _sign_in_page(target)

    @router.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        """Let somebody in who knows their password."""
        form = await _form(request)
        target = local_path(form.get("next"))
        name, password = form.get("name", ""), form.get("password", "")
        address = request.client.host if request.client else ""

        def enter() -> str:
            _require_own(request)
            return access.sign_in(workspace, name, password, address)[1]

        return await _enter(
            request, enter, target, lambda problem: _sign_in_page(target, name, problem)
        )

    @router.post("/set-up")
    async def set_up(request: Request) -> Response:
        """Make the first administrator, from this machine and only while nobody is known."""
        form = await _form(request)
        name, password = form.get("name", ""), form.get("password", "")
        address = request.client.host if request.client else ""

        def enter() -> str:
            _require_own(request)
            if not _on_this_machine(request):
                raise Conflict("The first administrator is made on the machine itself.")
            access.create_first(workspace, name, password, members=form.get("members") == "on")
            return access.sign_in(workspace, name, password, address)[1]

        return await _enter(
            request, enter, "/", lambda problem: _set_up_page(request, name, problem)
        )

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        """End the session, in the database too."""
        answer = RedirectResponse("/sign-in", 303)
        if not same_origin(request):
            return answer
        token = session_token(request)
        if token:
            try:
                await off_loop(lambda: access.sign_out(workspace, token))
            except MusterError as exc:
                return unavailable(exc)
        end_session(answer)
        return answer

    return router


def unavailable(exc: Exception) -> Response:
    """Return a page that says what is gone and looks again by itself."""
    return _page(
        "Not available",
        f"""<h1>Muster cannot answer right now</h1>
<p role="alert" class="door-alert">{escape(explain_error(exc).line)}</p>
<p>This page looks again every few seconds.</p>""",
        status=503,
        headers={"Refresh": "3", "Retry-After": "3"},
    )


def to_sign_in(request: Request) -> Response:
    """Send somebody unknown to the sign-in page, and back after it."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/sign-in?next={quote(here, safe='')}", 303)


async def _enter(
    request: Request, enter: Callable[[], str], target: str, again: Callable[[str], Response]
) -> Response:
    try:
        token = await off_loop(enter)
    except MusterError as exc:
        trouble = explain_error(exc)
        return unavailable(exc) if trouble.passing else again(trouble.line)
    answer = RedirectResponse(target, 303)
    keep_session(answer, request, token)
    return answer


def _require_own(request: Request) -> None:
    if not same_origin(request):
        raise _ForeignForm


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form; one that is too large has none."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM:
            return {}
    try:
        fields = parse_qs(body.decode(), max_num_fields=10)
    except (UnicodeDecodeError, ValueError):
        return {}
    return {name: values[0] for name, values in fields.items()}


def _on_this_machine(request: Request) -> bool:
    """Tell whether the browser runs here: by its address, and by the name it asked for (a page elsewhere may rebind its own)."""
    host = request.headers.get("host", "").rsplit(":", 1)[0].lower()
    try:
        address = ipaddress.ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    return address.is_loopback and host in _HERE


def _sign_in_page(target: str, name: str = "", problem: str = "") -> Response:
    # after a wrong password only that is typed anew
    focus = " autofocus"
    return _page(
        "Sign in",
        f"""<h1>Sign in</h1>
{_alert(problem)}<form method="post" action="/sign-in">
<input type="hidden" name="next" value="{escape(target)}">
{_field("name", "Name", name, f'autocomplete="username" autocapitalize="none"{"" if name else focus}')}
{_field("password", "Password", "", f'type="password" autocomplete="current-password"{focus if name else ""}')}
<button type="submit">Sign in</button></form>""",
        status=401 if problem else 200,
    )


def _set_up_page(request: Request, name: str = "", problem: str = "") -> Response:
    if not _on_this_machine(request):
        return _page(
            "Welcome",
            """<h1>Welcome to Muster</h1>
<p>Nobody can sign in yet. Make the first administrator on the machine Muster runs on:</p>
<pre>muster user create NAME --role administrator --password</pre>""",
        )
    return _page(
        "Welcome",
        f"""<h1>Welcome to Muster</h1>
<p>Nobody can sign in yet. Choose a name and a password; you become the first administrator.</p>
{_alert(problem)}<form method="post" action="/set-up">
{_field("name", "Name", name, 'autocomplete="username" autocapitalize="none" autofocus')}
{_field("password", "Password", "", 'type="password" autocomplete="new-password"')}
<label class="door-check"><input type="checkbox" name="members" checked>
<span>I may see member data</span></label>
<button type="submit">Begin</button></form>""",
        status=422 if problem else 200,
    )


def _field(name: str, label: str, value: str, attributes: str) -> str:
    return (
        f'<label for="{name}">{label}</label>'
        f'<input id="{name}" name="{name}" value="{escape(value)}" required {attributes}>'
    )


def _alert(problem: str) -> str:
    return f'<p role="alert" class="door-alert">{escape(problem)}</p>' if problem else ""


def _page(
    title: str, body: str, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    text = Template((_ASSETS / "door.html").read_text()).substitute(title=title, body=body)
    own = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store", **(headers or {})}
    return HTMLResponse(text, status, own)
