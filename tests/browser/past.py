"""Weeks of history for the installation that pictures are taken of: a trend, failures, something held and waiting."""

from __future__ import annotations

import math
import random
from datetime import timedelta

import sqlalchemy as sa

from muster_console.operation.access import create_person, create_token, list_people
from muster_console.operation.definition import read_definitions_text
from muster_console.operation.saving import apply_definitions
from muster_console.operation.workspace import Workspace
from muster_core.clock import utc_now
from muster_core.security.role import Role
from muster_core.storage.database import transaction

PASSWORD = "a long enough password"  # noqa: S105 - of people who exist for pictures
#: The administrator.
ANNA = "Anna Berg"
DAYS = 62
MORE = """
name: orders_this_year
display_name: Orders this year
description: How many orders each customer placed within 365 days.
by: {table: orders, window: {last: 365 days}, aggregate: {function: count}}
---
name: lifetime_value
display_name: Lifetime value
description: What all completed orders of a customer came to.
by: {table: orders, where: {kind: attribute, column: status, compare: eq, value: completed}, aggregate: {function: sum, column: total}}
---
name: spring_campaign
display_name: Spring campaign
description: Who was written to in spring; fixed since.
type: static
tags: [campaign, newsletter]
rules: [{where: {kind: attribute, column: opted_in, compare: is_true}}]
---
name: berlin_openings
display_name: Berlin openings
description: People near the new shops.
state: draft
tags: [campaign]
rules: [{where: {kind: attribute, column: city, compare: eq, value: Berlin}}]
---
name: old_newsletter
display_name: Newsletter before 2025
state: inactive
tags: [AutoDeactivated]
rules: [{where: {kind: attribute, column: email, compare: is_set}}]
---
name: valuable_customers
display_name: Valuable customers
description: A lifetime value of 500 or more.
tags: [value]
schedule: {cron: "30 6 * * 1-5", timezone: Europe/Berlin}
rules: [{where: {kind: measure, name: lifetime_value, compare: gte, value: 500}}]
"""
#: As the tables of one run lead to each other; a version's triggers and keys are off while they are renumbered.
_AGE = (
    "UPDATE membership_version SET version = version + :days",
    "UPDATE membership_pointer SET version = version + :days",
    "UPDATE refresh_run SET version = version + :days WHERE version IS NOT NULL",
    "UPDATE export_basis SET version = version + :days",
    "UPDATE delivery SET version = version + :days WHERE version IS NOT NULL",
    "UPDATE segment SET published_version = published_version + :days WHERE published_version IS NOT NULL",
)
_RUN = """
INSERT INTO refresh_run (segment_id, due_at, trigger, scheduler, state, reason, rule_rev, rule_hash, as_of,
       snapshot_id, member_count, joined, "left", version, created_at, started_at, finished_at, error_class, error,
       attempt, available_at)
SELECT segment_id, :at, :trigger, :by, :state, :reason, rule_rev, rule_hash, :at, snapshot_id, :members, :joined,
       :left, :version, :at, :at, :end, :error_class, :error, 1, :at
  FROM membership_version WHERE segment_id = :segment ORDER BY version DESC LIMIT 1
RETURNING id"""
_VERSION = """
INSERT INTO membership_version (segment_id, version, run_id, fence, due_at, as_of, rule_rev, rule_hash, snapshot_id,
       member_count, joined, "left", published_at)
SELECT segment_id, version, id, id, due_at, as_of, rule_rev, rule_hash, snapshot_id, member_count, joined, "left",
       finished_at
  FROM refresh_run WHERE id = :id"""


def furnish(workspace: Workspace) -> None:
    """Give an installation of the demo people, more segments and two months of history; once."""
    if any(person.name == ANNA for person in list_people(workspace)):
        return
    found = read_definitions_text(MORE, workspace.settings.limits)
    apply_definitions(workspace, found)
    with transaction(workspace.database) as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        for statement in _AGE:
            connection.execute(sa.text(statement), {"days": DAYS})
        for segment, members in _published(connection):
            _past(connection, segment, members)
        _troubles(connection)
    for name, role in (
        ("Carl Dahl", Role.CONTRIBUTOR),
        ("Eva Fors", Role.VIEWER),
        (ANNA, Role.ADMINISTRATOR),
    ):
        create_person(workspace, name, role, members=role != Role.VIEWER, password=PASSWORD)
    create_token(workspace, ANNA, "airflow", role=Role.CONTRIBUTOR, members=False)


def _published(connection: sa.Connection) -> list[tuple[int, int]]:
    statement = "SELECT segment_id, max(member_count) FROM membership_version GROUP BY 1 ORDER BY 1"
    return [(row[0], row[1]) for row in connection.execute(sa.text(statement))]


def _past(connection: sa.Connection, segment: int, members: int) -> None:
    """One version a day up to yesterday, growing towards today's members with a wave and some chance."""
    chance = random.Random(segment)  # the same pictures every time
    before = 0
    for day in range(DAYS):
        grown = 0.72 + 0.28 * day / DAYS + 0.03 * math.sin(day / 5 + segment)
        now = max(1, round(members * (grown + chance.uniform(-0.006, 0.006))))
        left = round(before * chance.uniform(0.006, 0.018))
        if now - before + left < 0:
            left = before - now
        at = utc_now() - timedelta(days=DAYS - day, seconds=segment)
        run = connection.scalar(
            sa.text(_RUN),
            {
                **_nothing(segment, at),
                "state": "published",
                "members": now,
                "joined": now - before + left,
                "left": left,
                "version": day + 1,
                "end": at + timedelta(seconds=8 + segment),
            },
        )
        connection.execute(sa.text(_VERSION), {"id": run})
        before = now


def _nothing(segment: int, at: object) -> dict[str, object]:
    names = ("reason", "error_class", "error", "members", "joined", "left", "version", "end")
    given = {"segment": segment, "at": at, "trigger": "schedule", "by": "scheduler@shop:1"}
    return {**dict.fromkeys(names), **given}


def _troubles(connection: sa.Connection) -> None:
    """A run that failed and one whose version is held back."""
    at = utc_now() - timedelta(minutes=9)
    failed = {
        "state": "failed",
        "end": at + timedelta(seconds=3),
        "error_class": "TerminalError",
        "error": "table orders has no column discount, which rule 2 of the segment compares.",
    }
    held = {
        "state": "held",
        "reason": "gate",
        "members": 12,
        "joined": 0,
        "left": 480,
        "end": None,
    }
    (first, _), (second, _), *_ = _published(connection)
    connection.execute(sa.text(_RUN), {**_nothing(second, at), **failed})
    connection.execute(sa.text(_RUN), {**_nothing(first, at), **held})
