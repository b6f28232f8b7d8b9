"""Measure Muster: against other ways to count the same members, and against itself.

    python -m benchmarks [refresh | report | sharing | kinds | export | listing | console | preview] ...

``refresh``, the default, runs every contender on the same files: see `benchmarks.refreshing` for what may be
chosen. ``report`` writes the report anew from the figures of earlier runs.
``sharing`` times more and more segments on one partition in memory against reading the data once.
``kinds`` prepares a shop with the real services, times each kind of condition against a plain count of the same
rows, and refreshes 500 segments of all kinds in one batch.
``export`` delivers many members to files against a bare PyArrow writer of the same rows, tells the exporter's memory,
and what other sinks do beside one that hangs for ever.
``listing`` times what the REST API answers about 1,000 segments.
``console`` times the list of segments and the builder in a browser, while runs go on.
``preview`` prepares a million customers and times previews and plans of definitions that are not saved.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks import (
    browsing,
    exporting,
    hanging,
    kinds,
    listing,
    previewing,
    refreshing,
    report,
    sharing,
)


def main() -> int:
    """Run what is asked for and print it; return the exit code."""
    words = sys.argv[1:]
    if not words or (words[0].startswith("--") and words[0] != "--help"):
        words = ["refresh", *words]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0]
    )
    parts = parser.add_subparsers(dest="part", required=True)
    refreshing.add_arguments(parts.add_parser("refresh", help=refreshing.help_text()))
    again = parts.add_parser("report", help="the report of figures that were taken before")
    again.add_argument("--folder", type=Path, default=refreshing.DEFAULT_FOLDER)
    again.add_argument("--report", type=Path, metavar="FILE")
    for name in ("sharing", "kinds"):
        part = parts.add_parser(name)
        part.add_argument("--customers", type=int, default=100_000)
        part.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
        if name == "sharing":
            part.add_argument("--segments", type=int, nargs="+", default=[12, 120, 1_200])
    delivering = parts.add_parser("export")
    delivering.add_argument("--members", type=int, default=1_000_000)
    delivering.add_argument("--hang-members", type=int, default=hanging.HANG_MEMBERS)
    delivering.add_argument("--rounds", type=int, default=3, help="pairs, in turn")
    delivering.add_argument(
        "--pairs", type=int, default=20, help="with a sink that hangs and without, in turn"
    )
    delivering.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    part = parts.add_parser("listing")
    part.add_argument("--segments", type=int, default=1_000)
    part.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    part = parts.add_parser("console")
    part.add_argument("--segments", type=int, default=1_000)
    part.add_argument("--customers", type=int, default=1_000_000)
    part.add_argument("--runs-an-hour", type=int, default=200)
    part.add_argument("--rounds", type=int, default=10)
    part.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    part = parts.add_parser("preview")
    part.add_argument("--customers", type=int, default=1_000_000)
    part.add_argument("--folder", type=Path, default=refreshing.DEFAULT_FOLDER)
    part.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    chosen = parser.parse_args(words)
    if chosen.part == "export" and chosen.pairs < 2:
        parser.error("--pairs: two at the least, or how far they scatter cannot be told")
    if chosen.part == "refresh":
        return refreshing.measure(chosen)
    if chosen.part == "report":
        print(report.write(chosen.folder.absolute(), chosen.report))
        return 0
    if chosen.part == "export":
        delivered = exporting.measure(
            chosen.members,
            rounds=chosen.rounds,
            hang_members=chosen.hang_members,
            pairs=chosen.pairs,
        )
        if chosen.json:
            chosen.json.write_text(json.dumps({"export": delivered}, indent=2) + "\n")
        return 0
    found: object
    if chosen.part == "listing":
        found = listing.measure(chosen.segments)
    elif chosen.part == "console":
        found = browsing.measure(
            chosen.segments,
            chosen.customers,
            runs_an_hour=chosen.runs_an_hour,
            rounds=chosen.rounds,
        )
    elif chosen.part == "preview":
        found = previewing.measure(chosen.customers, chosen.folder.absolute())
    elif chosen.part == "sharing":
        found = sharing.measure(chosen.customers, chosen.segments)
    else:
        found = kinds.measure(chosen.customers)
    if chosen.json:
        chosen.json.write_text(json.dumps({chosen.part: found}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
