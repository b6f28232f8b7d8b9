"""An environment as the executor image has it: Spark and third-party packages, nothing of Muster."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.composed import CHECKOUT


def make_executor_environment(folder: Path) -> Path:
    """Make a virtual environment of links to the installed packages in `folder`; return its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    paths = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", "venv", vars=paths))
    for name in _closure(_wanted()):
        for entry in _top_level(name):
            link = site / entry.name
            if not link.exists():
                link.symlink_to(entry)
    return folder / "bin" / "python"


def _wanted() -> list[str]:
    lines = (CHECKOUT / "infra" / "executor-requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _closure(names: Iterable[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        for text in distribution(name).requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def _top_level(name: str) -> set[Path]:
    files = distribution(name).files
    assert files is not None
    root = Path(str(distribution(name).locate_file("")))
    return {root / f.parts[0] for f in files if f.parts[0] not in ("..", "__pycache__")}
