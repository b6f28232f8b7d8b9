"""``python -m tests.chaos``: campaigns by seed, as long as one likes; code 1 where anything was violated.

With ``--control unfenced`` the workers are broken on purpose, and it ends with code 1 where nobody noticed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.chaos.campaign import Report, run_campaign


def main() -> int:
    """Run the campaigns and print what they came to."""
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("--seeds", default="1,2,3,4,5", help="numbers, separated by commas")
    parser.add_argument("--minutes", type=float, default=6.0, help="of each seed")
    parser.add_argument("--control", choices=("zombie", "unfenced"), help="break the workers")
    given = parser.parse_args()
    began = time.monotonic()
    reports = [_one(int(seed), given.minutes, given.control) for seed in given.seeds.split(",")]
    faults: Counter[str] = sum((report.faults for report in reports), Counter())
    found = sum(len(report.violations) for report in reports)
    _say(f"All seeds, {time.monotonic() - began:.0f} s: {found} violations")
    _say(*(f"  {name}: {times}" for name, times in sorted(faults.items())))
    noticed = found > 0
    return int(not noticed if given.control == "unfenced" else noticed)


def _one(seed: int, minutes: float, control: str | None) -> Report:
    folder = Path(tempfile.mkdtemp(prefix=f"muster-chaos-{seed}-"))
    report = run_campaign(folder, seed=seed, seconds=minutes * 60, control=control)
    _say(*report.lines())
    return report


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
