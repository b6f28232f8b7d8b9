"""Sends signed messages to an address, as Standard Webhooks describes: https://www.standardwebhooks.com.

An answer of 2xx acknowledges a message. 410 means never again, 429 and 503 may say when; redirects are failures.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import urlsplit

from muster_core.alerts.signature import signed_headers
from muster_core.errors import TargetGone, TargetRefused, TargetUnavailable
from muster_core.exports.connection import WebhookSecret, WebhookTarget, signing_key
from muster_core.security.address import read_url
from muster_core.security.outbound import Guard
from muster_exporter.deadline import Deadline

#: Most bytes of an answer that are read: so many, and so many for each byte of the message. Refusals of all of its
#: rows have fewer.
_MOST_ANSWER = 100_000
_MOST_ANSWER_EACH = 8
_LONGEST_WAIT = 6 * 3600.0
_GONE = 410
#: Answers that pass by themselves; every other 4xx does not.
_PASSING = frozenset({408, 409, 421, 423, 425, 429})
_REASON = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.ASCII)


class WebhookSink:
    """One address; a context manager that keeps its connection between messages."""

    def __init__(self, target: WebhookTarget, secret: WebhookSecret, guard: Guard) -> None:
        self._target = target
        self._key = signing_key(secret.signing_secret.get_secret_value())
        self._token = secret.bearer_token
        self._guard = guard
        guard.check_url(target.url)
        self._place = read_url(target.url)
        parts = urlsplit(target.url)
        self._path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        self._connection: http.client.HTTPConnection | None = None

    @property
    def location(self) -> str:
        """Return the address for people; what follows the path may be a secret of the receiver's."""
        return f"{self._place.scheme}://{self._place.host}:{self._place.port}"

    @property
    def most_bytes(self) -> int:
        """Return how many bytes a message may have."""
        return self._target.chunk_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def send(self, message_id: str, body: bytes) -> dict[int, str]:
        """Send one message and return the rows the receiver did not take: their place in it, and why.

        Raises:
            TargetGone: the receiver never wants anything again.
            TargetRefused: it refuses the message for good.
            TargetUnavailable: trying again may help; it carries what `Retry-After` said.
        """
        headers = {
            "content-type": "application/json",
            "user-agent": "Muster",
            **signed_headers(
                self._key, message_id=message_id, timestamp=int(time.time()), body=body
            ),
        }
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token.get_secret_value()}"
        status, said, data = self._post(body, headers)
        if 200 <= status < 300:
            return _refusals(data)
        raise self._failure(status, said)

    def probe(self) -> None:
        """Send a signed message of the type `muster.test`, which says nothing."""
        message = {"type": "muster.test", "timestamp": datetime.now(UTC).isoformat(), "data": {}}
        self.send(f"test_{time.time_ns()}", json.dumps(message).encode())

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str | None, bytes]:
        seconds = self._target.timeout_seconds
        try:
            with Deadline(seconds) as deadline:
                connection = self._connected(deadline)
                connection.request("POST", self._path, body, headers)
                answer = connection.getresponse()
                data = _whole(answer, _MOST_ANSWER + _MOST_ANSWER_EACH * len(body))
                if deadline.passed:
                    raise TimeoutError  # what was read may end where the deadline fell
        except (OSError, http.client.HTTPException) as exc:
            # whether it arrived is not known: it is sent again under the same id
            self._drop()
            why = f"within {seconds:g} seconds" if deadline.passed else f"({type(exc).__name__})"
            raise TargetUnavailable(
                f"The receiver {self._place.host} does not answer {why}.",
                hint="It is tried again.",
            ) from None
        if answer.will_close or not answer.isclosed():
            self._drop()
        return answer.status, answer.getheader("Retry-After"), data

    def _connected(self, deadline: Deadline) -> http.client.HTTPConnection:
        if self._connection is None:
            place, seconds = self._place, self._target.timeout_seconds
            found = self._guard.connect(place.host, place.port, seconds=seconds)
            found.settimeout(seconds)
            try:
                if place.scheme == "https":
                    found = ssl.create_default_context().wrap_socket(
                        found, server_hostname=place.host, do_handshake_on_connect=False
                    )
                deadline.watch(found)
                if isinstance(found, ssl.SSLSocket):
                    found.do_handshake()
            except BaseException:
                found.close()
                raise
            # it only speaks HTTP on a socket that is connected already
            self._connection = http.client.HTTPConnection(place.host, place.port)
            self._connection.sock = found
            self._connection.auto_open = 0
        deadline.watch(self._connection.sock)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _failure(self, status: int, retry_after: str | None) -> Exception:
        said = f"The receiver {self._place.host} answered {status}"
        if status == _GONE:
            return TargetGone(
                f"{said}: it wants nothing more.",
                hint="`muster connection resume` lets it take deliveries again.",
            )
        if 300 <= status < 400:
            return TargetRefused(f"{said}: redirects are not followed.", hint="Change the address.")
        if 400 <= status < 500 and status not in _PASSING:
            return TargetRefused(f"{said}.", hint="Look at its address and its credentials.")
        return TargetUnavailable(
            f"{said}.",
            hint="It is tried again.",
            retry_after=_seconds(retry_after),
            answered=True,
        )


def _whole(answer: http.client.HTTPResponse, most: int) -> bytes:
    """Return an answer's body, or as much of it as is read.

    Raises:
        IncompleteRead: it ends before its announced length: rows may be refused in what is missing.
    """
    data = answer.read(most)
    if answer.length and len(data) < most:
        raise http.client.IncompleteRead(data, answer.length)
    return data


def _seconds(written: str | None) -> float | None:
    """Return the seconds that a Retry-After asks for, six hours at the most; None where it says nothing."""
    if written is None:
        return None
    if written.strip().isdecimal():
        return min(float(written.strip()), _LONGEST_WAIT)
    with suppress(ValueError):
        moment = parsedate_to_datetime(written)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return min(max((aware - datetime.now(UTC)).total_seconds(), 0.0), _LONGEST_WAIT)
    return None


def _refusals(data: bytes) -> dict[int, str]:
    """Read ``{"refused": [{"row": 0, "reason": "a_word"}]}``; any other answer refuses nothing.

    A reason is one word: whatever else a receiver says may hold the data of a customer.
    """
    try:
        said: Any = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    listed = said.get("refused") if isinstance(said, dict) else None
    found: dict[int, str] = {}
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, dict) and type(row := entry.get("row")) is int:
            reason = str(entry.get("reason", ""))
            found[row] = reason if _REASON.fullmatch(reason) else "refused"
    return found
