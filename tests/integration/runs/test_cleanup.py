"""Automatic clean-up over a simulated year: exactly what is unused goes, and never what is exempt or used."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from tests.clock import Clock

from muster_core.exports.document import parse_export
from muster_core.rules.document import CLEANUP_TAG, parse_segment
from muster_core.rules.measure import parse_measure
from muster_core.settings import Settings
from muster_core.storage.audit import list_entries
from muster_core.storage.cleanup import clean_up, clean_up_daily
from muster_core.storage.database import transaction
from muster_core.storage.definition_table import segment
from muster_core.storage.export import delete_export
from muster_core.storage.export_table import export as exports
from muster_core.storage.export_table import export_segment
from muster_core.storage.measure import apply_measures, list_measures
from muster_core.storage.segment import apply_segment, get_segment
from muster_core.storage.segment_life import delete_segment
from muster_core.storage.service_setting import set_service_setting

pytestmark = pytest.mark.integration

DAY = timedelta(days=1)
ENVIRONMENT = Settings()


@dataclass
class Model:
    """What a person would expect of one segment."""

    changed: int
    state: str = "active"
    exempt: bool = False
    refers: str | None = None
    tags: list[str] = field(default_factory=list)

    def document(self, name: str):
        rules: list[object] = []
        if self.refers is not None:
            rules = [{"where": {"kind": "segment", "name": self.refers}}]
        found: dict[str, object] = {"name": name, "state": self.state, "rules": rules}
        if self.exempt:
            found["auto_cleanup"] = False
        if self.tags:
            found["tags"] = self.tags
        return parse_segment(found)


class Year:
    """A year of people who make, use, change and forget segments."""

    def __init__(self, connection: Connection, folder: Path, seed: int) -> None:
        self.connection = connection
        self.folder = folder
        self.chance = random.Random(seed)
        self.known: dict[str, Model] = {}
        self.exports: dict[str, str] = {}
        self.suppressed: dict[str, str] = {}
        self.made = 0

    def something_happens(self, today: int) -> None:
        what = self.chance.choice(
            ["make", "make", "refer", "change", "exempt", "export", "unexport", "wake", "delete"]
        )
        if what in ("make", "refer") or not self.known:
            refers = (
                self.chance.choice(sorted(self.known)) if what == "refer" and self.known else None
            )
            self.made += 1
            # names say nothing of the order in which segments were made
            name = f"s{self.chance.randrange(10**6):06}_{self.made}"
            self.save(name, Model(changed=today, refers=refers), today)
            return
        name = self.chance.choice(sorted(self.known))
        model = self.known[name]
        if what == "change":
            model.tags = [f"day_{today}"]
        elif what == "exempt":
            model.exempt = not model.exempt
        elif what == "wake":
            model.state, model.tags = "active", []
        elif what == "export":
            self.export(name)
            return
        elif what == "unexport":
            for export in [e for e, of in self.exports.items() if of == name]:
                delete_export(self.connection, export)
                del self.exports[export]
                self.suppressed.pop(export, None)
            return
        elif what == "delete":
            if not self.used(name):
                delete_segment(self.connection, name)
                del self.known[name]
            return
        self.save(name, model, today)

    def save(self, name: str, model: Model, today: int) -> None:
        if apply_segment(self.connection, model.document(name)) != "unchanged":
            model.changed = today
        self.known[name] = model

    def export(self, name: str) -> None:
        export = f"to_{name}"
        if export in self.exports:
            return
        document: dict[str, object] = {
            "name": export,
            "segments": [name],
            "connection": {"kind": "folder", "path": str(self.folder)},
        }
        others = [other for other in sorted(self.known) if other != name]
        if others and self.chance.random() < 0.3:
            # whom an export never sends it uses as well
            self.suppressed[export] = self.chance.choice(others)
            document["suppress"] = [self.suppressed[export]]
        # there is no catalog here that columns could be held against
        stored = exports.insert().values(name=export, document=parse_export(document).to_json())
        export_id = self.connection.execute(stored.returning(exports.c.id)).scalar_one()
        known = sa.select(segment.c.id).where(segment.c.name == name)
        segment_id = self.connection.execute(known).scalar_one()
        link = export_segment.insert().values(export_id=export_id, segment_id=segment_id)
        self.connection.execute(link)
        self.exports[export] = name

    def used(self, name: str) -> bool:
        exported = name in self.exports.values() or name in self.suppressed.values()
        return exported or any(m.refers == name for m in self.known.values())

    def unused(self, today: int) -> list[str]:
        return sorted(
            name
            for name, model in self.known.items()
            if model.state == "active"
            and not model.exempt
            and model.changed <= today - 45
            and not self.used(name)
        )


@pytest.mark.long
def test_over_a_year_exactly_the_unused_are_cleaned_up(database: Engine, tmp_path: Path) -> None:
    clock = Clock(database)
    began = clock.now()
    cleaned_up = 0
    year: Year | None = None
    for today in range(365):
        with transaction(database) as connection:
            year = year or Year(connection, tmp_path, seed=20_261_130)
            year.connection = connection
            for _ in range(year.chance.choice([0, 0, 1, 2])):
                year.something_happens(today)
            expected = year.unused(today)
        with transaction(database) as connection:
            cleaned = clean_up_daily(connection, ENVIRONMENT)
            assert cleaned is not None
            assert cleaned.names("segment") == expected, f"day {today}"
            # another scheduler, or the same one a little later
            assert clean_up_daily(connection, ENVIRONMENT) is None
            for name in expected:
                year.known[name].state, year.known[name].changed = "inactive", today
                year.known[name].tags = [*year.known[name].tags, CLEANUP_TAG]
                record = get_segment(connection, name)
                assert record.state == "inactive"
                assert record.document is not None
                assert CLEANUP_TAG in record.document.tags
        cleaned_up += len(expected)
        clock.move(DAY)
    assert year is not None
    assert cleaned_up > 30
    assert any(model.exempt and model.changed < 320 for model in year.known.values())
    with transaction(database) as connection:
        entries = [
            e for e in list_entries(connection, limit=10_000) if e.action == "segment.cleaned_up"
        ]
        states = connection.execute(
            sa.text("SELECT name, state FROM segment WHERE deleted_at IS NULL")
        )
        assert {row.name: row.state for row in states} == {
            name: model.state for name, model in year.known.items()
        }
    assert len(entries) == cleaned_up
    # what people did and what was decided from it were told by the same clock
    assert entries[0].at - began > timedelta(days=300)


def test_a_dry_run_changes_nothing_and_reactivation_removes_the_tag(database: Engine) -> None:
    clock = Clock(database)
    tags = [f"t{n}" for n in range(20)]
    with transaction(database) as connection:
        apply_segment(connection, parse_segment({"name": "a", "tags": tags}))
        apply_segment(connection, parse_segment({"name": "b", "auto_cleanup": False}))
    clock.move(46 * DAY)
    with transaction(database) as connection:
        for _ in range(2):
            assert clean_up(connection, days=45, dry_run=True).names("segment") == ["a"]
        assert get_segment(connection, "a").state == "active"
        assert clean_up(connection, days=47).found == []
        clean_up(connection, days=45)
        cleaned = get_segment(connection, "a")
        assert cleaned.document is not None
        # as many tags as people may give, and the one of clean-up
        assert list(cleaned.document.tags) == [*tags, CLEANUP_TAG]
        woken = parse_segment({**cleaned.stored, "state": "active"})
        assert list(woken.tags) == tags
        apply_segment(connection, woken)
        assert clean_up(connection, days=45).found == []


def test_measures_that_nothing_uses_are_switched_off_until_something_does(
    database: Engine,
) -> None:
    clock = Clock(database)
    value = {"kind": "measure", "compare": "gt", "value": 3}
    by = {"table": "orders", "aggregate": {"function": "count"}}
    with transaction(database) as connection:
        apply_measures(connection, [parse_measure({"name": n, "by": by}) for n in ("idle", "used")])
        rules = [{"where": {**value, "name": "used"}}]
        apply_segment(
            connection, parse_segment({"name": "draft", "state": "draft", "rules": rules})
        )
    clock.move(50 * DAY)
    with transaction(database) as connection:
        assert clean_up(connection, days=45).names("measure") == ["idle"]
        assert clean_up(connection, days=45).found == []
        off = {m.name for m in list_measures(connection) if m.deactivated_at is not None}
        assert off == {"idle"}
        rules = [{"where": {**value, "name": "idle"}}]
        apply_segment(connection, parse_segment({"name": "user", "rules": rules}))
        assert all(m.deactivated_at is None for m in list_measures(connection))


def test_clean_up_can_be_switched_off_and_be_more_patient(database: Engine) -> None:
    clock = Clock(database)
    with transaction(database) as connection:
        apply_segment(connection, parse_segment({"name": "a"}))
    clock.move(100 * DAY)
    with transaction(database) as connection:
        set_service_setting(connection, ENVIRONMENT, "cleanup", value=False)
        assert clean_up_daily(connection, ENVIRONMENT) is None
        set_service_setting(connection, ENVIRONMENT, "cleanup", value=None)
        set_service_setting(connection, ENVIRONMENT, "cleanup_days", value=101)
        cleaned = clean_up_daily(connection, ENVIRONMENT)
        assert cleaned is not None
        assert cleaned.found == []
    clock.move(DAY)
    with transaction(database) as connection:
        cleaned = clean_up_daily(connection, ENVIRONMENT)
        assert cleaned is not None
        assert cleaned.names("segment") == ["a"]
