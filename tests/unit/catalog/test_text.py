import pytest

from muster_core.catalog.text import read_catalog
from muster_core.errors import InvalidInput

GOOD = """
timezone: Europe/Berlin
profile:
  table: customers
  key: id
  source: {parquet: customers.parquet}
tables:
  orders:
    source: {parquet: orders}
    time: at
    row_key: [id]
relationships:
  - {name: buyer, from: orders.customer, to: customers.id, coverage: 0.9}
"""


def problems_of(text):
    with pytest.raises(InvalidInput) as caught:
        read_catalog(text, "shop.yaml")
    return caught.value.problems


def test_a_catalog_is_read():
    catalog = read_catalog(GOOD, "shop.yaml")
    assert catalog.tables["orders"].row_key == ["id"]
    assert catalog.relationships[0].child == ("orders", "customer")


def test_every_problem_comes_with_line_and_pointer():
    text = GOOD.replace("  key: id\n", "").replace("time: at", "tiem: at")
    assert [(p.pointer, p.line, p.message) for p in problems_of(text)] == [
        ("/profile/key", 3, "this field is required"),
        ("/tables/orders/tiem", 9, "this field does not exist"),
    ]


def test_a_key_written_twice_is_refused():
    (problem,) = problems_of(GOOD + "timezone: UTC\n")
    assert (problem.message, problem.line) == ("timezone is written twice", 14)


def test_text_that_is_no_yaml_names_the_place():
    (problem,) = problems_of("timezone: UTC\nprofile: [}\n")
    assert problem.file == "shop.yaml"
    assert problem.line == 2
    assert problems_of("")[0].message == "the file is empty"


def test_no_tag_runs_code():
    (problem,) = problems_of("profile: !!python/object/apply:os.system ['true']")
    assert problem.pointer == "/profile"


def test_what_a_yaml_loader_stumbles_over_is_a_problem_or_a_text():
    (problem,) = problems_of(GOOD + "tables: \x07")
    assert "not allowed" in problem.message
    noted = GOOD.replace("  key: id", "  key: id\n  columns: {id: {description: 2026-13-45}}")
    assert read_catalog(noted, "shop.yaml").profile.columns["id"].description == "2026-13-45"
    assert "more than one" in problems_of(GOOD + "---" + GOOD)[0].message
