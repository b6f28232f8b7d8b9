"""Errors as answers: problem documents (RFC 9457), with a place for everything that is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from muster_console.operation.access import TooManyAttempts, WrongPassword
from muster_core import errors
from muster_core.errors import InvalidInput, MusterError, Problem, TransientError
from muster_core.security.role import Permission

MEDIA_TYPE = "application/problem+json"
_RETRY_SECONDS = "5"
_log = structlog.get_logger()


class NotSignedIn(MusterError):
    """A valid token is needed, as `Authorization: Bearer TOKEN`."""

    code = "not_signed_in"


class NotAllowed(MusterError):
    """This is not allowed."""

    code = "not_allowed"

    def __init__(self, permission: Permission) -> None:
        super().__init__(
            f"This needs the permission `{permission}`.",
            hint="Ask an administrator for it; a token may have less than its owner.",
        )


class PreconditionMissing(MusterError):
    """The revision this change is based on is needed, as `If-Match`; a new thing says `If-None-Match: *`."""

    code = "precondition_missing"


class UnusableRequest(MusterError):
    """The request cannot be read."""

    code = "unusable_request"

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


_STATUS: tuple[tuple[type[MusterError], int], ...] = (
    (NotSignedIn, 401),
    (WrongPassword, 401),
    (NotAllowed, 403),
    (errors.NotAllowedToSee, 403),
    (errors.NotPermitted, 403),
    (TooManyAttempts, 429),
    (PreconditionMissing, 428),
    (errors.ChangedMeanwhile, 412),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.InvalidInput, 422),
    (errors.TransientError, 503),
    (errors.TerminalError, 422),
)


class ProblemItem(BaseModel):
    """One thing wrong with what was sent."""

    pointer: str = ""
    message: str
    hint: str | None = None
    #: The file among those that were sent; None where the body itself is meant.
    file: str | None = None
    line: int | None = None
    column: int | None = None
    #: The line of an expression with a caret under the place.
    excerpt: str | None = None


class ProblemDocument(BaseModel):
    """What went wrong: `type` is stable, `detail` is for people."""

    model_config = ConfigDict(extra="forbid")

    type: str
    title: str
    status: int
    detail: str
    #: What to do, where that can be said; `detail` ends with it, too.
    hint: str | None = None
    problems: list[ProblemItem] = []


#: What every route may answer beside its own, always as a `ProblemDocument`; the description names nothing less.
#: It puts the document there: named here as a model, it is made once for every route and status.
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": text}
    for status, text in (
        (400, "The request cannot be read."),
        (401, "No valid token."),
        (403, "Not allowed."),
        (404, "No such thing."),
        (409, "Its state does not allow it."),
        (412, "Changed by somebody else."),
        (413, "Too large."),
        (415, "Not a type or encoding this takes."),
        (422, "Something in it is wrong."),
        (428, "A precondition is needed."),
        (429, "Too many attempts."),
        (503, "A part does not answer; try again."),
    )
}


def problem_items(problems: Iterable[Problem]) -> list[ProblemItem]:
    """Return problems as answers hold them."""
    return [
        ProblemItem(
            pointer=p.pointer,
            message=p.message,
            hint=p.hint,
            file=None if p.file == "body" else p.file,
            line=p.line,
            column=p.column,
            excerpt=p.excerpt,
        )
        for p in problems
    ]


def problem_response(
    status: int, code: str, detail: str, problems: Any = (), *, hint: str | None = None
) -> JSONResponse:
    """Return the answer to what went wrong."""
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status in (429, 503):
        headers["Retry-After"] = "60" if status == 429 else _RETRY_SECONDS
    document = ProblemDocument(
        type=f"urn:muster:{code}",
        title=code.replace("_", " "),
        status=status,
        detail=detail,
        hint=hint,
        problems=list(problems),
    )
    return JSONResponse(document.model_dump(), status, headers, media_type=MEDIA_TYPE)


def answer_errors(app: FastAPI) -> None:
    """Let every error leave `app` as a problem document; none shows what was sent."""

    @app.exception_handler(MusterError)
    def known(request: Request, exc: MusterError) -> JSONResponse:
        status = (
            exc.status
            if isinstance(exc, UnusableRequest)
            else next((status for kind, status in _STATUS if isinstance(exc, kind)), 500)
        )
        if isinstance(exc, TransientError) or status >= 500:
            _log.warning("request_failed", path=request.url.path, error_class=exc.code)
        items = problem_items(exc.problems if isinstance(exc, InvalidInput) else ())
        return problem_response(status, exc.code, str(exc), items, hint=exc.hint)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, exc: RequestValidationError) -> JSONResponse:
        items = [
            ProblemItem(
                pointer="/" + "/".join(str(part) for part in error["loc"]),
                # how the library says who objects is of no use to whoever sent it
                message=error["msg"].removeprefix("Value error, "),
            )
            for error in exc.errors()
        ]
        return problem_response(422, "invalid_input", "The request has problems.", items)

    @app.exception_handler(HTTPException)
    def refused(request: Request, exc: HTTPException) -> JSONResponse:
        answer = problem_response(exc.status_code, "refused", str(exc.detail))
        answer.headers.update(exc.headers or {})
        return answer

    @app.exception_handler(Exception)
    def unknown(request: Request, exc: Exception) -> JSONResponse:
        _log.exception("request_broke", path=request.url.path)
        return problem_response(500, "error", "Something broke; the log of the API says more.")
