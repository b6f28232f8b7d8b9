from __future__ import annotations

import threading

import pytest

from muster_exporter.ahead import read_ahead


def test_the_next_part_is_taken_while_the_present_one_is_in_use():
    taken = threading.Event()

    def parts():
        yield 1
        taken.set()
        yield 2

    found = read_ahead(parts())

    assert next(found) == 1
    assert taken.wait(60)
    assert list(found) == [2]


def test_a_failure_comes_where_the_part_would_have_come():
    def parts():
        yield 1
        raise ValueError("damaged")

    found = read_ahead(parts())

    assert next(found) == 1
    with pytest.raises(ValueError, match="damaged"):
        next(found)


def test_nothing_is_nothing():
    assert list(read_ahead(iter([]))) == []
