"""TPC-H: the answers of Q13, Q18 and Q22, each group a segment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.acceptance.conftest import Muster
from tests.tpc.conftest import SCALE, download, evaluate, write_tables

pytestmark = [pytest.mark.acceptance, pytest.mark.spark, pytest.mark.timeout(1800)]
CODES = ("13", "31", "23", "29", "30", "18", "17")
#: Published for scale 1.
Q22_AT_SCALE_1 = {"13": 888, "17": 861, "18": 964, "23": 892, "29": 948, "30": 909, "31": 922}
Q18_AT_SCALE_1 = 57


def _segments(documents: list[dict[str, Any]], folder: Path) -> Path:
    file = folder / "segments.yaml"
    file.write_text(yaml.safe_dump_all(documents, sort_keys=False))
    return file


def _q13(count: int) -> dict[str, Any]:
    comment = {
        "kind": "attribute",
        "column": "o_comment",
        "compare": "not_matches",
        "value": "special.*requests",
    }
    orders = {
        "kind": "rows",
        "table": "orders",
        "where": comment,
        "aggregate": {"function": "count"},
        "compare": "eq",
        "value": count,
    }
    return {"name": f"q13_{count}", "rules": [{"where": orders}]}


def _q22(code: str, average: str) -> dict[str, Any]:
    orders = {"kind": "rows", "table": "orders", "aggregate": {"function": "exists"}}
    parts: list[dict[str, Any]] = [
        {"kind": "attribute", "column": "c_phone", "compare": "starts_with", "value": code},
        {"kind": "attribute", "column": "c_acctbal", "compare": "gt", "value": average},
        {"kind": "not", "of": orders},
    ]
    return {
        "name": f"q22_{code}",
        "rules": [{"where": {"kind": "all", "of": parts}}],
        "project": [{"column": "c_acctbal", "as": "balance"}],
    }


def test_customers_by_orders_and_customers_without(tpch: Any, home: Muster, tmp_path: Path) -> None:
    write_tables(tpch, ["customer", "orders"], tmp_path)
    counts = dict(_answer(tpch, 13))
    ((average,),) = tpch.execute(
        "SELECT avg(c_acctbal) FROM customer WHERE c_acctbal > 0.00"
        " AND list_contains(?, substring(c_phone FROM 1 FOR 2))",
        [list(CODES)],
    ).fetchall()
    documents = [_q13(count) for count in range(max(counts) + 2)]
    documents += [_q22(code, repr(average)) for code in CODES]
    found = evaluate(home, "tpch_customer.yaml", tmp_path, _segments(documents, tmp_path))
    for count in range(max(counts) + 2):
        assert found[f"q13_{count}"] == counts.get(count, 0)
    if float(SCALE) == 1:
        published = _published(tpch, 13)
        assert {int(count): found[f"q13_{count}"] for count in published} == {
            int(count): int(customers) for count, customers in published.items()
        }
        assert {code: found[f"q22_{code}"] for code in CODES} == Q22_AT_SCALE_1
    for count in (0, 1, 10, max(counts)):
        keys = tpch.execute(
            "SELECT c_custkey FROM customer LEFT JOIN orders ON c_custkey = o_custkey"
            " AND o_comment NOT LIKE '%special%requests%'"
            " GROUP BY c_custkey HAVING count(o_orderkey) = ?",
            [count],
        ).fetchall()
        members = download(home, f"q13_{count}").column("c_custkey").to_pylist()
        assert sorted(members) == sorted(key for (key,) in keys)
    answer = {code: (number, total) for code, number, total in _answer(tpch, 22)}
    for code in CODES:
        balances = download(home, f"q22_{code}").column("balance").to_pylist()
        assert (len(balances), sum(balances)) == answer.get(code, (0, 0))


def test_orders_of_more_than_300_pieces(tpch: Any, home: Muster, tmp_path: Path) -> None:
    write_tables(tpch, ["customer", "orders", "lineitem"], tmp_path)
    pieces = {
        "kind": "rows",
        "table": "lineitem",
        "aggregate": {"function": "sum", "column": "l_quantity"},
        "compare": "gt",
        "value": 300,
    }
    document = {
        "name": "q18",
        "rules": [{"where": pieces}],
        "project": [
            {"column": "customer.c_name", "as": "c_name"},
            {"column": "o_custkey"},
            {"column": "o_orderdate"},
            {"column": "o_totalprice"},
            {"table": "lineitem", "column": "l_quantity", "as": "quantities"},
        ],
    }
    found = evaluate(home, "tpch_order.yaml", tmp_path, _segments([document], tmp_path))
    expected = _answer(tpch, 18)
    if float(SCALE) == 1:
        assert found["q18"] == Q18_AT_SCALE_1
    shown = ("c_name", "o_custkey", "o_orderkey", "o_orderdate", "o_totalprice")
    rows = [
        (*(member[name] for name in shown), sum(member["quantities"]))
        for member in download(home, "q18").to_pylist()
    ]
    assert len(expected) < 100  # the query's own limit cuts nothing off
    assert sorted(rows) == sorted(expected)


def _answer(duck: Any, number: int) -> list[tuple[Any, ...]]:
    return list(duck.execute(f"PRAGMA tpch({number})").fetchall())


def _published(duck: Any, number: int) -> dict[str, str]:
    """Return the first two columns of the answer that was published for scale 1."""
    question = "SELECT answer FROM tpch_answers() WHERE query_nr = ? AND scale_factor = 1"
    ((text,),) = duck.execute(question, [number]).fetchall()
    lines = [line.split("|") for line in text.strip().splitlines()[1:]]
    return {line[0]: line[1] for line in lines}
