"""How previews, plans and explanations are printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster_console.cli.output import data_text, print_facts, print_table, print_warnings

# What is printed has been made already: commands that print one kind do not import what makes the others.
if TYPE_CHECKING:
    from muster_console.operation.explain import Explanation, Reason
    from muster_console.operation.overlap import Apart
    from muster_console.operation.planning import MembershipPlan
    from muster_console.operation.preview import Preview
    from muster_core.kernel.contrast import Bin
    from muster_core.kernel.estimate import Estimate


def print_preview(found: Preview) -> None:
    """Print the figures of a preview, and its rules as a tree."""
    looked = f"{found.sampled:,} of {found.customers:,} customers in {found.seconds} s"
    print_facts(
        found.segment,
        [
            ("members", f"{_figure(found.members)}, {found.percent} % of all"),
            ("joined", _change(found.joined, found.version)),
            ("left", _change(found.left, found.version)),
            ("as of", found.as_of),
            ("looked at", looked if found.exact else f"{looked}; 95 % intervals"),
            ("refers to", ", ".join(_used(u.segment, u.version) for u in found.used) or None),
        ],
    )
    print_table(
        "members per rule and condition",
        ("rule or condition", "combine", "members", "so far"),
        [
            (
                branch(node.pointer, node.depth, node.condition),
                node.combine,
                _figure(node.members),
                None if node.running is None else _figure(node.running),
            )
            for node in found.nodes
        ],
    )
    print_warnings(found.warnings)


def print_plan(found: MembershipPlan) -> None:
    """Print who would join and leave."""
    print_facts(
        found.segment,
        [
            ("against", "nobody" if found.version is None else f"version {found.version}"),
            ("members now", found.before),
            ("members then", found.after),
            ("join", found.joined),
            ("leave", found.left),
            ("of them gone", found.gone or None),
            ("as of", found.as_of),
        ],
    )
    print_table(
        "per rule",
        ("rule", "combine", "members", "so far", "of who join", "of who leave"),
        [
            (f"{n}. {r.condition}", r.combine, r.members, r.running, r.joining, r.leaving)
            for n, r in enumerate(found.rules, 1)
        ],
    )
    if found.deliveries:
        print_table(
            "exports",
            ("export", "mode", "schedule", "rows", "add", "update at most", "remove"),
            [
                (
                    d.export if d.active else f"{d.export} (inactive)",
                    d.mode,
                    d.schedule,
                    d.rows,
                    d.add,
                    d.update_at_most,
                    d.remove,
                )
                for d in found.deliveries
            ],
        )
    if found.joined_keys is not None and found.left_keys is not None:
        rows = [(key, "joins") for key in found.joined_keys]
        print_table("", ("customer", ""), rows + [(key, "leaves") for key in found.left_keys])
    print_warnings(found.warnings)


def print_explanation(found: Explanation) -> None:
    """Print every condition with its verdict, and the rows that decided it."""
    print_facts(
        found.segment,
        [
            ("member", found.member),
            ("by hand", found.manual),
            ("version", None if found.version is None else str(found.version)),
            ("as of", found.as_of),
        ],
    )
    print_table(
        "",
        ("rule or condition", "combine", "holds", "in so far", "because of"),
        [
            (
                branch(node.pointer, node.depth, node.condition),
                node.combine,
                node.holds,
                node.running,
                "; ".join(_reason(reason) for reason in node.reasons),
            )
            for node in found.nodes
        ],
    )
    for node in found.nodes:
        for reason in node.reasons:
            if reason.rows:
                title = f"{node.condition}: {len(reason.rows)} of {reason.total} rows"
                columns = list(reason.rows[0])
                rows = [[data_text(row[c]) for c in columns] for row in reason.rows]
                print_table(f"{title} of {reason.table}", columns, rows)


def _reason(reason: Reason) -> str:
    value = "no value" if reason.value is None else data_text(reason.value)
    return value if reason.table is None else f"{value} from {reason.total} rows"


def print_apart(found: Apart) -> None:
    """Print the columns that set members apart, each with the value that does it most."""
    print_facts(found.segment, [("members", found.members), ("of customers", found.customers)])
    rows = []
    for column in found.columns:
        most = max(column.bins, key=lambda b: abs(b.members - b.everybody), default=None)
        rows.append(
            (
                column.column,
                f"{column.distance:.3f}",
                column.significant,
                None if most is None else _bin(most),
                None if most is None else f"{most.members} % against {most.everybody} %",
            )
        )
    columns = ("column", "distance", "significant", "most of all", "members against everybody")
    print_table("", columns, rows)


def _bin(found: Bin) -> str:
    return found.value if found.value is not None else f"{found.low} to {found.high}"


def branch(pointer: str, depth: int, condition: str) -> str:
    """Return a rule with its number, or a condition indented below it."""
    if depth:
        return f"{'   ' * depth}{condition}"
    return f"{int(pointer.rpartition('/')[2]) + 1}. {condition}"


def _figure(number: Estimate) -> str:
    if number.low == number.high:
        return f"{number.count:,}"
    return f"{number.count:,} ({number.low:,} to {number.high:,})"


def _change(number: Estimate | None, version: int | None) -> str | None:
    return None if number is None else f"{_figure(number)} against version {version}"


def _used(segment: str, version: int | None) -> str:
    return f"{segment} {'as saved' if version is None else f'version {version}'}"
