"""Attributes of one-to-one tables: columns of the one row a customer may have there."""

from __future__ import annotations

from dataclasses import dataclass, replace

from muster_core.catalog.reference import matching
from muster_core.rules.aggregate import SOME
from muster_core.rules.comparison import INTEGER
from muster_core.rules.condition import Attribute, ProfileColumn
from muster_core.rules.misfit import Misfit
from muster_core.rules.resolution import AggregateFold, Group, RowsTest
from muster_core.rules.row import RowResolver
from muster_core.rules.scope import Scope, ScopeColumn, Scopes, ask_rows
from muster_core.rules.value import ColumnValue


@dataclass(slots=True, kw_only=True)
class SingleResolver:
    """Resolves attributes to tests of the one row; no row is a row whose columns are all missing."""

    scopes: Scopes
    rows: RowResolver

    def table(self, node: Attribute) -> str | None:
        """Return the one-to-one table a comparison is about; None: the profile and its dimensions.

        Raises:
            Misfit: it is about two of them, or about a table with many rows.
        """
        found = {self._table(node.column, "/column")}
        if isinstance(node.value, ColumnValue):
            found.add(self._table(node.value.column, "/value/column"))
        tables = sorted(name for name in found if name is not None)
        if len(tables) > 1:
            raise Misfit("columns of two related tables are not compared", "/value/column")
        if tables:
            return tables[0]
        if node.via:
            raise Misfit("via belongs to a column of a one-to-one table", "/via")
        return None

    def _table(self, name: str, pointer: str) -> str | None:
        scope = self.scopes.profile
        prefix, dot, column = name.partition(".")
        if name in scope.columns or not dot:
            return None
        if matching([reference for _, reference in scope.reached], prefix):
            return None
        if self.scopes.one_to_one(prefix):
            return prefix
        if prefix in self.scopes.catalog.tables:
            hint = ask_rows(prefix, column)
            raise Misfit(f"a customer may have several rows in {prefix}", pointer, hint)
        if prefix == scope.place:
            hint = f"write {column[:100]}"
            raise Misfit(f"columns of {prefix} stand without its name here", pointer, hint)
        return None

    def attribute(self, node: Attribute, table: str, pointer: str) -> RowsTest | Group | None:
        """Return a comparison with a column of `table` resolved, or None with a problem more.

        Raises:
            Misfit: there is no such column, or it does not fit.
        """
        scope = self.scopes.single(table, node.via)
        changes: dict[str, object] = {"column": self._of_row(node.column, scope), "via": ()}
        if isinstance(node.value, ColumnValue):
            changes["value"] = ColumnValue(column=self._of_row(node.value.column, scope))
        test = self.rows.attribute(node.model_copy(update=changes), scope, pointer)
        if test is None:
            return None
        negate = test.predicate.negate
        positive = test.predicate.model_copy(update={"negate": False})
        visible = self.rows.visible(None, scope, future=False, pointer=pointer)
        fold = AggregateFold(
            scope=scope,
            where=replace(test, predicate=positive),
            low=visible.low,
            high=visible.high,
            function="count",
            column=None,
            order_by=None,
            result=INTEGER,
        )
        some = RowsTest(pointer=pointer, fold=fold, predicate=SOME)
        return Group(pointer=pointer, join="not", of=(some,)) if negate else some

    def ranked(self, node: ProfileColumn) -> ScopeColumn | AggregateFold:
        """Return what `top` ranks by: a column of the profile, or the value in the one row.

        Raises:
            Misfit: there is no such column, or its type has no order.
        """
        try:
            table = self._table(node.column, "/column")
            if table is None:
                if node.via:
                    raise Misfit("via belongs to a column of a one-to-one table", "/via")
                return self.scopes.profile.find(node.column)
            return self._least(node, table)
        except Misfit as exc:
            raise Misfit(str(exc), f"/by{exc.pointer}", exc.hint) from None

    def _least(self, node: ProfileColumn, table: str) -> AggregateFold:
        scope = self.scopes.single(table, node.via)
        column = scope.find(self._of_row(node.column, scope))
        if not (column.kind.is_number or column.kind.is_time):
            raise Misfit(f"top ranks numbers and times, not {column.kind}")
        visible = self.rows.visible(None, scope, future=False, pointer="")
        return AggregateFold(
            scope=scope,
            where=None,
            low=visible.low,
            high=visible.high,
            # of one value the least is that value
            function="min",
            column=column,
            order_by=None,
            result=column.kind,
        )

    def _of_row(self, name: str, scope: Scope) -> str:
        """Return the name that a column named on the profile has among the columns of a row."""
        prefix, dot, column = name.partition(".")
        if dot and prefix == scope.place:
            return column
        return f"{scope.profile}.{name}" if name in scope.profile_columns else name
