"""What processes leave out although it is installed."""

from __future__ import annotations

import subprocess
import sys

LOOK = """
import sys
{before}
import numpy as np, pyarrow as pa
print(pa.array(np.arange(3)).to_pylist(), "pandas" in sys.modules)
"""
LEFT_OUT = "from muster_core.importing import leave_pandas_out; leave_pandas_out()"


def said(before: str) -> str:
    command = [sys.executable, "-c", LOOK.format(before=before)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_arrow_imports_pandas_only_where_it_is_not_left_out():
    # the first line is why there is anything to leave out
    assert said("") == "[0, 1, 2] True"
    assert said(LEFT_OUT) == "[0, 1, 2] False"
    assert said(f"{LEFT_OUT}; leave_pandas_out()") == "[0, 1, 2] False"


def test_whoever_asks_for_it_is_told_why_it_is_missing():
    command = [sys.executable, "-c", f"{LEFT_OUT}\nimport pandas"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ModuleNotFoundError: Muster leaves pandas out of this process." in done.stderr
