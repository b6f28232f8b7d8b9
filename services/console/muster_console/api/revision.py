"""Which revision a change is based on: ETag, If-Match and If-None-Match."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header

from muster_console.api.problem import PreconditionMissing
from muster_core.errors import ChangedMeanwhile

IfMatch = Annotated[str | None, Header(description='The ETag the change is based on, such as "3".')]
IfNoneMatch = Annotated[str | None, Header(description="`*`: it must not exist yet.")]


def etag(rev: int) -> str:
    """Return the ETag of a revision."""
    return f'"{rev}"'


def expected_revision(if_match: str | None, if_none_match: str | None) -> int:
    """Return the revision a change is based on, 0 where there must be none yet.

    Raises:
        PreconditionMissing: the request names none.
        ChangedMeanwhile: it names one that never was.
    """
    if if_none_match == "*" and if_match is None:
        return 0
    if if_match is None:
        raise PreconditionMissing
    found = re.fullmatch(r'"([1-9]\d{0,17})"', if_match.strip())
    if found is None:
        raise ChangedMeanwhile("There is no such revision.")
    return int(found[1])
