"""Measure Muster against itself: ratios of one run, so that a busy machine does not matter much.

    python -m benchmarks [sharing | kinds] [--customers N] [--segments N ...] [--json FILE]

``sharing`` times more and more segments on one partition in memory against reading the data once.
``kinds`` prepares a shop with the real services, times each kind of condition against a plain count of the same
rows, and refreshes 500 segments of all kinds in one batch. Without a name both run.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks import kinds, sharing


def main() -> None:
    """Run what is asked for and print it; write the figures as JSON where a file is named."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("part", nargs="?", choices=["sharing", "kinds"])
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--segments", type=int, nargs="+", default=[12, 120, 1_200])
    parser.add_argument("--json", type=Path, metavar="FILE", help="Write the figures there, too.")
    chosen = parser.parse_args()
    found = {}
    if chosen.part in (None, "sharing"):
        found["sharing"] = sharing.measure(chosen.customers, chosen.segments)
    if chosen.part in (None, "kinds"):
        found["kinds"] = kinds.measure(chosen.customers)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
