"""Removing files of a source that nothing names any more."""

from __future__ import annotations

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
    listed = [entry.path for entry in ledger.lake.entries(ledger.directory)]
    ledger.lake.remove((path for path in listed if path not in named), below=ledger.directory)


def remove_other_definitions(ledger: Ledger) -> None:
    """Remove what was extracted of the same table under other definitions; the caller holds the lease."""
    table = ledger.directory.rpartition("/")[0]
    others = [
        entry.path
        for entry in ledger.lake.entries(table)
        if not entry.path.startswith(f"{ledger.directory}/")
    ]
    ledger.lake.remove(others, below=table)
