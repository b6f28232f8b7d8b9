"""TPC-DS: the customers of Q10 and Q69, with dates, addresses and demographics as dimensions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.conftest import Muster
from tests.tpc.conftest import DOCUMENTS, SCALE, download, evaluate, write_tables

pytestmark = [pytest.mark.acceptance, pytest.mark.spark, pytest.mark.timeout(1800)]
TABLES = [
    "customer",
    "customer_address",
    "customer_demographics",
    "date_dim",
    "store_sales",
    "web_sales",
    "catalog_sales",
]
Q10_AT_SCALE_1 = 6
_SOLD = "EXISTS (SELECT * FROM {0} JOIN date_dim ON {1}_sold_date_sk = d_date_sk WHERE {2} = c_customer_sk AND {3})"
_EARLY_2002 = "d_year = 2002 AND d_moy BETWEEN 1 AND 4"
_SPRING_2001 = "d_year = 2001 AND d_moy BETWEEN 4 AND 6"


def _sold(period: str) -> tuple[str, str, str]:
    """Return whether the customer bought in a store, on the web, by catalogue, as SQL."""
    return (
        _SOLD.format("store_sales", "ss", "ss_customer_sk", period),
        _SOLD.format("web_sales", "ws", "ws_bill_customer_sk", period),
        _SOLD.format("catalog_sales", "cs", "cs_ship_customer_sk", period),
    )


def _customers(duck: Any, where: str) -> list[int]:
    joined = (
        "customer JOIN customer_address ON c_current_addr_sk = ca_address_sk"
        " JOIN customer_demographics ON c_current_cdemo_sk = cd_demo_sk"
    )
    found = duck.sql(f"FROM {joined} SELECT c_customer_sk WHERE {where}")
    return sorted(key for (key,) in found.fetchall())


def test_customers_of_counties_and_states_by_where_they_bought(
    tpcds: Any, home: Muster, tmp_path: Path
) -> None:
    write_tables(tpcds, TABLES, tmp_path)
    segments = DOCUMENTS / "tpcds_segments.yaml"
    found = evaluate(home, "tpcds.yaml", tmp_path, segments)

    store, web, catalog = _sold(_EARLY_2002)
    counties = (
        "'Rush County', 'Toole County', 'Jefferson County', 'Dona Ana County', 'La Porte County'"
    )
    q10 = _customers(tpcds, f"ca_county IN ({counties}) AND {store} AND ({web} OR {catalog})")
    members = download(home, "q10")
    assert sorted(members.column("c_customer_sk").to_pylist()) == q10
    if float(SCALE) == 1:
        assert found["q10"] == Q10_AT_SCALE_1
    assert _groups(members, 8) == {
        (*row[:3], row[4], row[6], *row[8:13:2]): row[3] for row in _answer(tpcds, 10)
    }

    store, web, catalog = _sold(_SPRING_2001)
    q69 = _customers(
        tpcds, f"ca_state IN ('KY', 'GA', 'NM') AND {store} AND NOT {web} AND NOT {catalog}"
    )
    members = download(home, "q69")
    assert sorted(members.column("c_customer_sk").to_pylist()) == q69
    assert found["q69"] == len(q69)
    groups = _groups(members, 5)
    # the published answer holds the first hundred groups
    answer = {(*row[:3], row[4], row[6]): row[3] for row in _answer(tpcds, 69)}
    assert dict(sorted(groups.items())[: len(answer)]) == answer


def _groups(members: Any, width: int) -> dict[tuple[Any, ...], int]:
    columns = [members.column(name).to_pylist() for name in members.column_names[1 : width + 1]]
    return dict(Counter(zip(*columns, strict=True)))


def _answer(duck: Any, number: int) -> list[tuple[Any, ...]]:
    return list(duck.execute(f"PRAGMA tpcds({number})").fetchall())
