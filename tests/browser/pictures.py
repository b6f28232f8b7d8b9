"""Pictures of every page, light and dark, wide and narrow, to be looked at one by one.

    python -m tests.browser.pictures [--home FOLDER] [--out FOLDER] [--only WORD,WORD] [--themes light,dark] [--widths 1280,390]

The demo is started in `home` unless it runs there already, and furnished with two months of history; the pages of an
installation that has nothing yet are those of a console of its own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Error, sync_playwright
from tests.browser.chromium import ARGUMENTS, find_chromium
from tests.browser.past import ANNA, PASSWORD, furnish
from tests.browser.scene import EMPTY, NOBODY, SCENES, SILENT, Scene
from tests.browser.world import Console, running_console

from muster_console.operation.access import create_person, sign_in
from muster_console.operation.workspace import open_workspace
from muster_console.parts.detached import living_record, stop_running
from muster_console.parts.home import Home
from muster_console.parts.port import choose_port
from muster_console.parts.postgres import Postgres
from muster_console.parts.running import running
from muster_console.parts.valkey import Valkey
from muster_core.security.role import Role
from muster_core.settings import Settings
from muster_core.storage.migrate import migrate

#: Services count as silent after a lease, on a busy machine somewhat later.
_SILENT_MILLISECONDS = 240_000


def main() -> int:
    """Take the pictures and say where they are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path(".muster-pictures"))
    parser.add_argument("--out", type=Path, default=Path("pictures"))
    parser.add_argument("--only", default="", help="scenes whose names hold one of these words")
    parser.add_argument("--themes", default="light,dark")
    parser.add_argument("--widths", default="1280,390")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    home = chosen.home.absolute()
    words = chosen.only.split(",")

    def named(scene: Scene) -> bool:
        return any(word in scene[0] for word in words)

    def take(scenes: Iterable[Scene], address: str, session: str) -> None:
        wanted = [scene for scene in scenes if named(scene)]
        for theme in chosen.themes.split(","):
            for width in map(int, chosen.widths.split(",")):
                _take(browser, address, session, wanted, theme, width, chosen.out)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        with _installation(home) as (address, session):
            take(SCENES, address, session)
            if any(map(named, SILENT)):
                with _silence(home, browser, address, session):
                    take(SILENT, address, session)
        if any(map(named, EMPTY)):
            with _empty(home / "empty") as console:
                take(NOBODY, console.address, "")
                work = console.workspace
                create_person(work, ANNA, Role.ADMINISTRATOR, members=True, password=PASSWORD)
                take(EMPTY, console.address, sign_in(work, ANNA, PASSWORD, "pictures")[1])
        browser.close()
    sys.stdout.write(f"The pictures are in {chosen.out}.\n")
    return 0


@contextmanager
def _installation(home: Path) -> Iterator[tuple[str, str]]:
    """The console's address and a session of an administrator; stopped at the end where it was started here."""
    settings = Settings(home=home)
    before = living_record(home)
    ran = before is not None and before.is_alive()
    if not ran:
        command = [str(Path(sys.executable).with_name("muster")), "demo", "--keep"]
        subprocess.run([*command, "--home", str(home), "--customers", "30000"], check=True)
    record = living_record(home)
    assert record is not None
    address = next(child.address for child in record.children if child.name == "console")
    try:
        with open_workspace(settings) as workspace:
            furnish(workspace)
            yield address, sign_in(workspace, ANNA, PASSWORD, "pictures")[1]
    finally:
        if not ran:
            stop_running(settings)


@contextmanager
def _silence(home: Path, browser: Browser, address: str, session: str) -> Iterator[None]:
    """Hold everything that has to be heard of until the block ends; it begins once pages say so."""
    record = living_record(home)
    assert record is not None
    held = [record.pid]
    names = ("scheduler", "worker", "exporter")
    held += [child.pid for child in record.children if child.name in names and child.pid]
    for pid in held:
        os.kill(pid, signal.SIGSTOP)
    try:
        context = browser.new_context(base_url=address)
        context.add_cookies([{"name": "muster_session", "value": session, "url": address}])
        page = context.new_page()
        page.goto("/segments")
        page.locator(".m-notice .m-banner").first.wait_for(timeout=_SILENT_MILLISECONDS)
        context.close()
        yield
    finally:
        for pid in reversed(held):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def _empty(folder: Path) -> Iterator[Console]:
    """A console with nothing in its database."""
    shutil.rmtree(folder, ignore_errors=True)
    home = Home(folder)
    home.create()
    database, hints = Postgres(home, _port()), Valkey(home, _port())
    with running(database, home), running(hints, home):
        migrate(database.url)
        with running_console(folder, database.url, hints.admin_url) as console:
            yield console


def _port() -> int:
    return choose_port("a server for pictures", "nothing", fixed=None, last=None)


def _take(
    browser: Browser,
    address: str,
    session: str,
    scenes: list[Scene],
    theme: str,
    width: int,
    out: Path,
) -> None:
    context = browser.new_context(
        base_url=address,
        viewport={"width": width, "height": 800},
        locale="en-GB",
        timezone_id="Europe/Berlin",
        color_scheme="dark" if theme == "dark" else "light",
    )
    context.set_default_timeout(30_000)
    page = context.new_page()
    for name, path, act in scenes:
        context.clear_cookies()
        given = {"muster_theme": theme}
        if session and not name.startswith("sign-in"):
            given["muster_session"] = session
        context.add_cookies(
            [{"name": key, "value": value, "url": address} for key, value in given.items()]
        )
        try:
            page.goto(path)
            page.locator("h1, .m-empty").first.wait_for()
            page.wait_for_load_state("networkidle")
            # the first look at the data arrives over the socket
            page.wait_for_timeout(1_200)
            if act is not None:
                act(page)
                page.wait_for_timeout(1_500)
        except Error as error:
            sys.stderr.write(f"{name} at {width} px, {theme}: {str(error).splitlines()[0]}\n")
        page.screenshot(path=out / f"{name}-{width}-{theme}.png", full_page=True)
    context.close()


if __name__ == "__main__":
    sys.exit(main())
