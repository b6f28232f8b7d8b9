"""Values as advertising destinations ask for them: written in one form, and hashed so that only equality is told.

Everything works on text; missing stays missing, and what has no such form becomes missing rather than a hash that
never matches.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from muster_core.exports.form import Hash, Normal


def transformed(column: Any, *, normalise: Normal | None, hashing: Hash | None) -> Any:
    """Return a text column in its form, and hashed; each different text is worked on once."""
    if normalise is None and hashing is None:
        return column
    coded = column.dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    values = coded.dictionary.cast(pa.string())
    if normalise is not None:
        values = _normal(values, normalise)
    if hashing is Hash.SHA256:
        values = pa.array([_sha256(value) for value in values.to_pylist()], pa.string())
    return values.take(coded.indices)


def _normal(text: Any, form: Normal) -> Any:
    if form is Normal.TEXT:
        return pc.utf8_lower(pc.utf8_trim_whitespace(text))
    if form is Normal.EMAIL:
        bare = pc.utf8_lower(pc.replace_substring_regex(text, r"\s+", ""))
        return _where(pc.match_substring_regex(bare, r"^[^@]+@[^@]+$"), bare)
    if form is Normal.DIGITS:
        digits = pc.replace_substring_regex(text, r"[^0-9]+", "")
        return _where(pc.not_equal(digits, ""), digits)
    trimmed = pc.utf8_trim_whitespace(text)
    international = pc.match_substring_regex(trimmed, r"^(\+|00)")
    digits = pc.replace_substring_regex(
        pc.replace_substring_regex(trimmed, r"^00", ""), r"[^0-9]+", ""
    )
    fits = pc.match_substring_regex(digits, r"^[1-9][0-9]{6,14}$")
    return _where(
        pc.and_(international, fits), pc.binary_join_element_wise(pa.scalar("+"), digits, "")
    )


def _where(keep: Any, text: Any) -> Any:
    return pc.if_else(keep, text, pa.scalar(None, pa.string()))


def _sha256(value: str | None) -> str | None:
    return None if value is None else hashlib.sha256(value.encode()).hexdigest()
