"""Random segment documents of every shape the models allow, as plain data."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from tests.unit.rules.expression.generation import any_condition, rows, texts

_COMBINES = st.sampled_from(["union", "intersect", "except"])


@st.composite
def any_document(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a segment with up to three rules."""
    rules = []
    for number in range(draw(st.integers(0, 3))):
        rule: dict[str, Any] = {"where": draw(any_condition())}
        if number:
            rule["combine"] = draw(_COMBINES)
        if draw(st.booleans()):
            rule["name"] = draw(texts)
        rules.append(rule)
    document: dict[str, Any] = {"name": "drawn", "rules": rules}
    optional = {
        "display_name": texts,
        "description": texts,
        "tags": st.lists(texts, max_size=3),
        "type": st.sampled_from(["dynamic", "static", "expansion"]),
        "state": st.sampled_from(["active", "inactive", "draft"]),
        "schedule": st.sampled_from(["system", "off", {"cron": "0 6 * * *"}]),
        "timezone": texts,
        "manual": st.fixed_dictionaries({"add": st.lists(texts | st.integers(), max_size=3)}),
        "auto_cleanup": st.booleans(),
        "project": st.lists(
            st.fixed_dictionaries({"column": texts}, optional={"as": texts, "where": rows}),
            max_size=2,
        ),
    }
    for name, values in optional.items():
        if draw(st.booleans()):
            document[name] = draw(values)
    return document
