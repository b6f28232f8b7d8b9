import time

from muster_core.spelling import nearest_names


def test_the_nearest_names_come_first_and_case_is_ignored():
    known = ["Country", "county", "age"]
    assert nearest_names("COUNTRI", known) == ["Country", "county"]
    assert nearest_names("COUNTRI", known, count=1) == ["Country"]
    assert nearest_names("zzz", known) == []


def test_a_hostile_name_costs_nothing():
    began = time.monotonic()
    assert nearest_names("a" * 1_000_000, ["b" * 60] * 500) == []
    assert time.monotonic() - began < 1
