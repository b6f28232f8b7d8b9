"""Serving the API until it is told to stop, with a sign of life in the control database."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from muster_console.operation.workspace import Workspace, open_workspace
from muster_console.web.mount import create_application
from muster_core.errors import PartUnavailable
from muster_core.settings import Settings
from muster_core.storage.database import transaction
from muster_core.storage.process import process_name, record_process, remove_process
from muster_core.telemetry import get_logger

#: How long requests may go on once the server is told to stop.
_GRACE_SECONDS = 10
#: Connections of the control database: a request holds one for a few milliseconds.
_POOL = 20


def serve(settings: Settings, *, host: str, port: int) -> None:
    """Answer requests on `host`:`port` until SIGTERM or SIGINT."""
    with open_workspace(settings, pool_size=_POOL) as workspace:
        application = create_application(workspace)
        # What was imported and built stays for good. Looked through by every full collection, it let requests
        # wait for 0.2 s, now and then.
        gc.collect()
        gc.freeze()
        config = uvicorn.Config(
            application,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            # whoever signs in is who is connected: a header could name somebody else for every attempt
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        with _signed_on(workspace):
            uvicorn.Server(config).run()


@contextmanager
def _signed_on(workspace: Workspace) -> Iterator[None]:
    name = process_name("console")
    over = threading.Event()
    thread = threading.Thread(target=_live, args=(workspace, name, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _live(workspace: Workspace, name: str, over: threading.Event) -> None:
    log = get_logger()
    while True:
        try:
            with transaction(workspace.database) as connection:
                record_process(connection, name=name, kind="console")
        except PartUnavailable:
            # the API says so to everybody who asks; here it is enough to try again
            log.warning("console.not_signed_on", name=name)
        if over.wait(workspace.settings.heartbeat_seconds):
            break
    try:
        with transaction(workspace.database) as connection:
            remove_process(connection, name)
    except PartUnavailable:
        log.warning("console.not_signed_off", name=name)
