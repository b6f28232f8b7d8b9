import time

from muster_core.spelling import name_hint, nearest_names


def test_the_nearest_names_come_first_and_case_is_ignored():
    known = ["Country", "county", "age"]
    assert nearest_names("COUNTRI", known) == ["Country", "county"]
    assert nearest_names("COUNTRI", known, count=1) == ["Country"]
    assert nearest_names("zzz", known) == []


def test_a_hostile_name_costs_nothing():
    began = time.monotonic()
    assert nearest_names("a" * 1_000_000, ["b" * 60] * 500) == []
    assert time.monotonic() - began < 1


def test_a_hint_asks_for_what_was_meant_or_says_where_to_look():
    known = {"vip", "loyal"}
    assert name_hint("vipp", known, "Look.") == "Did you mean `vip`?"
    assert name_hint("nothing_like_it", known, "Look.") == "Look."
