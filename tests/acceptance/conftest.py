"""A whole Muster in a home of its own, driven through nothing but the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.running import SHORT_LIVED, bare_environment

CHECKOUT = Path(__file__).parents[2]
DATA = Path(__file__).parent / "data"
SHARED = CHECKOUT.parent / "shared" / "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Muster:
    """The command ``muster`` for one home."""

    home: Path
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *words: str | Path, timeout: float = 180) -> Answer:
        done = subprocess.run(
            [sys.executable, "-m", "muster_console", *map(str, words)],
            check=False,
            cwd=self.folder,
            env=bare_environment()
            | SHORT_LIVED
            | {"MUSTER_HOME": str(self.home), "COLUMNS": "200", **self.environment},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Answer(code=done.returncode, out=done.stdout, err=done.stderr)

    def ok(self, *words: str | Path, timeout: float = 180) -> Answer:
        """Run a command that must succeed."""
        answer = self(*words, timeout=timeout)
        assert answer.code == 0, (
            f"muster {words} ended with {answer.code}\n{answer.out}\n{answer.err}"
        )
        return answer

    def json(self, *words: str | Path, timeout: float = 180) -> Any:
        """Run a command that must succeed and return what it printed as JSON."""
        return self.ok(*words, "--json", timeout=timeout).json()


def started(folder: Path) -> Muster:
    """Start everything below `folder` and return its command line."""
    folder.mkdir(parents=True, exist_ok=True)
    muster = Muster(home=folder / "home", folder=folder)
    muster.ok("up", "--detach", timeout=240)
    return muster


@pytest.fixture(scope="session")
def muster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Muster]:
    """One running home for tests that do not stop it."""
    running = started(tmp_path_factory.mktemp("acceptance"))
    try:
        yield running
    finally:
        running("down")


@pytest.fixture(scope="session")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Muster]:
    """One running home for worlds that bring their own catalog; each begins with `cleared`."""
    running = started(tmp_path_factory.mktemp("workbench"))
    try:
        yield running
    finally:
        running("down")


def cleared(muster: Muster, folder: Path) -> None:
    """Leave nothing in use of the world before, however it ended, so that any catalog can be applied."""
    names = [segment["name"] for segment in muster.json("segment", "list")]
    if not names:
        return
    file = folder / "cleared.yaml"
    file.write_text("---\n".join(f"name: {name}\nstate: inactive\n" for name in names))
    muster.ok("segment", "apply", file)
    for measure in muster.json("measure", "list"):
        muster.ok("measure", "delete", measure["name"])


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real customer data handed in beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"the real customer data is not at {SHARED}")
    return SHARED
