"""How soon the console answers in a browser: the list of segments while runs go on, and the builder over many customers.

A console process serves pages over a store written through the lake's own code; runs are asked for, claimed and
published through the functions of the services, one every few seconds. A headless Chromium looks.
"""

from __future__ import annotations

import itertools
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from playwright.sync_api import Browser, Page, sync_playwright
from pydantic import SecretStr

from benchmarks import machine, member_store
from benchmarks.serving import console
from muster_console.operation.access import create_person, sign_in
from muster_console.operation.workspace import open_workspace
from muster_console.parts.home import Home
from muster_console.parts.port import choose_port
from muster_console.parts.postgres import Postgres
from muster_console.parts.running import running
from muster_core.lake.location import Lake
from muster_core.rules.document import parse_segment
from muster_core.security.role import Role
from muster_core.settings import Settings
from muster_core.storage.database import transaction
from muster_core.storage.migrate import migrate
from muster_core.storage.run import (
    Outcome,
    claim_batch,
    pin_snapshot,
    publish,
    record_evaluated,
    request_refresh,
)
from muster_core.storage.segment import apply_segment, apply_segments
from muster_core.storage.store_table import snapshot, store_head

#: What each should take at the most, in milliseconds.
TARGETS = {"list": 1_000, "answer": 300, "count": 2_000}
_PASSWORD = "a password for an hour"  # noqa: S105 - of a database that is gone afterwards
_LEASE = timedelta(seconds=60)
_EDITED = "everybody"


def measure(segments: int, customers: int, *, runs_an_hour: int, rounds: int) -> dict[str, Any]:
    """Print and return the milliseconds of opening the list, of a change to be seen, and of the builder's answers."""
    with tempfile.TemporaryDirectory(prefix="muster-browsing-") as name:
        folder = Path(name)
        found: dict[str, Any] = {
            "machine": machine.describe(folder),
            "load": os.getloadavg()[0],
            "segments": segments,
            "customers": customers,
            "runs_an_hour": runs_an_hour,
        }
        with _served(folder, segments, customers) as (address, session, database):
            stop = threading.Event()
            working = threading.Thread(
                target=_run_on, args=(database, segments, 3_600 / runs_an_hour, stop)
            )
            working.start()
            try:
                found |= _look(address, session, database, segments, rounds)
            finally:
                stop.set()
                working.join()
        print(
            f"{segments:,} segments, {customers:,} customers, {runs_an_hour} runs an hour; load {found['load']:.1f}"
        )
        for what in ("list, first", "list", "live", "answer", "count"):
            taken = sorted(found[what])
            print(f"{what:12} median {statistics.median(taken):7.0f} ms   longest {taken[-1]:7.0f}")
        return found


def _look(
    address: str, session: str, database: sa.Engine, segments: int, rounds: int
) -> dict[str, list[float]]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        first = []
        for _ in range(3):
            # a browser that never was here: nothing is cached
            with _page(browser, address, session) as page:
                first.append(_opened(page))
        with _page(browser, address, session) as page:
            _opened(page)
            listed = [_opened(page) for _ in range(rounds)]
            live = [_seen(page, database, number) for number in range(1, 1 + min(rounds, segments))]
            answers, counts = _built(page, rounds)
        browser.close()
    return {"list, first": first, "list": listed, "live": live, "answer": answers, "count": counts}


@contextmanager
def _page(browser: Browser, address: str, session: str) -> Iterator[Page]:
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(60_000)
    context.add_cookies([{"name": "muster_session", "value": session, "url": address}])
    yield context.new_page()
    context.close()


def _opened(page: Page) -> float:
    """Milliseconds from asking for the list until its rows are there."""
    begin = time.perf_counter()
    page.goto("/segments", wait_until="commit")
    page.locator(".m-table tbody a").first.wait_for()
    return 1_000 * (time.perf_counter() - begin)


def _seen(page: Page, database: sa.Engine, number: int) -> float:
    """Milliseconds from the publication of a version until the open list shows its members."""
    name = _name(number)
    page.get_by_label("Search by name").fill(name)
    page.get_by_role("link", name=name, exact=True).wait_for()
    members = 500_000 + number
    _publish(database, name, members)
    begin = time.perf_counter()
    page.get_by_text(f"{members:,}", exact=True).wait_for()
    return 1_000 * (time.perf_counter() - begin)


def _built(page: Page, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds from a changed rule until every form of it is in step, and until its count is there."""
    page.goto(f"/segments/{_EDITED}/edit")
    text = page.get_by_label("Rule 1", exact=True).last
    text.wait_for()
    # no service runs here, which the notice on every page says
    trouble = page.locator(".m-page > :not(.m-notice)").locator(".m-banner--bad:visible")
    page.locator(".m-big:not(.m-count--old)").or_(trouble).first.wait_for()
    if trouble.count():
        raise RuntimeError(trouble.first.inner_text())
    answers, counts = [], []
    for age in range(20, 20 + rounds):
        text.fill(f"age >= {age}")
        begin = time.perf_counter()
        text.blur()
        page.locator(".m-big.m-count--old, .q-spinner").first.wait_for()
        page.get_by_text(f"age is at least {age}").first.wait_for()
        answers.append(1_000 * (time.perf_counter() - begin))
        page.locator(".m-big:not(.m-count--old)").wait_for()
        counts.append(1_000 * (time.perf_counter() - begin))
    return answers, counts


def _run_on(database: sa.Engine, segments: int, seconds: float, stop: threading.Event) -> None:
    # the upper half: those whose changes are waited for are the first ones
    for number in itertools.cycle(range(segments // 2, segments)):
        if stop.wait(seconds):
            return
        _publish(database, _name(number), 400_000 + number)


def _publish(database: sa.Engine, name: str, members: int) -> None:
    """Do what user and services do for one run, but for the evaluation."""
    with transaction(database) as connection:
        request_refresh(connection, names=[name], actor="user benchmark")
    with transaction(database) as connection:
        claim = claim_batch(connection, worker="benchmark", lease=_LEASE, limit=1)
    if claim is None:
        raise RuntimeError(f"the run of {name} cannot be claimed")
    with transaction(database) as connection:
        store = connection.execute(sa.select(snapshot.c.id).limit(1)).scalar_one()
        record_evaluated(
            connection,
            claim,
            snapshot_id=pin_snapshot(connection, claim, store),
            manifest="matrix",
            manifest_sha256="0" * 64,
            outcomes=[
                Outcome(
                    run_id=run.run_id,
                    bit=0,
                    member_count=members,
                    joined=0,
                    left=0,
                    node_counts={},
                    inputs=None,
                )
                for run in claim.runs
            ],
            lease=_LEASE,
        )
    with transaction(database) as connection:
        publish(connection, claim)


def _name(number: int) -> str:
    return f"segment_{number:05}"


def _document(name: str, age: int) -> dict[str, Any]:
    where = {"kind": "attribute", "column": "age", "compare": "gte", "value": age}
    return {"name": name, "tags": [f"tag{age % 7}"], "rules": [{"where": where}]}


@contextmanager
def _served(folder: Path, segments: int, customers: int) -> Iterator[tuple[str, str, sa.Engine]]:
    """Serve a console; give its address, a session of an administrator, and the database."""
    home = Home(folder / "home")
    home.create()
    server = Postgres(home, choose_port("the benchmark", "nothing", fixed=None, last=None), {})
    with running(server, home):
        migrate(server.url)
        settings = Settings(
            home=home.path, database_url=SecretStr(server.url), lake_url=str(folder / "lake")
        )
        with open_workspace(settings) as workspace:
            with transaction(workspace.database) as connection:
                lake = Lake(str(folder / "lake"))
                member_store.build(connection, lake, customers, [_EDITED])
                connection.execute(
                    sa.update(store_head).values(
                        snapshot_id=sa.select(snapshot.c.id).scalar_subquery()
                    )
                )
                apply_segment(connection, parse_segment(_document(_EDITED, 18)))
                every = [_document(_name(n), n % 90) for n in range(segments)]
                apply_segments(connection, [parse_segment(document) for document in every])
            create_person(workspace, "anna", Role.ADMINISTRATOR, members=True, password=_PASSWORD)
            session = sign_in(workspace, "anna", _PASSWORD, "benchmark")[1]
            with console(settings) as address:
                yield address, session, workspace.database
