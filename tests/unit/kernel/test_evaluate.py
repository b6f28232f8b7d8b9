"""Evaluating plans: exactness at the edges, sharing, words, counts and diffs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from muster_core.catalog.document import Catalog, Relationship, Source, Table
from muster_core.errors import InvalidInput, StoreDamaged
from muster_core.kernel.evaluate import PartitionResult, evaluate
from muster_core.kernel.node import RowsNode
from muster_core.kernel.plan import Plan, PlannedSegment, compile_plan
from muster_core.kernel.source import ArrowPartition
from muster_core.kernel.tally import Tally
from muster_core.lake.manifest import Pointer
from muster_core.rules.document import parse_segment

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
TYPES: dict[str, tuple[str, Any]] = {
    "at": ("timestamp", pa.timestamp("us", "UTC")),
    "money": ("decimal(18,2)", pa.decimal128(18, 2)),
    "wide": ("decimal(38,2)", pa.decimal128(38, 2)),
    "whole": ("integer", pa.int64()),
    "ratio": ("float", pa.float64()),
    "word": ("text", pa.string()),
}


def _catalog(key: str = "text") -> Catalog:
    columns = {name: text for name, (text, _) in TYPES.items()}
    source = Source(parquet="/x")
    return Catalog(
        profile=Table(name="customers", source=source, columns={"id": key, "word": "text"}),
        key="id",
        tables={"rows": Table(name="rows", source=source, columns=columns, time="at")},
        relationships=[
            Relationship.model_validate({"name": "r", "from": "rows.cid", "to": "customers.id"})
        ],
    )


def _partition(
    keys: list[Any], rows: list[dict[str, Any]], *, chunk_rows: int = 1000, **more: Any
) -> ArrowPartition:
    data = {n: pa.array([r.get(n) for r in rows], kind) for n, (_, kind) in TYPES.items()}
    ordinals = pa.array([r["_ordinal"] for r in rows], pa.int32())
    live = more.pop("live", [True] * len(keys))
    words = pa.array(more.pop("words", [None] * len(keys)), pa.string())
    return ArrowPartition(
        customers=pa.table({"id": pa.array(keys), "word": words}),
        tables={"rows": pa.table({"_ordinal": ordinals} | data)},
        live=np.array(live, dtype=np.bool_),
        earlier=more.pop("earlier", {}),
        chunk_rows=chunk_rows,
    )


def _rows(
    function: str, column: str | None, compare: str, value: Any, **more: Any
) -> dict[str, Any]:
    aggregate = {"function": function} | ({"column": column} if column else {})
    found = {"kind": "rows", "table": "rows", "aggregate": aggregate}
    return found | {"compare": compare, "value": value} | more


def _segment(number: int, *conditions: Any, previous: Pointer | None = None, **more: Any) -> Any:
    rules: list[dict[str, Any]] = [{"combine": "union", "where": c} for c in conditions]
    if rules:
        del rules[0]["combine"]
    document = parse_segment({"name": f"s{number}", "rules": rules, **more})
    return PlannedSegment(segment_id=number, document=document, previous=previous)


def _run(
    partition: ArrowPartition, *segments: PlannedSegment, key: str = "text"
) -> PartitionResult:
    plan = compile_plan(segments, _catalog(key), AS_OF)
    return evaluate(Plan.from_json(plan.to_json()), partition)


def _who(result: PartitionResult, bit: int = 0) -> list[int]:
    word = result.words[:, bit // 64] >> np.uint64(bit % 64)
    return np.flatnonzero(word & np.uint64(1)).tolist()


def _at(**ago: float) -> datetime:
    return AS_OF - timedelta(**ago)


@pytest.mark.parametrize("column", ["money", "wide"])
@pytest.mark.parametrize(
    ("function", "compare", "value", "expected"),
    [
        ("sum", "eq", "0.30", [0]),
        ("sum", "gt", "0.30", []),
        ("sum", "gte", 0.3, [0]),
        ("sum", "lt", "0.301", [0, 1]),
        ("sum", "eq", 0, [1]),
        ("avg", "eq", "0.15", [0]),
        ("avg", "gt", "0.1499999999999999999999999", [0]),
        ("avg", "ne", "0.15", []),
        ("avg", "between", ["0.15", "0.15"], [0]),
        ("avg", "in", ["0.15", 7], [0]),
        ("min", "eq", "0.10", [0]),
        ("max", "eq", "0.20", [0]),
        ("max", "not_in", ["0.3"], [0]),
        ("max", "is_set", None, [0]),
        ("max", "is_not_set", None, []),
        ("count_distinct", "eq", 2, [0]),
        ("count_distinct", "eq", 0, [1]),
    ],
)
def test_money_is_exact(
    column: str, function: str, compare: str, value: Any, expected: list[int]
) -> None:
    rows = [{"_ordinal": 0, "at": _at(days=1), column: Decimal(v)} for v in ("0.10", "0.20")]
    rows += [{"_ordinal": 1, "at": _at(days=2), column: None}]
    condition = _rows(function, column, compare, value)
    if value is None:
        del condition["value"]
    assert _who(_run(_partition(["a", "b"], rows), _segment(1, condition))) == expected


def test_a_count_may_be_asked_for_numbers_no_count_reaches() -> None:
    rows = [{"_ordinal": 0, "at": _at(days=1)}]
    for function, column in (("count", None), ("count_distinct", "whole")):
        condition = _rows(function, column, "in", [*range(7), 3_000_000_000])
        assert _who(_run(_partition(["a"], rows), _segment(1, condition))) == [0]


def test_sums_beyond_64_bits_stay_exact() -> None:
    huge = Decimal("9" * 36)
    values = [huge, huge, Decimal("-0.01"), Decimal("0.02")]
    rows = [{"_ordinal": 0, "at": _at(days=1), "wide": v, "whole": 2**63 - 1} for v in values]
    expected = f"{2 * (10**36 - 1)}.01"  # Decimal would round to 28 digits
    for chunk in (1, 2, 100):
        partition = _partition(["a"], rows, chunk_rows=chunk)
        result = _run(
            partition,
            _segment(1, _rows("sum", "wide", "eq", expected)),
            _segment(2, _rows("sum", "wide", "gt", expected)),
            _segment(3, _rows("sum", "whole", "eq", 4 * (2**63 - 1))),
            _segment(4, _rows("avg", "whole", "eq", 2**63 - 1)),
            _segment(5, _rows("max", "wide", "eq", str(huge))),
            _segment(6, _rows("min", "wide", "eq", "-0.01")),
            _segment(
                7,
                _rows(
                    "count",
                    None,
                    "gte",
                    1,
                    where={
                        "kind": "attribute",
                        "column": "wide",
                        "compare": "gt",
                        "value": str(10**36 - 2),
                    },
                ),
            ),
        )
        assert [_who(result, bit) for bit in range(7)] == [[0], [], [0], [0], [0], [0], [0]]


def test_the_ends_of_windows_belong_where_the_rules_say() -> None:
    moments = [_at(days=30), _at(days=30) + timedelta(microseconds=1), AS_OF, _at(days=-1), None]
    rows = [{"_ordinal": i, "at": moment} for i, moment in enumerate(moments)]
    rows.sort(key=lambda r: (r["at"] is not None, r["at"]), reverse=True)
    one = _rows("count", None, "gte", 1)
    result = _run(
        _partition(list("abcde"), rows),
        _segment(1, one | {"window": {"last": "30 days"}}),
        _segment(2, one),
        _segment(3, one | {"include_future": True}),
        _segment(4, one | {"window": {"from": AS_OF.isoformat()}}),
        _segment(5, one | {"window": {"to": AS_OF.isoformat()}}),
        _segment(6, one | {"window": {"from": AS_OF.isoformat()}, "include_future": True}),
    )
    expected = [[1, 2], [0, 1, 2], [0, 1, 2, 3], [2], [0, 1], [2, 3]]
    assert [_who(result, bit) for bit in range(6)] == expected


def test_equal_aggregates_and_conditions_stand_once_in_a_plan() -> None:
    where = {"kind": "attribute", "column": "word", "compare": "eq", "value": "x"}
    base = {"where": where, "window": {"last": "14 days"}}
    plan = compile_plan(
        [
            _segment(1, _rows("count", None, "gte", 1, **base)),
            _segment(2, _rows("count", None, "gte", 3, **(base | {"window": {"last": "2 weeks"}}))),
            _segment(3, {"kind": "not", "of": _rows("count", None, "gte", 3, **base)}),
            _segment(
                4,
                {
                    k: v
                    for k, v in _rows("exists", None, "eq", 0, **base).items()
                    if k not in ("compare", "value")
                },
            ),
        ],
        _catalog(),
        AS_OF,
    )
    assert len(plan.tables["rows"].folds) == 1
    assert len(plan.tables["rows"].rows) == 1
    assert sum(isinstance(node, RowsNode) for node in plan.conditions) == 2


def test_everyone_means_the_alive_and_not_is_their_exact_complement() -> None:
    everyone = {"kind": "everyone"}
    nobody = {"kind": "all", "of": []}
    result = _run(
        _partition(list("abcdefghij"), [], live=[True] * 9 + [False]),
        _segment(1, everyone),
        _segment(2, nobody),
        _segment(3, {"kind": "not", "of": {"kind": "any", "of": []}}),
        _segment(4),
        _segment(5, {"kind": "attribute", "column": "word", "compare": "is_not_set"}),
    )
    assert [len(_who(result, bit)) for bit in range(5)] == [9, 0, 9, 0, 9]
    assert result.customers == 9


@pytest.mark.parametrize(
    ("key", "keys", "ids"),
    [("text", ["7", "8", "9"], ["7", "8"]), ("integer", [7, 8, 9], ["7", 8])],
)
def test_manual_changes_come_last_and_removing_wins(
    key: str, keys: list[Any], ids: list[Any]
) -> None:
    manual = {"add": [*ids, "404"], "remove": [ids[1]]}
    result = _run(_partition(keys, []), _segment(1, manual=manual), key=key)
    assert _who(result) == [0]


def test_counts_are_kept_for_every_condition_and_rule_and_against_the_version_before() -> None:
    rows = [{"_ordinal": i, "at": _at(days=1)} for i in (0, 1)]
    words = ["x", "y", "x", None]
    word = {"kind": "attribute", "column": "word", "compare": "eq", "value": "x"}
    bought = _rows("count", None, "gte", 1)
    pointer = Pointer(manifest="m", manifest_sha256="h", bit=3)
    partition = _partition(
        list("abcd"), rows, words=words, earlier={("m", 3): np.array([True, False, False, True])}
    )
    segment = _segment(9, {"kind": "all", "of": [word, bought]}, word, previous=pointer)
    tally = _run(partition, segment).tallies[9]
    assert tally == Tally(
        count=2,
        joined=1,
        left=1,
        nodes={
            "/rules/0": 1,
            "/rules/0/where": 1,
            "/rules/0/where/of/0": 2,
            "/rules/0/where/of/1": 2,
            "/rules/1": 2,
            "/rules/1/where": 2,
        },
        running=(1, 2),
    )


def test_every_segment_has_its_own_bit_over_several_words() -> None:
    keys = [f"k{i}" for i in range(130)]
    segments = [_segment(i, manual={"add": [keys[i]]}) for i in range(130)]
    plan = compile_plan(segments, _catalog(), AS_OF)
    result = evaluate(plan, _partition(keys, []))
    assert plan.words == 3
    assert result.words.shape == (130, 3)
    for segment, bit in plan.bits.items():
        assert _who(result, bit) == [segment]


def test_a_partition_without_customers_yields_nothing() -> None:
    word = {"kind": "attribute", "column": "word", "compare": "ne", "value": "x"}
    empty = ArrowPartition(
        customers=pa.table({"id": pa.array([], pa.string()), "word": pa.array([], pa.string())}),
        tables={
            "rows": pa.table(
                {"_ordinal": pa.array([], pa.int32())}
                | {n: pa.array([], kind) for n, (_, kind) in TYPES.items()}
            )
        },
        live=np.zeros(0, dtype=np.bool_),
        earlier={},
    )
    result = _run(empty, _segment(1, word), _segment(2, _rows("sum", "money", "eq", 0)))
    assert result.words.shape == (0, 1)
    assert result.tallies[2].count == 0


def test_dictionaries_and_slices_read_like_plain_columns() -> None:
    rows = [
        {"_ordinal": i % 3, "at": _at(hours=i), "word": w, "money": Decimal(i)}
        for i, w in enumerate(["a", None, "b", "", "A", "a", "ß"])
    ]
    plain = _partition(["x", "y", "z"], rows, chunk_rows=3)
    table: Any = plain.tables["rows"]
    encoded = table.set_column(6, "word", table.column("word").dictionary_encode())
    assert encoded.column_names == table.column_names
    other = ArrowPartition(
        customers=plain.customers,
        tables={"rows": encoded},
        live=plain.live,
        earlier={},
        chunk_rows=2,
    )
    conditions = [
        _rows(
            "sum",
            "money",
            "gt",
            4,
            where={
                "kind": "attribute",
                "column": "word",
                "compare": c,
                "value": v,
                "ignore_case": True,
            },
        )
        for c, v in (("eq", "A"), ("ne", "a"), ("contains", "SS"), ("not_contains", "b"))
    ] + [_rows("count_distinct", "word", "eq", 2)]
    segments = [_segment(i, c) for i, c in enumerate(conditions)]
    assert np.array_equal(_run(plain, *segments).words, _run(other, *segments).words)
    assert _who(_run(plain, *segments), 4) == [0, 2]


def test_a_plan_is_canonical_and_refuses_what_it_cannot_read() -> None:
    plan = compile_plan([_segment(1, {"kind": "everyone"})], _catalog(), AS_OF)
    again = Plan.from_json(plan.to_json())
    assert again.sha256 == plan.sha256
    with pytest.raises(StoreDamaged):
        Plan.from_json(b'{"format": "other"}')


def test_a_document_that_does_not_fit_is_refused_at_the_second_wall() -> None:
    with pytest.raises(InvalidInput) as caught:
        compile_plan([_segment(1, {"kind": "segment", "name": "x"})], _catalog(), AS_OF)
    assert "no published version" in caught.value.problems[0].message


def test_a_table_is_read_once_and_only_as_far_back_as_somebody_looks() -> None:
    asked: list[Any] = []

    class Watched(ArrowPartition):
        def rows(self, table: str, columns: Any, *, oldest: datetime | None = None) -> Any:
            asked.append((table, list(columns), oldest))
            return ArrowPartition.rows(self, table, columns, oldest=oldest)

    plain = _partition(["a"], [{"_ordinal": 0, "at": _at(days=1), "money": Decimal(1)}])
    watched = Watched(customers=plain.customers, tables=plain.tables, live=plain.live, earlier={})
    _run(
        watched,
        _segment(1, _rows("sum", "money", "gt", 0, window={"last": "7 days"})),
        _segment(2, _rows("count", None, "gt", 0, window={"last": "9 days"})),
    )
    assert asked == [("rows", ["at", "money"], _at(days=9) + timedelta(microseconds=1))]


def test_many_windows_at_once_give_what_each_gives_alone() -> None:
    rng = np.random.default_rng(7)
    rows: list[dict[str, Any]] = sorted(
        (
            {
                "_ordinal": int(rng.integers(0, 20)),
                "at": _at(hours=float(rng.integers(-20, 2_000))),
                "money": Decimal(int(rng.integers(-500, 500))) / 4,
                "wide": Decimal(int(rng.integers(-5, 5))) * 10**30,
                "whole": int(rng.integers(-(2**62), 2**62)),
                "ratio": float(rng.normal()),
            }
            for _ in range(400)
        ),
        key=lambda row: str(row["at"]),
        reverse=True,
    )
    windows: list[dict[str, Any]] = [{"window": {"last": f"{d} days"}} for d in (1, 7, 30, 60, 90)]
    windows += [{}, {"window": {"from": "2026-02-01"}}, {"window": {"to": "2026-02-01"}}]
    windows += [{"window": {"from": "2026-03-01T20:00:00Z"}}]  # only rows not visible yet
    segments = [
        _segment(0, _rows(function, column, "gt", 1, **window))
        for function in ("sum", "avg", "min", "max")
        for column in ("money", "wide", "whole", "ratio")
        for window in windows
    ] + [_segment(0, _rows("count", None, "gt", 2, **window)) for window in windows]
    numbered = [
        PlannedSegment(segment_id=i, document=s.document, previous=None)
        for i, s in enumerate(segments)
    ]
    keys = [f"k{i}" for i in range(20)]
    together = _run(_partition(keys, rows, chunk_rows=33), *numbered)
    for bit, segment in enumerate(segments):
        assert _who(together, bit) == _who(_run(_partition(keys, rows), segment)), segment
