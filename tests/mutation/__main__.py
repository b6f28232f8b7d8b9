"""Runs the conformance tests against every mutation; ends with 1 if any survives.

    python -m tests.mutation [WORD ...]     only mutations whose name contains one of the words

Each mutation is a copy of the package in a folder of its own, put before the installed one; nothing in the
checkout is touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutation.mutation import MUTATIONS, Mutation

_CHECKOUT = Path(__file__).parents[2]
_PACKAGE = _CHECKOUT / "shared" / "muster_core"
_TESTS = (
    "tests/conformance/test_case_file.py::test_neither_layout_nor_company_changes_a_case",
    "tests/conformance/test_property.py::test_kernels_and_reference_agree",
)
#: What the failure of a test says when members differ; a mutation that only crashes proves nothing.
_CAUGHT = ("AssertionError", "the kernels say")
_SECONDS = 300
_PROCESSES = 2


def main(words: list[str]) -> int:
    """Try the mutations and say of each what became of it."""
    chosen = [m for m in MUTATIONS if not words or any(word in m.name for word in words)]
    problems = 0
    with ThreadPoolExecutor(_PROCESSES) as pool:
        for mutation, verdict in zip(chosen, pool.map(_try, chosen), strict=True):
            problems += verdict != "caught"
            sys.stdout.write(f"{verdict:10} {mutation.name}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - problems} of {len(chosen)} mutations caught\n")
    return 1 if problems else 0


def _try(mutation: Mutation) -> str:
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        folder = Path(name)
        shutil.copytree(_PACKAGE, folder / "muster_core")
        file = folder / "muster_core" / mutation.file
        text = file.read_text(encoding="utf-8")
        if text.count(mutation.old) != 1:
            return "unfit"
        file.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        try:
            done = _tested(folder)
        except subprocess.TimeoutExpired:
            return "endless"
    if done.returncode == 0:
        return "SURVIVED"
    caught = done.returncode == 1 and any(sign in done.stdout for sign in _CAUGHT)
    return "caught" if caught else "crashed"


def _tested(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "PYTHONPATH": str(folder),
        "MUSTER_RULE_EXAMPLES": "400",
        "MUSTER_RULE_SEED": "7",
    }
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *_TESTS),
            f"--rootdir={_CHECKOUT}",
        ],
        cwd=_CHECKOUT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
