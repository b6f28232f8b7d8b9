"""The versions an image's `pip install` is held to: those of the lock, for the Python of the image."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).parents[3]
DOCKERFILES = sorted((CHECKOUT / "infra").glob("*.Dockerfile"))


def _constraints(dockerfile: Path) -> list[Requirement]:
    """Run the Dockerfile's own command and return what it makes of the lock."""
    found = re.search(r"grep -oE '[^']+' requirements\.txt", dockerfile.read_text())
    assert found
    done = subprocess.run(
        ["sh", "-c", found[0]], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    return [Requirement(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda f: f.name)
def test_each_package_of_the_lock_has_one_version_for_the_python_of_the_image(file: Path) -> None:
    image = re.search(r"^FROM python:(\d+\.\d+)", file.read_text(), re.MULTILINE)
    assert image
    environment = {
        "python_version": image[1],
        "python_full_version": f"{image[1]}.9",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    constraints = _constraints(file)
    locked = re.findall(
        r"^([a-z0-9._-]+)==", (CHECKOUT / "requirements.txt").read_text(), re.MULTILINE
    )
    assert {c.name for c in constraints} == set(locked)
    counts = Counter(
        canonicalize_name(c.name)
        for c in constraints
        if c.marker is None or c.marker.evaluate(environment)
    )
    assert [name for name, count in counts.items() if count > 1] == []
    assert all(counts[canonicalize_name(name)] == 1 for name in ("numpy", "psycopg-binary"))
