"""From the tree of a parsed expression to the document it spells, with the place of every part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lark import Token, Tree

from muster_core.rules.expression import word
from muster_core.rules.expression.piece import Branch, Misplaced, Node, PieceBuilder, start_of
from muster_core.rules.limit import Limits

_SIDES = ("eq", "ne", "gt", "gte", "lt", "lte")
_ROW_KINDS = ("all", "any", "not", "attribute")


@dataclass(slots=True, kw_only=True)
class Builder(PieceBuilder):
    """Builds a condition document; `places` maps pointers to offsets in the text."""

    limits: Limits
    _conditions: int = 0

    def condition(self, tree: Branch, pointer: str, depth: int, *, row: bool) -> Node:
        """Return the document of one condition, on customers or on one row.

        Raises:
            Misplaced: it cannot stand here, or there is too much of it.
        """
        at = start_of(tree)
        self.places[pointer] = at
        self._conditions += 1
        if self._conditions > self.limits.conditions:
            most = f"a segment has at most {self.limits.conditions} conditions"
            raise Misplaced(most, at, pointer)
        if depth > self.limits.depth:
            raise Misplaced(f"conditions nest at most {self.limits.depth} deep", at, pointer)
        node = self._node(tree, pointer, depth, row)
        if row and node["kind"] not in _ROW_KINDS:
            message = "only columns of one row can be compared here"
            raise Misplaced(message, at, pointer)
        return node

    def _node(self, tree: Branch, pointer: str, depth: int, row: bool) -> Node:
        kind = str(tree.data).removesuffix("_of")
        match kind:
            case "all" | "any":
                of = [
                    self.condition(part, f"{pointer}/of/{i}", depth + 1, row=row)
                    for i, part in enumerate(tree.children)
                ]
                return {"kind": kind, "of": of}
            case "negation":
                inner = self.condition(tree.children[0], f"{pointer}/of", depth + 1, row=row)
                return {"kind": "not", "of": inner}
            case "everyone":
                return {"kind": "everyone"}
            case "attribute" | "date_part":
                return self._attribute(tree, pointer)
            case "held_value":
                column, literal, held = tree.children
                node = self.column(column, pointer)
                return self._held(node, self.literal(literal, f"{pointer}/value"), held, pointer)
            case "rows":
                return self._rows(tree, pointer, depth)
            case "first_row":
                node = self._related(tree.children[0], pointer, depth)
                window = self.window(tree.children[1], f"{pointer}/window")
                return {"kind": "first_row", **node, "window": window}
            case "last_row":
                node = self._related(tree.children[0], pointer, depth)
                having = self.condition(tree.children[1], f"{pointer}/having", depth + 1, row=True)
                return {"kind": "last_row", **node, "having": having}
            case "sequence":
                return self._sequence(tree, pointer, depth)
            case "measured":
                return self._measured(tree, pointer, depth)
            case "segment":
                name = self.name(tree.children[0], f"{pointer}/name")
                policy = {"policy": "skip"} if len(tree.children) > 1 else {}
                return {"kind": "segment", "name": name, **policy}
            case "top":
                return self._top(tree, pointer, depth)
            case _:
                percent, salt = tree.children
                found = self.literal(percent, f"{pointer}/percent")
                self.places[f"{pointer}/salt"] = start_of(salt)
                return {"kind": "sample", "percent": found, "salt": word.read_text(salt)}

    # --- comparisons

    def _compared(self, tree: Branch, pointer: str) -> Node:
        """Return `compare` and `value` of a comparison; the latter is absent where there is none."""
        first = tree.children[0]
        at, self.places[f"{pointer}/compare"] = f"{pointer}/value", start_of(first)
        match str(tree.data):
            case "compared":
                if first.casefold() in ("is not", "is_not") and _truth(tree.children[1]):
                    message = "is not true can be read in two ways"
                    hint = "say is false, or put not before the whole comparison"
                    raise Misplaced(message, start_of(first), f"{pointer}/compare", hint)
                compare = word.operator(first)
                return {"compare": compare, "value": self.value(tree.children[1], at)}
            case "listed":
                compare = "in" if first.type == "IN" else "not_in"
                return {"compare": compare, "value": self.value(tree.children[1], at)}
            case "in_window":
                negated = isinstance(first, Token) and first.type == "NOT_IN"
                window = self.window(tree.children[-1], at)
                return {"compare": "not_in_window" if negated else "in_window", "value": window}
            case "between":
                self.places[at] = start_of(tree.children[1])
                ends = [self.literal(e, f"{at}/{i}") for i, e in enumerate(tree.children[1:])]
                compare = "between" if first.type == "BETWEEN" else "not_between"
                return {"compare": compare, "value": ends}
            case "state":
                return {"compare": word.state(first)}
            case "valued":
                del self.places[f"{pointer}/compare"]
                return {"value": self.value(first, at)}
            case _:
                node: Node = {"compare": first.casefold()}
                if isinstance(tree.children[1], Tree):
                    node["value"] = self.value(tree.children[1], at)
                return node

    def _attribute(self, tree: Branch, pointer: str) -> Node:
        parts = list(tree.children)
        part = parts.pop(0) if tree.data == "date_part" else None
        node = {"kind": "attribute", **self.column(parts[0], pointer)}
        compared = self._compared(parts[1], pointer)
        if part is not None:
            compared = self._part(part, compared, pointer)
        for more in parts[2:]:
            if isinstance(more, Token):
                node["ignore_case"] = True
                continue
            if compared["compare"] != "eq" or isinstance(compared.get("value"), dict | list):
                message = "what is held for a time is one value: column = value for at least ..."
                raise Misplaced(message, start_of(parts[1]), f"{pointer}/compare")
            if "ignore_case" in node:
                message = "ignoring case does not go with for"
                raise Misplaced(message, start_of(more), pointer)
            return self._held(node, compared["value"], more, pointer)
        return node | compared

    def _part(self, part: Token, compared: Node, pointer: str) -> Node:
        wanted = word.date_part(part)
        yearly = wanted == "anniversary_in_window"
        fits = {"in_window"} if yearly else {"eq", "in"}
        value = compared.get("value")
        if compared["compare"] not in fits or (not yearly and isinstance(value, dict)):
            forms = "in a window" if yearly else "= a number or in a list of numbers"
            message = f"{part.casefold()}(...) is {forms}"
            raise Misplaced(message, self.places[f"{pointer}/compare"], f"{pointer}/compare")
        return {"compare": wanted, "value": value}

    def _held(self, node: Node, value: Any, held: Branch, pointer: str) -> Node:
        if "via" in node:
            message = "a column that is held for a time takes no via"
            raise Misplaced(message, self.places[f"{pointer}/via"], f"{pointer}/via")
        how, duration, *history = held.children
        compare = "gte" if how.type == "AT_LEAST" else "lt"
        found = node | {
            "kind": "held",
            "value": value,
            "compare": compare,
            "duration": self.duration(duration, f"{pointer}/duration"),
        }
        for name in history:
            found["history"] = self.name(name, f"{pointer}/history")
        return found

    # --- related rows

    def _place(self, tree: Branch, pointer: str) -> Node:
        node: Node = {"table": self.name(tree.children[0], f"{pointer}/table")}
        for via in tree.children[1:]:
            node["via"] = self.via(via, pointer)
        return node

    def _related(self, tree: Branch, pointer: str, depth: int) -> Node:
        place, *where = tree.children
        node = self._place(place, pointer)
        for condition in where:
            node["where"] = self.condition(condition, f"{pointer}/where", depth + 1, row=True)
        return node

    def _aggregate(self, tree: Branch, pointer: str, depth: int) -> Node:
        token, at = tree.children[0], f"{pointer}/aggregate"
        self.places.setdefault(pointer, start_of(tree))
        self.places[at] = self.places[f"{at}/function"] = start_of(token)
        aggregate: Node = {"function": word.function(token)}
        node: Node = {}
        options: list[Branch] = []
        for part in tree.children[1:]:
            if isinstance(part, Token):
                if aggregate["function"] != "count":
                    message = "distinct goes with count only"
                    raise Misplaced(message, start_of(part), f"{at}/function")
                aggregate["function"] = "count_distinct"
            elif part.data == "name":
                aggregate["column"] = self.name(part, f"{at}/column")
            elif part.data == "related":
                node |= self._related(part, pointer, depth)
            else:
                options.append(part)
        for key, value, where in self._options(options, pointer):
            if key == "order_by":
                aggregate["order_by"] = value
            elif key == "within":
                raise Misplaced("within belongs to sequence", where, pointer)
            else:
                node[key] = value
        return node | {"aggregate": aggregate}

    def _options(self, options: list[Branch], pointer: str) -> Iterator[tuple[str, Any, int]]:
        seen: set[str] = set()
        for option in options:
            first, at = option.children[0], start_of(option)
            if isinstance(first, Tree):
                key: str = "window"
                value: Any = self.window(first, f"{pointer}/window")
            elif first.type == "INCLUDING_FUTURE":
                key, value = "include_future", True
            elif first.type == "WITHIN":
                key, value = "within", self.duration(option.children[1], f"{pointer}/within")
            else:
                key = "order_by"
                value = self.name(option.children[1], f"{pointer}/aggregate/order_by")
            if key in seen:
                what = {"include_future": "including future", "order_by": "ordered by"}.get(key)
                raise Misplaced(f"{what or key} is given twice", at, pointer)
            seen.add(key)
            yield key, value, at

    def _rows(self, tree: Branch, pointer: str, depth: int) -> Node:
        aggregate, *rest = tree.children
        tested = next((part for part in rest if part.data != "periods"), None)
        periods = next((part for part in rest if part.data == "periods"), None)
        sides = tested is not None and tested.data == "sides"
        if sides and periods is None:
            left = self._aggregate(aggregate, f"{pointer}/left", depth)
            return self._sides(left, tested, pointer, depth)
        node = self._aggregate(aggregate, pointer, depth)
        compared = {} if tested is None or sides else self._compared(tested, pointer)
        if periods is None:
            return {"kind": "rows", **node, **compared}
        counted = node.pop("aggregate")
        if counted != {"function": "count"} or node.keys() & {"window", "include_future"}:
            message = "periods count rows: count(table where ...) with no column and no window"
            raise Misplaced(message, start_of(aggregate), pointer)
        if "compare" not in compared or "value" not in compared:
            message = "in each period the count is compared with a number"
            raise Misplaced(message, start_of(periods), pointer)
        return {"kind": "periods", **node, **compared, **self._periods(periods, pointer)}

    def _periods(self, tree: Branch, pointer: str) -> Node:
        at_least, *of_last, duration = tree.children
        node = {"at_least": self.number(at_least, f"{pointer}/at_least")}
        if of_last:
            node["of_last"] = self.number(of_last[0], f"{pointer}/of_last")
            return node | {"period": self.duration(duration, f"{pointer}/period")}
        # of last 12 months: twelve periods of one month
        number, unit = self.duration(duration, f"{pointer}/period").split()
        self.places[f"{pointer}/of_last"] = start_of(duration)
        return node | {"of_last": int(number), "period": f"1 {unit.removesuffix('s')}"}

    def _measured(self, tree: Branch, pointer: str, depth: int) -> Node:
        measure, tested = tree.children
        if tested.data == "sides":
            name = self.name(measure.children[0], f"{pointer}/left/measure")
            return self._sides({"measure": name}, tested, pointer, depth)
        name = self.name(measure.children[0], f"{pointer}/name")
        return {"kind": "measure", "name": name, **self._compared(tested, pointer)}

    def _sides(self, left: Node, tree: Branch, pointer: str, depth: int) -> Node:
        first, *times, right = tree.children
        compare = word.operator(first)
        self.places[f"{pointer}/compare"] = start_of(first)
        if compare not in _SIDES:
            message = f"two aggregates are compared by = != > >= < <=, not by {first.casefold()}"
            raise Misplaced(message, start_of(first), f"{pointer}/compare")
        node = {"kind": "compare", "left": left, "compare": compare}
        at = f"{pointer}/right"
        self.places[at] = start_of(right)
        if right.data == "measure":
            node["right"] = {"measure": self.name(right.children[0], f"{at}/measure")}
        else:
            node["right"] = self._aggregate(right, at, depth)
        for literal in times:
            node["times"] = self.literal(literal, f"{pointer}/times")
        return node

    def _sequence(self, tree: Branch, pointer: str, depth: int) -> Node:
        place, *parts = tree.children
        node = {"kind": "sequence", **self._place(place, pointer)}
        steps = [part for part in parts if part.data != "option"]
        self.places[f"{pointer}/steps"] = start_of(steps[0])
        node["steps"] = [
            self.condition(step, f"{pointer}/steps/{i}", depth + 1, row=True)
            for i, step in enumerate(steps)
        ]
        for key, value, at in self._options([p for p in parts if p.data == "option"], pointer):
            if key not in ("within", "window"):
                raise Misplaced("a sequence takes within and a window only", at, pointer)
            node[key] = value
        if "within" not in node or "window" not in node:
            message = "a sequence needs within and a window"
            hint = "such as: , within 7 days, last 90 days"
            raise Misplaced(message, start_of(tree), pointer, hint)
        return node

    def _top(self, tree: Branch, pointer: str, depth: int) -> Node:
        first, *parts, by = tree.children
        node: Node = {"kind": "top"}
        if first.casefold() == "bottom":
            node["descending"] = False
        for part in parts:
            if isinstance(part, Token):
                node["limit"] = self.number(part, f"{pointer}/limit")
            else:
                node["percent"] = self.literal(part, f"{pointer}/percent")
        at = f"{pointer}/by"
        self.places[at] = start_of(by)
        is_column = by.data == "column"
        node["by"] = self.column(by, at) if is_column else self._aggregate(by, at, depth)
        return node


def _truth(tree: Branch) -> bool:
    return any(isinstance(t, Token) and t.type == "TRUTH" for t in tree.scan_values(lambda _: True))
