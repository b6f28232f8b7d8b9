"""Tells people what needs them: a log line for every alert, and a signed request to the hook that is set."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from muster_core.alerts.signature import signed_headers, signing_key
from muster_core.errors import TransientError
from muster_core.runs.backoff import Backoff
from muster_core.settings import Settings
from muster_core.storage.alert import (
    Alert,
    end_alert,
    note_limit,
    note_stale,
    put_off_alert,
    take_alerts,
)
from muster_core.storage.database import transaction
from muster_core.storage.service_setting import service_settings
from muster_core.telemetry import get_logger

#: Between two looks into the outbox, and between two looks for what nobody writes there by itself.
_LOOK_SECONDS = 2.0
_NOTE_SECONDS = 60.0
#: A request that takes longer has failed; a sender that died has not sent within the lease.
_TIMEOUT = httpx.Timeout(10.0)
_LEASE = timedelta(seconds=60)
_BACKOFF = Backoff(first=timedelta(seconds=5), longest=timedelta(hours=1))
#: A receiver that does not answer for so long is not told any more; the alert stays in the table.
_GIVE_UP = timedelta(days=3)
_GONE = 410

_LOG = get_logger()


class AlertSender:
    """Works the outbox off in a thread of its own, so that a slow receiver delays no schedule."""

    def __init__(
        self, database: Engine, settings: Settings, *, backoff: Backoff = _BACKOFF
    ) -> None:
        """Send to the hook of `settings`."""
        self._database = database
        self._settings = settings
        self._backoff = backoff
        secret = settings.alert_secret
        self._key = None if secret is None else signing_key(secret.get_secret_value())
        # no redirects: what is signed is meant for this address; no proxy from the environment either
        self._client = httpx.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=False)
        self._noted_at = -float("inf")
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work, name="alerts", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def close(self) -> None:
        """Stop sending; what waits is sent by the next one."""
        self._done.set()
        if self._thread.is_alive():
            self._thread.join(_LOOK_SECONDS)
        self._client.close()

    def send_waiting(self) -> int:
        """Send what waits now; return how many were taken."""
        with transaction(self._database) as connection:
            alerts = take_alerts(connection, lease=_LEASE)
        for alert in alerts:
            self._send(alert)
        return len(alerts)

    def note(self) -> None:
        """Look for stale segments and limits that come near."""
        with transaction(self._database) as connection:
            note_stale(connection)
            known = service_settings(connection, self._settings)
            note_limit(
                connection,
                active_segments=known.active_segments,
                percent=known.limit_warning_percent,
            )

    def _work(self) -> None:
        while not self._done.is_set():
            try:
                if time.monotonic() - self._noted_at >= _NOTE_SECONDS:
                    self.note()
                    self._noted_at = time.monotonic()
                more = self.send_waiting()
            except (TransientError, SQLAlchemyError) as exc:
                # the outbox keeps everything until PostgreSQL is back
                _LOG.warning("alerts put off", cause=type(exc).__name__)
                more = 0
            if not more:
                self._done.wait(_LOOK_SECONDS)

    def _send(self, alert: Alert) -> None:
        if alert.attempt == 1:
            _LOG.warning("alert", kind=alert.kind, alert=alert.id, **_logged(alert))
        url = self._settings.alert_url
        if url is None:
            self._end(alert, sent=True, error="no hook is set; it was logged")
            return
        try:
            answer = self._client.post(url.get_secret_value(), **self._request(alert))
        except httpx.HTTPError as exc:
            self._failed(alert, type(exc).__name__)
            return
        if answer.is_success:
            self._end(alert, sent=True, error=None)
        elif answer.status_code == _GONE:
            self._end(alert, sent=False, error="the receiver answered 410: gone")
        else:
            self._failed(alert, f"the receiver answered {answer.status_code}")

    def _request(self, alert: Alert) -> dict[str, Any]:
        message = {
            "type": f"muster.{alert.kind}",
            "timestamp": alert.created_at.isoformat(),
            "data": dict(alert.facts),
        }
        body = json.dumps(message, sort_keys=True, separators=(",", ":")).encode()
        headers = {"content-type": "application/json", "webhook-id": f"alert_{alert.id}"}
        if self._key is not None:
            headers |= signed_headers(
                self._key, message_id=f"alert_{alert.id}", timestamp=int(time.time()), body=body
            )
        return {"content": body, "headers": headers}

    def _failed(self, alert: Alert, error: str) -> None:
        _LOG.warning("alert not sent", alert=alert.id, attempt=alert.attempt, cause=error)
        if alert.age > _GIVE_UP:
            self._end(alert, sent=False, error=error)
            return
        with transaction(self._database) as connection:
            put_off_alert(connection, alert, error=error, wait=self._backoff.delay(alert.attempt))

    def _end(self, alert: Alert, *, sent: bool, error: str | None) -> None:
        with transaction(self._database) as connection:
            end_alert(connection, alert, sent=sent, error=error)


def _logged(alert: Alert) -> dict[str, Any]:
    """Return the facts under names that no log field has."""
    return {f"about_{name}": value for name, value in alert.facts.items()}
