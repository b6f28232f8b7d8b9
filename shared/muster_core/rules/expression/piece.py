"""The smallest parts of an expression, from the tree to plain data: names, literals, durations, windows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from lark import Token

from muster_core.documents.number import read_number
from muster_core.rules.expression import word

_DURATION = re.compile(r"[0-9]{1,12} +(second|minute|hour|day|week|month|quarter|year)s?")

Node = dict[str, Any]
#: A tree of the parser. Which of its children are trees and which tokens, the grammar says and no type does.
Branch = Any


class Misplaced(ValueError):
    """Something that is well written and cannot stand where it stands."""

    def __init__(self, message: str, offset: int, pointer: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.offset = offset
        self.pointer = pointer
        self.hint = hint


def start_of(part: Branch) -> int:
    """Return where a part of the text begins."""
    if isinstance(part, Token):
        return part.start_pos or 0
    return getattr(part.meta, "start_pos", 0)


@dataclass(slots=True, kw_only=True)
class PieceBuilder:
    """Builds single values; `places` maps pointers to offsets in the text."""

    places: dict[str, int] = field(default_factory=dict)

    def name(self, tree: Branch, pointer: str) -> str:
        """Return a name."""
        self.places[pointer] = start_of(tree)
        return word.read_name(str(tree.children[0]))

    def via(self, tree: Branch, pointer: str) -> list[str]:
        """Return the relationships of a way."""
        self.places[f"{pointer}/via"] = start_of(tree)
        return [self.name(n, f"{pointer}/via/{i}") for i, n in enumerate(tree.children)]

    def column(self, tree: Branch, pointer: str) -> Node:
        """Return `column` and, where it is given, `via`."""
        node: Node = {"column": self.name(tree.children[0], f"{pointer}/column")}
        for via in tree.children[1:]:
            node["via"] = self.via(via, pointer)
        return node

    def literal(self, tree: Branch, pointer: str) -> Any:
        """Return a text, a number, true or false."""
        token = tree.children[0]
        self.places[pointer] = start_of(token)
        if token.type == "TEXT":
            return word.read_text(token)
        if token.type == "TRUTH":
            return token.casefold() == "true"
        return self.number(token, pointer)

    def number(self, token: Token, pointer: str) -> Any:
        """Return a number exactly as it is written."""
        self.places[pointer] = start_of(token)
        try:
            return read_number(token)
        except ValueError as exc:
            raise Misplaced(str(exc), start_of(token), pointer) from None

    def duration(self, token: Token, pointer: str) -> str:
        """Return a duration as it is written, spaces and case in order."""
        self.places[pointer] = start_of(token)
        if _DURATION.fullmatch(token):
            return str(token)
        return " ".join(token.casefold().split())

    def value(self, tree: Branch, pointer: str) -> Any:
        """Return what stands on the right: a literal, a list, a column, a moment or a window."""
        self.places[pointer] = start_of(tree)
        match str(tree.data):
            case "value" | "anything":
                return self.value(tree.children[0], pointer)
            case "literal":
                return self.literal(tree, pointer)
            case "list":
                return [self.literal(x, f"{pointer}/{i}") for i, x in enumerate(tree.children)]
            case "name":
                return {"column": self.name(tree, f"{pointer}/column")}
            case "moment":
                duration = tree.children[0]
                key = "ago" if len(tree.children) > 1 else "ahead"
                return {key: self.duration(duration, f"{pointer}/{key}")}
            case _:
                return self.window(tree, pointer)

    def window(self, tree: Branch, pointer: str) -> Node:
        """Return a window's document."""
        self.places[pointer] = start_of(tree)
        if tree.data == "inside":
            return self.window(tree.children[-1], pointer)
        node: Node = {}
        tokens: list[Token] = []
        for part in tree.children:
            if isinstance(part, Token):
                tokens.append(part)
            else:
                node["on"] = self.name(part.children[0], f"{pointer}/on")
        return self._form(tokens, pointer) | node

    def _form(self, tokens: list[Token], pointer: str) -> Node:
        first, durations = tokens[0], [t for t in tokens if t.type == "DURATION"]
        match first.type:
            case "LAST" | "NEXT":
                key = first.type.lower()
                return {key: self.duration(durations[0], f"{pointer}/{key}")}
            case "CALENDAR":
                return {"calendar": word.calendar(first)}
            case "DAY":
                return {"day_offset": self.number(tokens[1], f"{pointer}/day_offset")}
            case "BETWEEN":
                at = f"{pointer}/between_ago"
                self.places[at] = start_of(first)
                ends = [self.duration(d, f"{at}/{i}") for i, d in enumerate(durations)]
                return {"between_ago": ends}
            case "BEFORE":
                return {"before_ago": self.duration(durations[0], f"{pointer}/before_ago")}
        node: Node = {}
        for key, text in zip(tokens[::2], tokens[1::2], strict=True):
            side = "from" if key.type == "FROM" else "to"
            self.places[f"{pointer}/{side}"] = start_of(text)
            node[side] = word.read_text(text)
        return node
