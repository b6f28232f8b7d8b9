"""Random worlds and batches of documents for the property tests: small values, so that things meet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from tests.conformance.generation_catalog import ZONES, Schema, schemas
from tests.conformance.generation_rule import Node, Writer
from tests.conformance.generation_value import Pools, pools
from tests.conformance.preparation import Shape
from tests.conformance.reference_row import Row, World

_KEYS = {"text": ("K1", "K2", "K3", "😀", "Kß", "k1"), "integer": (-5, 2, 9, 10, 11, 2**62)}
_CODES = ("P1", "P2", "P3")
_NUMBERS = (1, 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Example:
    """One batch of documents over one world, and how the world is laid out."""

    world: World
    as_of: datetime
    documents: list[dict[str, Any]]
    shape: Shape
    #: Customers that were deleted: their rows are there, they are nobody's members.
    gone: frozenset[Any]

    @property
    def alive(self) -> World:
        """Return the world without the deleted customers: what the rules speak of."""
        profile = self.world.profile
        kept = [row for row in self.world.rows[profile] if row["id"] not in self.gone]
        return replace(self.world, rows={**self.world.rows, profile: kept})

    def __repr__(self) -> str:
        return f"<{len(self.documents)} documents over {len(self.world.customers)} customers>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Say it in short: the failure itself holds the whole as a case file."""
        printer.text(repr(self))


@st.composite
def examples(draw: st.DrawFn, *, documents: int = 3) -> Example:
    """Draw a batch and the world it is evaluated on."""
    schema = draw(schemas())
    zone = draw(st.sampled_from(ZONES))
    around = draw(pools(zone))
    keys = _KEYS[schema.key_kind][: draw(st.sampled_from([2, 3, 1, 4, 6]))]
    measures = _measures(draw, schema, around)
    stored = {"stored": draw(st.lists(st.sampled_from(keys), unique=True))}
    before = Writer(draw=draw, schema=schema, pools=around, measures=tuple(measures))
    segments: dict[str, Any] = dict(stored)
    if draw(st.booleans()):
        segments["other"] = _document(before, zone, keys, depth=0) | {"name": "other"}
    writer = Writer(
        draw=draw,
        schema=schema,
        pools=around,
        segments=tuple(segments),
        measures=tuple(measures),
    )
    batch = [_document(writer, zone, keys, depth=2) for _ in range(documents)]
    used = _named([batch, segments, measures])
    world = World(
        catalog=schema.catalog,
        rows=_rows(draw, schema, around, keys, used),
        segments=segments,
        measures=measures,
    )
    shape = Shape(
        partitions=draw(st.sampled_from([1, 2, 3])),
        chunk_rows=draw(st.sampled_from([65_536, 1, 2, 5])),
        files=draw(st.sampled_from([1, 2, 3])),
        dictionary=draw(st.booleans()),
    )
    gone = frozenset(keys[-1:]) if draw(st.integers(0, 9)) == 9 else frozenset()
    return Example(world=world, as_of=around.clock.as_of, documents=batch, shape=shape, gone=gone)


def _measures(draw: st.DrawFn, schema: Schema, around: Pools) -> dict[str, Node]:
    if draw(st.integers(0, 2)):
        return {}
    # a measure's windows are of the workspace's zone, whichever the segment has
    clock = replace(around.clock, zone=ZoneInfo(schema.catalog["timezone"]))
    writer = Writer(draw=draw, schema=schema, pools=replace(around, clock=clock))
    return {
        "value": writer.measurable(
            functions=("count", "sum", "avg", "min", "max"),
            kinds=("integer", "decimal(10,2)", "float"),
        )
    }


def _document(writer: Writer, zone: str, keys: tuple[Any, ...], *, depth: int) -> Node:
    rules: list[Node] = [{"where": writer.condition(depth)}]
    while depth and writer.maybe(4):
        combine = writer.pick("union", "intersect", "except")
        rules.append({"combine": combine, "where": writer.condition(1)})
    document: Node = {"name": "document", "timezone": zone, "rules": rules}
    if writer.maybe(6):
        ids = st.lists(st.sampled_from(keys), max_size=2, unique=True)
        document["manual"] = {"add": writer.draw(ids), "remove": writer.draw(ids)}
    return document


def _named(documents: Any) -> set[str]:
    """Return every word in documents; a column none of them names stays empty and costs no draw."""
    if isinstance(documents, str):
        return {documents, documents.partition(".")[2]}
    children: Iterable[Any] = ()
    if isinstance(documents, dict):
        children = documents.values()
    elif isinstance(documents, list | tuple):
        children = documents
    return set().union(*(_named(child) for child in children))


def _rows(
    draw: st.DrawFn, schema: Schema, around: Pools, keys: tuple[Any, ...], used: set[str]
) -> dict[str, list[Row]]:
    owners = [*keys, *keys, *keys, _unknown(schema), None]
    links = {
        "owner": owners,
        "second": owners,
        "thing": [*_CODES, "P9", "", None],
        "gift": [*_CODES, "P9", None],
        "basket": [*_NUMBERS, 9, None],
        "place": [*_CODES, "P9", None],
        "sort": [*_NUMBERS, 9, None],
        "field": ["word", "word", "word", "flag", "flag", "other", None],
        "value": ["a", "a", "a", "b", "true", "true", "false", "", "Straße", None],
        "no": [1, 2, 3, 3, None],
    }

    def cell(column: str, kind: str, needed: bool) -> Any:
        if column in links:
            return draw(st.sampled_from(links[column]))
        return draw(around.data(kind)) if needed else None

    def table(name: str, kinds: dict[str, str], fixed: dict[str, Any]) -> Row:
        note = schema.catalog["tables"].get(name, {"time": None, "row_key": []})
        wanted = used | {note["time"], *note["row_key"]}
        return {
            column: fixed[column] if column in fixed else cell(column, kind, column in wanted)
            for column, kind in kinds.items()
        }

    kinds = {name: t["columns"] for name, t in schema.catalog["tables"].items()}
    kinds["customers"] = schema.catalog["profile"]["columns"]
    tables = used & set(kinds) | {"customers"} | _reached(used, schema)
    rows: dict[str, list[Row]] = {name: [] for name in kinds}
    for name, identity in (
        ("customers", [{"id": key} for key in keys]),
        ("things", [{"code": code} for code in _CODES]),
        ("places", [{"code": code} for code in _CODES[:2]]),
        ("sorts", [{"no": number} for number in _NUMBERS]),
        ("baskets", [{"no": number} for number in _NUMBERS]),
        ("card", [{"owner": key} for key in (*keys[:-1], _unknown(schema))]),
    ):
        if name in tables:
            rows[name] = [table(name, kinds[name], fixed) for fixed in identity]
    for name, most in (("events", 14), ("changes", 12)):
        if name in tables:
            size = draw(st.sampled_from([0, 2, most // 2, most, most]))
            rows[name] = [table(name, kinds[name], {}) for _ in range(size)]
    return rows


def _reached(used: set[str], schema: Schema) -> set[str]:
    """Return the tables whose rows matter because of what is named: dotted columns, paths, histories."""
    found: set[str] = set()
    ways = {"bought": "things", "wrapped": "things", "lives_in": "places", "basket": "baskets"}
    for word in used:
        prefix, dot, _ = word.partition(".")
        if dot:
            found.add(ways.get(prefix, prefix))
    if "events" in used and any(s["name"] == "basket" for s in schema.catalog["relationships"]):
        found.add("baskets")
    if "sorts" in found:
        found.add("things")
    return found | ({"changes"} if "held" in used else set())


def _unknown(schema: Schema) -> Any:
    return "K9" if schema.key_kind == "text" else 99
