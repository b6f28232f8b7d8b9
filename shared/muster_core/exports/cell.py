"""How a value is written as a CSV cell: exact, in one form only, and never a spreadsheet's formula.

Everything works on whole Arrow arrays; no Python code runs per member.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

#: Put before text that a spreadsheet would run; a reader takes it off where `_FORMULA` matches what follows.
MARKER = "'"

# A spreadsheet skips leading spaces and invisible characters, folds full-width forms, and some drop or stop
# at NUL. A cell that already has markers before such text gets one more, so taking one off is exact.
_FORMULA = (
    "^'*[\\p{Z}\\p{Cf}]*[=+\\-@\\x00-\\x1f\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}"
    "\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}]|\\x00"
)
#: Beyond this scale Arrow writes small decimals with an exponent.
_PLAIN_SCALE = 6
_CONTROLS = [chr(code) for code in (*range(0x20), 0x7F)]


def neutralise(text: Any) -> Any:
    """Return a text array whose cells no spreadsheet takes for a formula."""
    risky = pc.match_substring_regex(text, _FORMULA)
    if not pc.any(risky).as_py():
        return text
    return pc.if_else(risky, pc.binary_join_element_wise(MARKER, text, ""), text)


def csv_cells(array: Any, *, raw: bool) -> Any:
    """Return `array` as Arrow's CSV writer shall write it: text, or a number or boolean as it is."""
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return array if raw else neutralise(array)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return array
    if pa.types.is_decimal(kind) and kind.scale <= _PLAIN_SCALE:
        return array
    return plain_text(array)


def plain_text(array: Any) -> Any:
    """Return every value as text: ISO 8601 in UTC, decimals in full, lists as JSON; missing stays missing."""
    kind = array.type
    if pa.types.is_timestamp(kind):
        return _instants(array)
    if pa.types.is_decimal(kind):
        return _decimals(array)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _json_lists(array)
    return pc.cast(array, pa.string())


def json_lines(table: Any) -> Any:
    """Return each row of `table` as one JSON object on one line, its names in the order of the columns.

    Missing values are null; decimals, dates and times are written as in CSV, decimals as numbers.
    """
    pieces: list[Any] = []
    for number, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        lead = "{" if number == 0 else ","
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        pieces += [pa.scalar(f"{lead}{json.dumps(name, ensure_ascii=False)}:"), _json_values(whole)]
    return pc.binary_join_element_wise(*pieces, pa.scalar("}"), "")


def _instants(array: Any) -> Any:
    written = pc.cast(array, pa.string())
    written = pc.replace_substring(written, " ", "T", max_replacements=1)
    # A whole second needs no fraction.
    return pc.replace_substring_regex(written, r"\.0+(Z?)$", r"\1")


def _decimals(array: Any) -> Any:
    if array.type.scale <= _PLAIN_SCALE:
        return pc.cast(array, pa.string())
    coded = pc.dictionary_encode(array)
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    values = pa.array(
        [None if value is None else format(value, "f") for value in coded.dictionary.to_pylist()],
        pa.string(),
    )
    return values.take(coded.indices)


def _json_lists(array: Any) -> Any:
    """Return each list as JSON text: its elements are written at once and joined by Arrow."""
    if isinstance(array, pa.ChunkedArray):
        return pa.chunked_array([_json_lists(chunk) for chunk in array.chunks], pa.string())
    elements = _json_values(array.flatten())
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array([0, *lengths.cumsum().tolist()], pa.int32())
    lists = pa.ListArray.from_arrays(offsets, elements)
    joined = pc.binary_join(lists, ",")
    written = pc.binary_join_element_wise("[", joined, "]", "")
    return pc.if_else(pc.is_valid(array), written, pa.scalar(None, pa.string()))


def _json_values(values: Any) -> Any:
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _json_values(values.dictionary_decode())
    bare = pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind)
    written = plain_text(values)
    if pa.types.is_floating(kind):
        # JSON has no NaN and no infinity.
        written = pc.if_else(pc.is_finite(values), written, pa.scalar(None, pa.string()))
    elif not (bare or pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        written = pc.binary_join_element_wise('"', _json_escape(written), '"', "")
    return pc.fill_null(written, "null")


def _json_escape(text: Any) -> Any:
    text = pc.replace_substring(text, "\\", "\\\\")
    text = pc.replace_substring(text, '"', '\\"')
    if pc.any(pc.match_substring_regex(text, r"[\x00-\x1f\x7f]")).as_py():
        for control in _CONTROLS:
            text = pc.replace_substring(text, control, f"\\u{ord(control):04x}")
    return text
