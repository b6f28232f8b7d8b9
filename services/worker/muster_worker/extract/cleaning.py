"""Removing files of a source that nothing names any more."""

from __future__ import annotations

import shutil

from muster_core.extract.ledger import Ledger

#: Manifests that stay, the newest included: somebody may still read by the one before.
KEPT_MANIFESTS = 2


def remove_unnamed(ledger: Ledger) -> None:
    """Remove every file below the source's directory that its last manifests do not name.

    The caller holds the lease: whoever else still writes there has lost it.
    """
    numbers = ledger.numbers()[-KEPT_MANIFESTS:]
    named = {ledger.path(number) for number in numbers}
    for number in numbers:
        manifest = ledger.read(number)
        for file in manifest.files:
            named |= {file.path, file.index, file.dead or file.path}
    root = ledger.lake.locate(ledger.directory)
    # what is below a directory comes before it
    for found in sorted(root.rglob("*"), reverse=True):
        if found.is_dir():
            if not any(found.iterdir()):
                found.rmdir()
        elif f"{ledger.directory}/{found.relative_to(root)}" not in named:
            found.unlink(missing_ok=True)


def remove_other_definitions(ledger: Ledger) -> None:
    """Remove what was extracted of the same table under other definitions; the caller holds the lease."""
    mine = ledger.lake.locate(ledger.directory)
    for other in mine.parent.iterdir():
        if other != mine:
            shutil.rmtree(other, ignore_errors=True)
