"""The relationships of a catalog as a picture: tables in columns, those that refer on the left of what they refer to."""

from __future__ import annotations

from dataclasses import dataclass

from nicegui.element import Element

from muster_console.web.component.markup import Words
from muster_core.catalog.document import Catalog

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _EDGE = 176, 46, 96, 22, 12
#: Letters of a name that fit a box; the whole name is its title.
_LETTERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A table at its place, in pixels from the upper left corner."""

    table: str
    x: int
    y: int
    profile: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Boxes by table, and lines (relationship, from, to) between them."""

    boxes: dict[str, Box]
    lines: list[tuple[str, str, str]]
    width: int
    height: int


def lay_out(catalog: Catalog) -> Picture:
    """Return where every table of a catalog stands: by how many references it is away from the profile."""
    level = _levels(catalog)
    columns: dict[int, list[str]] = {}
    for table in sorted(level):
        columns.setdefault(level[table], []).append(table)
    order = sorted(columns, reverse=True)
    tallest = max(len(tables) for tables in columns.values())
    height = 2 * _EDGE + tallest * _HEIGHT + (tallest - 1) * _GAP_Y
    boxes = {}
    for place, column in enumerate(order):
        tables = columns[column]
        used = len(tables) * _HEIGHT + (len(tables) - 1) * _GAP_Y
        for row, table in enumerate(tables):
            boxes[table] = Box(
                table=table,
                x=_EDGE + place * (_WIDTH + _GAP_X),
                y=(height - used) // 2 + row * (_HEIGHT + _GAP_Y),
                profile=table == catalog.profile.name,
            )
    lines = [(r.name, r.child[0], r.parent[0]) for r in catalog.relationships]
    width = 2 * _EDGE + len(order) * _WIDTH + (len(order) - 1) * _GAP_X
    return Picture(boxes=boxes, lines=lines, width=width, height=height)


def _levels(catalog: Catalog) -> dict[str, int]:
    """Return how far every table is from the profile; what others refer to stands one step nearer or beyond it."""
    level = {catalog.profile.name: 0}
    waiting = [catalog.profile.name]
    for here in waiting:
        for relationship in catalog.relationships:
            (child, _), (parent, _) = relationship.child, relationship.parent
            if parent == here and child not in level:
                level[child] = level[here] + 1
                waiting.append(child)
            elif child == here and parent not in level:
                level[parent] = level[here] - 1
                waiting.append(parent)
    return {table: level.get(table, 0) for table in (catalog.profile.name, *catalog.tables)}


def relation_picture(catalog: Catalog) -> None:
    """Put the picture; every relationship also stands in words below it."""
    picture = lay_out(catalog)
    with Element("div").classes("m-scroll") as around:
        around.props["tabindex"] = "0"
        around.props["role"] = "region"
        around.props["aria-label"] = "Picture of the relationships"
        with Element("svg").classes("m-relations") as svg:
            svg.props["width"], svg.props["height"] = picture.width, picture.height
            svg.props["viewBox"] = f"0 0 {picture.width} {picture.height}"
            svg.props["role"] = "img"
            svg.props["aria-label"] = (
                f"{len(picture.boxes)} tables and {len(picture.lines)} relationships"
            )
            for _, child, parent in picture.lines:
                if child in picture.boxes and parent in picture.boxes:
                    _line(picture.boxes[child], picture.boxes[parent])
            for box in picture.boxes.values():
                _box(box)


def _line(child: Box, parent: Box) -> None:
    ahead = child.x < parent.x
    x1 = child.x + (_WIDTH if ahead else 0)
    x2 = parent.x + (0 if ahead else _WIDTH)
    if child.x == parent.x:
        x1 = x2 = child.x + _WIDTH
    y1, y2 = child.y + _HEIGHT // 2, parent.y + _HEIGHT // 2
    bend = 48 if ahead or child.x == parent.x else -48
    end = bend if child.x == parent.x else -bend
    path = Element("path").classes("m-relation")
    path.props["d"] = f"M {x1} {y1} C {x1 + bend} {y1}, {x2 + end} {y2}, {x2} {y2}"
    dot = Element("circle").classes("m-relation-end")
    dot.props["cx"], dot.props["cy"], dot.props["r"] = x2, y2, 4


def _box(box: Box) -> None:
    with Element("g"):
        frame = Element("rect").classes(
            "m-table-box m-table-box--profile" if box.profile else "m-table-box"
        )
        frame.props["x"], frame.props["y"] = box.x, box.y
        frame.props["width"], frame.props["height"], frame.props["rx"] = _WIDTH, _HEIGHT, 8
        short = box.table if len(box.table) <= _LETTERS else f"{box.table[: _LETTERS - 1]}…"
        name = Words(short, "text").classes("m-table-name")
        name.props["x"], name.props["y"] = box.x + _WIDTH // 2, box.y + _HEIGHT // 2 + 5
        name.props["text-anchor"] = "middle"
