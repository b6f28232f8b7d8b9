"""A POST with an `Idempotency-Key` is done once; repeated within a day it gets the same answer."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute

from muster_console.api.policy import every_route, policies_of
from muster_console.operation.workspace import Workspace
from muster_core.errors import InvalidInput, MusterError, Problem
from muster_core.storage import idempotency as storage
from muster_core.storage.database import transaction

_LONGEST_KEY = 255
#: In the OpenAPI description of a route whose answer is shown once: it is kept nowhere.
SHOWN_ONCE = "x-shown-once"
#: In the OpenAPI description of a route that only looks: a repetition looks again, and its answer, which may hold
#: member data, is kept nowhere.
ONLY_LOOKS = "x-only-looks"
_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class RouteDoneTwice(MusterError):
    """A POST would be done again by every repetition, whatever its key; the API does not start."""

    code = "route_done_twice"


class IdempotentRoute(APIRoute):
    """A route whose POST keeps its answer under the key the caller gave."""

    def get_route_handler(self) -> _Handler:
        """Return the handler, with the keeping of answers around it."""
        handle = super().get_route_handler()
        if "POST" not in (self.methods or ()):
            return handle
        told = self.openapi_extra or {}
        if told.get(ONLY_LOOKS, False):
            return handle
        secret = told.get(SHOWN_ONCE, False)
        policies = policies_of(self.dependant)

        async def once(request: Request) -> Response:
            key = request.headers.get("idempotency-key")
            if key is None:
                return await handle(request)
            if secret:
                raise InvalidInput(
                    [
                        Problem(
                            message="the answer is a secret and not kept; send no Idempotency-Key"
                        )
                    ]
                )
            if not 0 < len(key) <= _LONGEST_KEY or not key.isprintable():
                raise InvalidInput(
                    [Problem(message="the Idempotency-Key has 1 to 255 printable characters")]
                )
            for policy in policies:
                # before anything is answered: whoever lost a right does not get what was kept while they had it
                await run_in_threadpool(policy, request)
            return await _once(request, key, handle)

        return once


def check_repetitions(app: FastAPI) -> None:
    """Look at every POST before the first request.

    Raises:
        RouteDoneTwice: one keeps no answers.
    """
    for route in every_route(app):
        if "POST" in (route.methods or ()) and not isinstance(
            route.original_route, IdempotentRoute
        ):
            raise RouteDoneTwice(f"POST {route.path} takes no Idempotency-Key.")


async def _once(request: Request, key: str, handle: _Handler) -> Response:
    workspace: Workspace = request.app.state.workspace
    # whoever holds the same token is the same caller; the token itself is not kept
    token = request.headers.get("authorization", "").encode()
    caller = hashlib.sha256(token).hexdigest()
    whole = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    # keyed, because a body may name a customer: without the token nobody can try keys against what is kept
    digest = hmac.digest(token, whole + await request.body(), hashlib.sha256)
    kept = await run_in_threadpool(_claim, workspace, caller, key, digest)
    if kept is not None:
        return _as_before(kept)
    try:
        answer = await handle(request)
    except Exception:
        # nothing was done: the key is free for another attempt; one that is cut off leaves it taken for a while,
        # because what a thread does goes on
        await run_in_threadpool(_release, workspace, caller, key)
        raise
    text = bytes(answer.body).decode()
    await run_in_threadpool(_keep, workspace, caller, key, answer.status_code, text)
    return answer


def _as_before(kept: storage.KeptAnswer) -> Response:
    """Return what was answered, byte by byte."""
    # answers of versions before this one were kept as what their text says
    text = kept.body if isinstance(kept.body, str) else json.dumps(kept.body)
    return Response(text, kept.status, media_type="application/json" if text else None)


def _claim(workspace: Workspace, caller: str, key: str, digest: bytes) -> storage.KeptAnswer | None:
    with transaction(workspace.database) as connection:
        return storage.claim_key(connection, caller, key, digest)


def _release(workspace: Workspace, caller: str, key: str) -> None:
    with transaction(workspace.database) as connection:
        storage.release_key(connection, caller, key)


def _keep(workspace: Workspace, caller: str, key: str, status: int, text: str) -> None:
    with transaction(workspace.database) as connection:
        storage.keep_answer(connection, caller, key, status, text)
