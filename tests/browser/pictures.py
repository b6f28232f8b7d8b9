"""Pictures of every page, light and dark, wide and narrow, to be looked at one by one.

    python -m tests.browser.pictures [--home FOLDER] [--out FOLDER] [--only WORD] [--themes light,dark] [--widths 1280,390]

The demo is started in `home` unless it runs there already, and furnished with two months of history.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, sync_playwright
from tests.browser.chromium import ARGUMENTS, find_chromium
from tests.browser.past import PASSWORD, furnish

from muster_console.operation.access import sign_in
from muster_console.operation.workspace import open_workspace
from muster_console.parts.detached import living_record, stop_running
from muster_core.settings import Settings

_SEGMENT = "/segments/lapsed_vips"
Act = Callable[[Page], None]


def _click(name: str, role: str = "button") -> Act:
    return lambda page: page.get_by_role(role, name=name).first.click()  # type: ignore[arg-type]


def _choose_two(page: Page) -> None:
    for box in page.locator("td.m-pick input").all()[:2]:
        box.check()


def _hover_trend(page: Page) -> None:
    page.locator(".m-trend").scroll_into_view_if_needed()
    page.locator(".m-trend").hover(position={"x": 200, "y": 100})


def _delete_two(page: Page) -> None:
    _choose_two(page)
    page.locator(".m-bulk summary").click()
    page.locator(".m-bulk").get_by_role("button", name="Delete").click()


def _wrong_password(page: Page) -> None:
    page.get_by_label("Name").fill("Anna Berg")
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Sign in").click()


#: What is photographed: a name, a path, and what is done there first.
SCENES: tuple[tuple[str, str, Act | None], ...] = (
    ("segments", "/segments", None),
    ("segments-active", "/segments?state=active&tags=value", None),
    ("segments-nothing", "/segments?state=draft&tags=value", None),
    ("segments-chosen", "/segments", _choose_two),
    ("segments-delete", "/segments", _delete_two),
    ("segment", _SEGMENT, None),
    ("segment-hover", _SEGMENT, _hover_trend),
    ("segment-never", "/segments/berlin_openings", None),
    ("segment-members", f"{_SEGMENT}/members", None),
    ("segment-rules", f"{_SEGMENT}/rules", None),
    ("segment-exports", f"{_SEGMENT}/exports", None),
    ("segment-versions", f"{_SEGMENT}/versions", None),
    ("segment-why", f"{_SEGMENT}/why", None),
    ("segment-unknown", "/segments/lapsed_vip", None),
    ("new-segment", "/new-segment", None),
    ("new-segment-kinds", "/new-segment", _click("Add the first condition")),
    ("builder", f"{_SEGMENT}/edit", None),
    ("quick-segment", "/quick-segment", None),
    ("runs", "/runs", None),
    ("runs-queue", "/runs/queue", None),
    ("runs-held", "/runs/held", None),
    ("runs-history", "/runs/history", None),
    ("run", "/runs/1", None),
    ("run-system", "/runs/system/1", None),
    ("exports", "/exports", None),
    ("export", "/exports/newsletter", None),
    ("export-edit", "/exports/newsletter/edit", None),
    ("export-new", "/exports/new", None),
    ("deliveries", "/exports/deliveries", None),
    ("connections", "/exports/connections", None),
    ("connection-new", "/exports/connections/new", None),
    ("catalog", "/catalog", None),
    ("catalog-table", "/catalog/orders", None),
    ("measures", "/measures", None),
    ("measure", "/measures/lifetime_value", None),
    ("measure-new", "/new-measure", None),
    ("settings", "/settings", None),
    ("settings-users", "/settings/users", None),
    ("settings-audit", "/settings/audit", None),
    ("settings-service", "/settings/service", None),
    ("settings-services", "/settings/services", None),
    ("sign-in", "/sign-in", None),
    ("sign-in-wrong", "/sign-in", _wrong_password),
)


def main() -> int:
    """Take the pictures and say where they are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path(".muster-pictures"))
    parser.add_argument("--out", type=Path, default=Path("pictures"))
    parser.add_argument("--only", default="", help="scenes whose names hold this word")
    parser.add_argument("--themes", default="light,dark")
    parser.add_argument("--widths", default="1280,390")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    scenes = [scene for scene in SCENES if chosen.only in scene[0]]
    with (
        _installation(chosen.home.absolute()) as (address, session),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        for theme in chosen.themes.split(","):
            for width in map(int, chosen.widths.split(",")):
                _take(browser, address, session, scenes, theme, width, chosen.out)
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
            yield address, sign_in(workspace, "Anna Berg", PASSWORD, "pictures")[1]
    finally:
        if not ran:
            stop_running(settings)


def _take(
    browser: Browser,
    address: str,
    session: str,
    scenes: list[tuple[str, str, Act | None]],
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
        if not name.startswith("sign-in"):
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
