"""A Muster elsewhere, reached through its REST API with a token: one request, its answer, its errors as our own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from pydantic import SecretStr
from pydantic_core import to_jsonable_python

from muster_core import errors
from muster_core.errors import InvalidInput, MusterError, PartUnavailable, Problem, TerminalError
from muster_core.settings import Settings

_PREFIX = "/api/v1"
#: Seconds to wait for a connection, and between two pieces of an answer: a catalog is read in one request.
_CONNECT, _READ = 10.0, 600.0
_PIECE = 1 << 16


class OnlyHere(TerminalError):
    """This works on the machine Muster runs on, not against a server."""

    code = "only_here"


class RefusedByServer(TerminalError):
    """The server does not take this."""

    code = "refused"


_WHERE = "`muster status` on its machine shows the address beside `console`."
_SIGN_IN = "Give --token-file, or set MUSTER_TOKEN, with a token that is valid there."
#: What an answer means where its `type` is none of our own errors.
_BY_STATUS: Mapping[int, type[MusterError]] = {
    404: errors.NotFound,
    409: errors.Conflict,
    412: errors.Conflict,
    428: errors.Conflict,
    429: errors.TransientError,
    503: errors.PartUnavailable,
}


class Server:
    """One server and the token for it; nothing is connected before the first request."""

    def __init__(self, url: str, token: SecretStr) -> None:
        found = urlsplit(url)
        if found.scheme not in ("http", "https") or not found.hostname:
            raise _wrong(
                "--server or MUSTER_SERVER is no address of a server",
                "Write https://host or http://host:port.",
            )
        self.url = url.rstrip("/").removesuffix(_PREFIX)
        self._token = token
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=_CONNECT, read=_READ), retries=False
        )

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send one request and return its JSON, None where the answer has none.

        Raises:
            MusterError: what the server says, of the class it has there.
            PartUnavailable: it does not answer.
            RefusedByServer: what answers is no Muster.
        """
        answer = self._send(method, path, query, body, headers)
        try:
            return json.loads(answer.data) if answer.data else None
        except ValueError as exc:
            raise RefusedByServer(
                f"What answers at {self.url} is not Muster's REST API.", hint=_WHERE
            ) from exc

    def save(self, path: str, *, query: Mapping[str, Any], to: Path) -> Mapping[str, str]:
        """Write an answer to the file `to`, whole or not at all; return its headers.

        Raises:
            MusterError: as for `ask`.
        """
        part = to.with_name(f".{to.name}.part")
        try:
            answer = self._send("GET", path, query, None, stream=True)
            with part.open("wb") as file:
                for piece in answer.stream(_PIECE):
                    file.write(piece)
            part.replace(to)
            return answer.headers
        except urllib3.exceptions.HTTPError as exc:
            raise self._silent() from exc
        except OSError as exc:
            raise _wrong(f"the file cannot be written: {exc.strerror}", str(to.parent)) from exc
        finally:
            part.unlink(missing_ok=True)

    def close(self) -> None:
        """Close what is connected."""
        self._pool.clear()

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        headers: Mapping[str, str] | None = None,
        *,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        given = {
            **(headers or {}),
            "Authorization": f"Bearer {self._token.get_secret_value()}",
        }
        content = None
        if isinstance(body, str):
            content, given["Content-Type"] = body.encode(), "application/yaml"
        elif body is not None:
            content = json.dumps(to_jsonable_python(body, by_alias=True)).encode()
            given["Content-Type"] = "application/json"
        url = f"{self.url}{_PREFIX}{path}{_query(query or {})}"
        try:
            answer = self._pool.request(
                method,
                url,
                body=content,
                headers=given,
                # a token goes nowhere but where it was meant to
                redirect=False,
                preload_content=not stream,
            )
            if answer.status < 300:
                return answer
            found = answer.data
        except urllib3.exceptions.HTTPError as exc:
            raise self._silent() from exc
        raise _error(answer.status, found)

    def _silent(self) -> PartUnavailable:
        return PartUnavailable(
            f"The server {self.url} does not answer.",
            hint="Look at the address in --server or MUSTER_SERVER, and at `muster status` there.",
        )


def open_server(settings: Settings) -> Server:
    """Return the server that `settings` name.

    Raises:
        InvalidInput: there is no token for it, or the address is none.
    """
    token = settings.token
    if settings.token_file is not None:
        try:
            token = SecretStr(settings.token_file.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
            raise _wrong(
                f"the token file cannot be read: {reason}", str(settings.token_file)
            ) from exc
    written = "" if token is None else token.get_secret_value()
    if not written or not written.isascii() or not written.isprintable():
        raise _wrong("there is no token for the server", "Give --token-file, or set MUSTER_TOKEN.")
    return Server(settings.server or "", SecretStr(written))


def path_of(template: str, values: Mapping[str, Any]) -> str:
    """Return a path with names in their places, each one part of it whatever it holds."""
    return template.format(**{name: quote(str(value), safe="") for name, value in values.items()})


def _query(query: Mapping[str, Any]) -> str:
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        for one in (
            value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
        ):
            written = to_jsonable_python(one)
            pairs.append((name, written if isinstance(written, str) else json.dumps(written)))
    return f"?{urlencode(pairs)}" if pairs else ""


def _error(status: int, data: bytes) -> MusterError:
    """Return the error a problem document tells of; a page of something between tells its status only."""
    try:
        found = json.loads(data)
        code = str(found["type"]).removeprefix("urn:muster:")
        detail, hint = str(found["detail"]), found.get("hint")
        items = found.get("problems", [])
    except (ValueError, KeyError, TypeError, AttributeError):
        lost: type[MusterError] = PartUnavailable if status >= 500 else RefusedByServer
        return lost(f"The server answers with status {status} and no reason.", hint=_WHERE)
    if status == 401:
        # what the API says is for whoever writes headers
        detail, hint = "The token is none that the server takes now.", _SIGN_IN
    elif hint:
        detail = detail.removesuffix(hint).rstrip()
    if status in (400, 413, 415, 422) and items:
        known = Problem.__dataclass_fields__
        problems = [Problem(**{k: v for k, v in item.items() if k in known}) for item in items]
        return InvalidInput(problems, detail.removesuffix("; nothing was changed."))
    kind = _known().get(code) or _BY_STATUS.get(status) or RefusedByServer
    error = kind.__new__(kind)
    MusterError.__init__(error, detail, hint=hint)
    # some errors are known to the API alone; programs are told them by the same name
    error.code = code
    return error


def _known() -> dict[str, type[MusterError]]:
    found: dict[str, type[MusterError]] = {}
    waiting: list[type[MusterError]] = [MusterError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        # an input without a list of problems says all of it in its message
        found.setdefault(kind.code, TerminalError if kind is InvalidInput else kind)
    del found[MusterError.code]
    return found


def _wrong(message: str, hint: str) -> InvalidInput:
    return InvalidInput([Problem(message=message, hint=hint)])
