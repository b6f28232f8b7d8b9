"""The demo as a new user runs it, then every command of README and docs in the home it leaves."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from tests.acceptance.conftest import CHECKOUT, Answer, Muster
from tests.running import bare_environment

pytestmark = [pytest.mark.acceptance, pytest.mark.spark]
CUSTOMERS = 3_000
SEGMENTS = 12
#: Guides whose commands start and stop everything: they get a home of their own.
WHOLE_HOME = ("backup.md",)
#: What newcomers read first; all others are left to `make test-long`.
FIRST_READ = ("README.md", "getting-started.md")
#: Guides whose commands are run elsewhere: `tests/integration/insight/test_command.py`.
ELSEWHERE = ("segments.md",)
#: The guides go back and forth in time, and segments of this small shop change by more than half.
UNGATED = {"MUSTER_GATE_CHANGE_PERCENT": "100000"}
GUIDES = ("getting-started.md", "exports.md")
BLOCK = re.compile(r"^ *```console\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Muster, Answer]]:
    folder = tmp_path_factory.mktemp("demo")
    muster = Muster(home=folder / "home", folder=folder, environment=UNGATED)
    words = ("demo", "--customers", str(CUSTOMERS), "--home", str(muster.home))
    try:
        answer = muster.ok(*words, "--keep", timeout=280)
        yield replace(muster, folder=muster.home / "demo"), answer
    finally:
        muster("down")


def test_the_demo_prints_counts_that_mean_something(shop: tuple[Muster, Answer]) -> None:
    muster, answer = shop
    listed = {s["name"]: s["members"] for s in muster.json("segment", "list")}
    assert len(listed) == SEGMENTS
    for name, members in listed.items():
        assert 0 < members < CUSTOMERS, name
        assert re.search(rf"{name}\s+published\s+{members:,}\b", answer.out), name


def test_the_scheduler_triggered_it_and_the_schedule_is_off_again(
    shop: tuple[Muster, Answer],
) -> None:
    muster, _ = shop
    runs = muster.json("run", "list")
    assert {run["trigger"] for run in runs} == {"system"}
    assert {run["state"] for run in runs} == {"published"}
    assert len({run["batch_id"] for run in runs}) == 1
    assert muster.json("system", "schedule", "show")["schedule"] == "off"


def test_every_export_of_the_demo_is_delivered(shop: tuple[Muster, Answer]) -> None:
    muster, answer = shop
    members = {s["name"]: s["members"] for s in muster.json("segment", "list")}
    deliveries = muster.json("export", "deliveries")
    assert len(deliveries) == 8
    for delivery in deliveries:
        assert delivery["state"] == "delivered"
        assert delivery["rows"] == members[delivery["segment"]]
        assert (Path(delivery["location"]) / "manifest.json").is_file()
        assert delivery["export"] in answer.out


def _documents() -> list[Path]:
    return [*sorted((CHECKOUT / "docs").glob("*.md")), CHECKOUT / "README.md"]


def _commands(file: Path) -> list[str]:
    return [
        line.strip().removeprefix("$ ")
        for block in BLOCK.findall(file.read_text())
        for line in block.splitlines()
        if line.strip().startswith("$ ")
    ]


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(f, marks=[] if f.name in FIRST_READ else pytest.mark.long, id=f.name)
        for f in _documents()
        if f.name not in (*WHOLE_HOME, *ELSEWHERE)
    ],
)
def test_every_command_that_is_documented_works(shop: tuple[Muster, Answer], file: Path) -> None:
    muster, _ = shop
    for command in _commands(file):
        program, *words = shlex.split(command, comments=True)
        if program == "make":  # what takes minutes has tests of its own; here it must be a target
            subprocess.run([program, "--dry-run", *words], cwd=CHECKOUT, check=True, timeout=30)
            continue
        assert program == "muster", command
        muster.ok(*words)


@pytest.mark.long
@pytest.mark.parametrize("name", WHOLE_HOME)
def test_every_command_about_a_whole_home_works(tmp_path: Path, name: str) -> None:
    kept = tmp_path / "backup"
    kept.mkdir()
    environment = bare_environment() | {"HOME": str(tmp_path)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"

    def sh(command: str) -> None:
        done = subprocess.run(
            ["bash", "-c", command],
            env=environment,
            cwd=tmp_path,
            check=False,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    sh("muster up --detach")
    try:
        for command in _commands(CHECKOUT / "docs" / name):
            sh(command.replace("/backup/muster", str(kept)))
        assert {"data", "lake", "secret"} <= {found.name for found in kept.iterdir()}
    finally:
        sh("muster down")


def test_the_documents_hold_commands_at_all() -> None:
    assert sum(len(_commands(file)) for file in _documents()) > 10


_TEXT = r"(?:(?!```).)*?"
SEGMENT = re.compile(
    rf"^( *)```yaml\n(\1name: {_TEXT}^\1rules:{_TEXT})^\1```", re.DOTALL | re.MULTILINE
)


def test_every_segment_in_readme_and_guide_can_be_applied(
    shop: tuple[Muster, Answer], tmp_path: Path
) -> None:
    muster, _ = shop
    files = [CHECKOUT / "README.md", *(CHECKOUT / "docs" / n for n in GUIDES)]
    for number, file in enumerate(files):
        blocks = [dedent(text) for _, text in SEGMENT.findall(file.read_text())]
        assert blocks, file
        for place, text in enumerate(blocks):
            segment = tmp_path / f"{number}-{place}.yaml"
            segment.write_text(text)
            muster.ok("segment", "apply", segment)


@pytest.mark.long
def test_a_second_demo_in_the_same_home_ends_well(shop: tuple[Muster, Answer]) -> None:
    muster, _ = shop
    words = ("demo", "--customers", str(CUSTOMERS), "--home", str(muster.home))
    answer = muster.ok(*words, "--keep", timeout=280)
    assert "never_ordered" in answer.out
    assert {s["status"] for s in muster.json("segment", "list")} == {"successful"}
