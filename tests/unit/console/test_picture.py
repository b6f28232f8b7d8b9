"""Pictures of the console as plain figures: the relationships of a catalog and the trend of a segment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.unit.rules.expression.shop import CATALOG

from muster_console.web.component.relation import lay_out
from muster_console.web.component.trend import TrendPoint, trend_options


def test_tables_stand_left_of_what_they_refer_to_and_never_on_each_other() -> None:
    picture = lay_out(CATALOG)
    boxes = picture.boxes

    assert boxes.keys() == {"customers", *CATALOG.tables}
    for _, child, parent in picture.lines:
        assert boxes[child].x < boxes[parent].x, (child, parent)
    places = [(box.x, box.y) for box in boxes.values()]
    assert len(set(places)) == len(places)
    assert all(0 < x < picture.width and 0 < y < picture.height for x, y in places)
    assert [table for table, box in boxes.items() if box.profile] == ["customers"]


def test_the_trend_has_every_value_and_begins_with_the_version_before() -> None:
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    before = TrendPoint(begin, 1, 10, 10, 0)
    points = [TrendPoint(begin + timedelta(days=n), n + 1, 10 + n, 2, 1) for n in (1, 2)]

    line, joined, left = trend_options(points, before=before)["series"]

    assert [value for _, value, _ in line["data"]] == [10, 11, 12]
    assert line["data"][0][0] == 1772323200000
    assert [value for _, value in joined["data"]] == [2, 2]
    assert [value for _, value in left["data"]] == [-1, -1]
