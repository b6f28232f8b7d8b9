"""Where in the lake things are written: the one place that knows the names of folders.

Folders carry a random part besides the fence, because fences repeat after a restore of the database.
"""

from __future__ import annotations

import uuid

#: Prepared data, memberships, plans of earlier releases, and what was extracted of PostgreSQL tables.
STORE, MATRIX, PLANS, SOURCES = "store", "matrix", "plans", "sources"


def preparation_folder(fence: int) -> str:
    """Return a new folder for the files of the preparation under `fence`."""
    return f"{preparation_prefix(fence)}{uuid.uuid4().hex}"


def preparation_prefix(fence: int) -> str:
    """Return what the folders of the preparation under `fence` begin with."""
    return f"{STORE}/{fence:08d}-"


def batch_folder(batch_id: int, fence: int) -> str:
    """Return a new folder for the plans and words of a batch."""
    return f"{batch_prefix(batch_id, fence)}{uuid.uuid4().hex}"


def batch_prefix(batch_id: int, fence: int) -> str:
    """Return what the folders of a batch begin with."""
    return f"{MATRIX}/batch-{batch_id}-{fence}-"


def repack_folder(fence: int) -> str:
    """Return a new folder for a matrix that the collection under `fence` writes anew."""
    return f"{MATRIX}/repack-{fence}-{uuid.uuid4().hex}"


def source_folder(table: str) -> str:
    """Return the folder of everything extracted of a table."""
    return f"{SOURCES}/{table}"
