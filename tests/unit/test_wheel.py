"""The built wheel holds every package: a misspelt entry would drop one without a word."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PACKAGES = (
    "muster_core",
    "muster_scheduler",
    "muster_worker",
    "muster_exporter",
    "muster_console",
)
IMPORT_ALL = """
import pathlib, pkgutil, sys
wheel = pathlib.Path(sys.argv[1])
seen = []
for name in sys.argv[2:]:
    package = __import__(name)
    assert wheel in pathlib.Path(package.__file__).parents, package.__file__
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if module.ispkg:
            __import__(module.name)
            seen.append(module.name)
print("\\n".join(seen))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked; built with what is installed, so no network is asked."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_every_package_is_imported_from_the_built_wheel(wheel: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORT_ALL, str(wheel), *PACKAGES],
        cwd=wheel.parent,
        env={"PYTHONPATH": str(wheel), "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    written = {
        ".".join(path.parent.relative_to(root).parts)
        for root in (CHECKOUT / "shared", *(CHECKOUT / "services").iterdir())
        for path in root.rglob("__init__.py")
    }
    assert {*done.stdout.split(), *PACKAGES} == written


def test_the_wheel_carries_what_is_not_python(wheel: Path) -> None:
    for name in ("catalog", "segments", "exports"):
        assert (wheel / "muster_console" / "demo" / f"{name}.yaml").is_file()
    grammar = wheel / "muster_core" / "rules" / "expression" / "expression.lark"
    assert grammar.is_file()
    for package in PACKAGES:
        assert (wheel / package / "py.typed").is_file()
