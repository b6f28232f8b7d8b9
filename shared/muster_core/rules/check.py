"""Checks of segment documents against a catalog: every problem at once, each with its JSON pointer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from muster_core.catalog.document import Catalog
from muster_core.catalog.type import ColumnType, parse_type
from muster_core.errors import Problem
from muster_core.rules.comparison import Misfit
from muster_core.rules.document import CronSchedule, ProjectColumn, SegmentDocument
from muster_core.rules.limit import DEFAULT_LIMITS, Limits
from muster_core.rules.literal import Frame
from muster_core.rules.manual import manual_key
from muster_core.rules.resolve import Resolver
from muster_core.rules.scope import profile_scope
from muster_core.schedules.cron import parse_cron
from muster_core.schedules.zone import read_zone

#: Checking resolves relative times too; any instant does.
_SOME_INSTANT = datetime(2026, 1, 1, tzinfo=UTC)
#: Wrong ids of one list that are told one by one.
_IDS_SHOWN = 20


def check_segments(
    documents: Sequence[SegmentDocument], catalog: Catalog, *, limits: Limits = DEFAULT_LIMITS
) -> list[Problem]:
    """Return everything wrong with `documents` as one folder; messages begin with the segment's name."""
    problems: list[Problem] = []
    seen: set[str] = set()
    for document in documents:
        found = check_segment(document, catalog, limits=limits)
        if document.name in seen:
            found.append(Problem(message="this name is used twice", pointer="/name"))
        seen.add(document.name)
        problems += [
            Problem(
                message=f"segment {document.name}: {problem.message}",
                pointer=problem.pointer,
                hint=problem.hint,
            )
            for problem in found
        ]
    return problems


def check_segment(
    document: SegmentDocument, catalog: Catalog, *, limits: Limits = DEFAULT_LIMITS
) -> list[Problem]:
    """Return everything wrong with one document."""
    problems = _zone_problems(document)
    name = catalog.timezone if document.timezone is None or problems else document.timezone
    problems += _schedule_problems(document)
    frame = Frame(as_of=_SOME_INSTANT, zone=read_zone(name), limits=limits)
    resolver = Resolver(catalog=catalog, frame=frame)
    if len(document.rules) > limits.rules:
        message = f"a segment has at most {limits.rules} rules"
        problems.append(Problem(message=message, pointer="/rules"))
    for index, rule in enumerate(document.rules):
        resolver.condition(rule.where, f"/rules/{index}/where")
    problems += resolver.problems
    for index, column in enumerate(document.project):
        problems += _project_problems(column, catalog, f"/project/{index}")
    return problems + _manual_problems(document, catalog, limits)


def _zone_problems(document: SegmentDocument) -> list[Problem]:
    return [] if document.timezone is None else _tried(read_zone, document.timezone, "/timezone")


def _schedule_problems(document: SegmentDocument) -> list[Problem]:
    schedule = document.schedule
    if not isinstance(schedule, CronSchedule):
        return []
    problems = []
    if schedule.timezone is not None:
        problems += _tried(read_zone, schedule.timezone, "/schedule/timezone")
    # whether an expression is one does not depend on its zone
    return problems + _tried(lambda cron: parse_cron(cron, "UTC"), schedule.cron, "/schedule/cron")


def _tried(read: Callable[[str], object], text: str, pointer: str) -> list[Problem]:
    try:
        read(text)
    except ValueError as exc:
        return [Problem(message=str(exc), pointer=pointer)]
    return []


def _project_problems(column: ProjectColumn, catalog: Catalog, pointer: str) -> list[Problem]:
    if column.table is not None or column.where is not None or column.via:
        message = "columns of related tables are not put out yet"
        return [Problem(message=message, pointer=f"{pointer}/table")]
    try:
        profile_scope(catalog).find(column.column)
    except Misfit as exc:
        return [Problem(message=str(exc), pointer=pointer + exc.pointer, hint=exc.hint)]
    return []


def _manual_problems(document: SegmentDocument, catalog: Catalog, limits: Limits) -> list[Problem]:
    problems = []
    kind = parse_type(catalog.profile.columns[catalog.key])
    for name, ids in (("add", document.manual.add), ("remove", document.manual.remove)):
        pointer = f"/manual/{name}"
        if len(ids) > limits.manual:
            message = f"a segment has at most {limits.manual} customers in {name}"
            problems.append(Problem(message=message, pointer=pointer))
        found = list(_key_problems(ids, kind, pointer))
        problems += found[:_IDS_SHOWN]
        if len(found) > _IDS_SHOWN:
            message = f"and {len(found) - _IDS_SHOWN} more are no customer keys"
            problems.append(Problem(message=message, pointer=pointer))
    return problems


def _key_problems(ids: Sequence[str | int], kind: ColumnType, pointer: str) -> Iterator[Problem]:
    for index, written in enumerate(ids):
        try:
            manual_key(written, kind)
        except ValueError as exc:
            yield Problem(message=str(exc), pointer=f"{pointer}/{index}")
