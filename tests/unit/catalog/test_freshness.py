from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from muster_core.catalog.document import Catalog, CatalogDocument, Source, Table
from muster_core.catalog.freshness import Freshness
from muster_core.lake.inspect import _age_problems

PROFILE = Table(name="customers", source=Source(parquet="/c"), columns={"id": "text"})


@pytest.mark.parametrize(
    "written",
    [{}, {"max_age": "1 month"}, {"max_age": "soon"}, {"min_rows": 0}, {"least_rows": 5}],
)
def test_a_contract_without_a_clear_promise_is_refused(written):
    with pytest.raises(ValidationError):
        Freshness.model_validate(written)


def test_the_age_of_a_contract_is_a_length_of_time():
    assert Freshness(max_age="26 hours").longest == timedelta(hours=26)
    assert Freshness(min_rows=1).longest is None


def test_a_catalog_without_contracts_has_the_digest_it_always_had():
    plain = Catalog(profile=PROFILE, key="id")
    promised = Catalog(profile=PROFILE, key="id", contracts={"customers": Freshness(min_rows=5)})

    assert "contracts" not in plain.model_dump()
    assert plain.digest() != promised.digest()
    assert Catalog.model_validate_json(promised.model_dump_json()) == promised


def test_an_age_needs_something_that_tells_it():
    document = CatalogDocument.model_validate(
        {
            "profile": {
                "table": "customers",
                "key": "id",
                "source": {"parquet": "data/customers"},
                "freshness": {"max_age": "2 days"},
            },
            "tables": {
                "orders": {
                    "source": {"parquet": "s3://shop/orders"},
                    "time": "at",
                    "freshness": {"max_age": "2 days"},
                },
                "stores": {
                    "source": {"parquet": "s3://shop/stores"},
                    "freshness": {"max_age": "2 days", "min_rows": 3},
                },
            },
        }
    )

    assert [p.pointer for p in _age_problems(document, "catalog.yaml")] == [
        "/tables/stores/freshness/max_age"
    ]
