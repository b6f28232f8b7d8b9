"""Random catalogs: one plan of tables, of which types, times, keys and paths vary.

events ----------> customers <-------- card (one-to-one)
   |  (by one path, two, or over baskets)  |
   +--> things --> sorts                   +--> places
changes ---------> customers (the history of word and flag)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

#: Column -> type, of the profile and of events alike.
TYPES = {
    "word": "text",
    "other": "text",
    "whole": "integer",
    "count": "integer",
    "money": "decimal(10,2)",
    "wide": "decimal(38,4)",
    "ratio": "float",
    "flag": "boolean",
    "day": "date",
    "moment": "timestamp",
    "tags": "array<text>",
    "sizes": "array<integer>",
}
_SOME = {"word": "text", "whole": "integer", "money": "decimal(10,2)", "day": "date"}
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "America/St_Johns",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A catalog, and what rules may name of it."""

    catalog: dict[str, Any]
    #: Ways from events to the profile, as `via`; several: one must be named.
    ways: list[list[str]]

    @property
    def key_kind(self) -> str:
        return str(self.catalog["profile"]["columns"]["id"])

    def columns(self, table: str) -> dict[str, str]:
        """Return name and type of what can be compared in rows of a table, dotted names too."""
        own = {n: k for n, k in self.catalog["tables"][table]["columns"].items() if n in TYPES}
        return own | (self._dotted() if table == "events" else {})

    def profile_columns(self) -> dict[str, str]:
        """Return name and type of what can be compared of a customer."""
        dotted = {f"places.{name}": kind for name, kind in _SOME.items()}
        card = {f"card.{name}": kind for name, kind in _SOME.items()}
        return TYPES | dotted | card | {"lives_in.word": "text"}

    def _dotted(self) -> dict[str, str]:
        steps = {step["name"] for step in self.catalog["relationships"]}
        things = "bought" if "wrapped" in steps else "things"
        found = {f"{things}.{name}": kind for name, kind in _SOME.items()}
        found["customers.day"], found["customers.whole"] = "date", "integer"
        found["places.word"] = "text"
        if "wrapped" in steps:
            found["wrapped.word"] = "text"
        else:
            found["sorts.word"] = "text"
        if "basket" in steps:
            found["baskets.word"], found["baskets.moment"] = "text", "timestamp"
        return found


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """Draw a catalog."""
    key = draw(st.sampled_from(["text", "integer"]))
    form = draw(st.sampled_from(["one path", "two paths", "over baskets"]))
    time = draw(st.sampled_from(["moment", "day", None]))
    row_key = draw(st.sampled_from([["no"], [], ["word", "no"]]))
    twice = draw(st.booleans())
    # ("one path" leaves the second column unused, so that data is alike)
    events = {"no": "integer", "owner": key, "second": key, "thing": "text", "gift": "text"}
    events |= {"basket": "integer"} | TYPES
    relationships = [
        {"name": "bought", "from": "events.thing", "to": "things.code"},
        {"name": "sort", "from": "things.sort", "to": "sorts.no"},
        {"name": "lives_in", "from": "customers.place", "to": "places.code"},
        {"name": "holder", "from": "card.owner", "to": "customers.id", "kind": "one_to_one"},
        {"name": "changed", "from": "changes.owner", "to": "customers.id"},
        {"name": "shopper", "from": "baskets.owner", "to": "customers.id"},
    ]
    if twice:
        relationships.append({"name": "wrapped", "from": "events.gift", "to": "things.code"})
    ways = {"one path": [["by"]], "two paths": [["by"], ["for"]], "over baskets": [["basket"]]}
    if form == "over baskets":
        relationships.append({"name": "basket", "from": "events.basket", "to": "baskets.no"})
    else:
        relationships.append({"name": "by", "from": "events.owner", "to": "customers.id"})
    if form == "two paths":
        relationships.append({"name": "for", "from": "events.second", "to": "customers.id"})
    history = {"table": "changes", "column": "field", "value": "value"}
    tables: dict[str, dict[str, Any]] = {
        "events": {"time": time, "row_key": row_key, "columns": events},
        "baskets": {"time": "moment", "columns": {"no": "integer", "owner": key, **TYPES}},
        "things": {"columns": {"code": "text", "sort": "integer", **_SOME}},
        "sorts": {"columns": {"no": "integer", **_SOME}},
        "places": {"columns": {"code": "text", **_SOME}},
        "card": {
            "time": draw(st.sampled_from([None, "day"])),
            "columns": {"owner": key, **_SOME},
        },
        "changes": {
            "time": draw(st.sampled_from(["moment", "day"])),
            "row_key": draw(st.sampled_from([["no"], []])),
            "columns": {
                "no": "integer",
                "owner": key,
                "field": "text",
                "value": "text",
                "moment": "timestamp",
                "day": "date",
            },
        },
    }
    catalog = {
        "timezone": draw(st.sampled_from(ZONES)),
        "profile": {
            "name": "customers",
            "key": "id",
            "columns": {"id": key, "place": "text", **TYPES},
        },
        "tables": {n: {"time": None, "row_key": [], **table} for n, table in tables.items()},
        "relationships": [{"kind": "many_to_one", **step} for step in relationships],
        "histories": {"word": history, "flag": history},
    }
    return Schema(catalog=catalog, ways=ways[form] if form == "two paths" else [[]])
