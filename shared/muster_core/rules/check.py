"""Checks of segment documents against a catalog: every problem at once, each with its JSON pointer."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from muster_core.catalog.document import Catalog
from muster_core.catalog.type import ColumnType, parse_type
from muster_core.errors import Problem
from muster_core.rules.document import CronSchedule, SegmentDocument
from muster_core.rules.limit import DEFAULT_LIMITS, Limits
from muster_core.rules.literal import Frame
from muster_core.rules.manual import manual_key
from muster_core.rules.measure import MeasureDocument
from muster_core.rules.note import Notes
from muster_core.rules.project import resolve_project
from muster_core.rules.reference import circle_through, members_of, references_of
from muster_core.rules.resolve import Resolver
from muster_core.rules.row import RowResolver
from muster_core.rules.scope import Scopes
from muster_core.schedules.cron import parse_cron
from muster_core.schedules.zone import read_zone

#: Checking resolves relative times too; any instant does.
_SOME_INSTANT = datetime(2026, 1, 1, tzinfo=UTC)
#: Wrong ids of one list that are told one by one.
_IDS_SHOWN = 20
LONGEST_TAG = 100
UNREADABLE_NAME = "a display name holds no control characters"
UNREADABLE_TAG = f"a tag has 1 to {LONGEST_TAG} characters to read, and no spaces around them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What documents may refer to beside each other.

    `segments` gives what each existing segment refers to; None: references are not looked up here.
    """

    segments: Mapping[str, Iterable[str]] | None = field(default_factory=dict)
    measures: Mapping[str, MeasureDocument] = field(default_factory=dict)
    #: Measures that are defined, but not well; what uses them cannot be judged.
    unread_measures: frozenset[str] = frozenset()


_NOTHING = Known()
_UNASKED = Known(segments=None)


def check_segments(
    documents: Sequence[SegmentDocument],
    catalog: Catalog,
    *,
    limits: Limits = DEFAULT_LIMITS,
    known: Known = _NOTHING,
) -> list[Problem]:
    """Return everything wrong with `documents` as one folder; messages begin with the segment's name."""
    found = check_folder(documents, catalog, limits=limits, known=known)
    return [problem for problems in found for problem in problems]


def check_folder(
    documents: Sequence[SegmentDocument],
    catalog: Catalog,
    *,
    limits: Limits = DEFAULT_LIMITS,
    known: Known = _NOTHING,
) -> list[list[Problem]]:
    """Return what is wrong with each of `documents`, which may refer to each other."""
    scopes = Scopes(catalog)
    references = dict(known.segments or {})
    references |= {document.name: references_of(document) for document in documents}
    around = known if known.segments is None else replace(known, segments=references)
    seen: set[str] = set()
    problems: list[list[Problem]] = []
    for document in documents:
        found = check_segment(document, scopes, limits=limits, known=around)
        if document.name in seen:
            found.append(Problem(message="this name is used twice", pointer="/name"))
        seen.add(document.name)
        problems.append(
            [
                replace(problem, message=f"segment {document.name}: {problem.message}")
                for problem in found
            ]
        )
    return problems


def check_segment(
    document: SegmentDocument,
    catalog: Catalog | Scopes,
    *,
    limits: Limits = DEFAULT_LIMITS,
    known: Known = _UNASKED,
) -> list[Problem]:
    """Return everything wrong with one document."""
    scopes = catalog if isinstance(catalog, Scopes) else Scopes(catalog)
    problems = _zone_problems(document.timezone)
    written = None if problems else document.timezone
    frame = Frame(
        as_of=_SOME_INSTANT, zone=read_zone(written or scopes.catalog.timezone), limits=limits
    )
    problems += _schedule_problems(document) + _text_problems(document)
    resolver = Resolver(
        scopes=scopes,
        frame=frame,
        measures=known.measures,
        unread_measures=known.unread_measures,
        segments=known.segments,
    )
    if len(document.rules) > limits.rules:
        message = f"a segment has at most {limits.rules} rules"
        problems.append(Problem(message=message, pointer="/rules"))
    for index, rule in enumerate(document.rules):
        resolver.condition(rule.where, f"/rules/{index}/where")
    problems += resolver.problems
    problems += _circle_problems(document, known)
    rows = RowResolver(frame=frame, notes=Notes(limits=limits))
    resolve_project(document.project, scopes, rows)
    return problems + rows.notes.problems + _manual_problems(document, scopes.catalog, limits)


def check_measures(
    documents: Sequence[MeasureDocument],
    catalog: Catalog,
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> list[Problem]:
    """Return everything wrong with measures; messages begin with the measure's name."""
    scopes = Scopes(catalog)
    frame = Frame(as_of=_SOME_INSTANT, zone=read_zone(catalog.timezone), limits=limits)
    problems: list[Problem] = []
    seen: set[str] = set()
    for document in documents:
        resolver = Resolver(scopes=scopes, frame=frame)
        resolver.measure(document.by, "/by")
        found = list(resolver.problems)
        if document.name in seen:
            found.append(Problem(message="this name is used twice", pointer="/name"))
        seen.add(document.name)
        problems += [
            replace(problem, message=f"measure {document.name}: {problem.message}")
            for problem in found
        ]
    return problems


def _circle_problems(document: SegmentDocument, known: Known) -> list[Problem]:
    """Return that references lead from the document back to itself, at the first that does."""
    references = known.segments or {}
    for pointer, node in members_of(document):
        circle = circle_through(document.name, node.name, references)
        if circle:
            message = f"segments refer to each other in a circle: {' -> '.join(circle)}"
            return [Problem(message=message, pointer=f"{pointer}/name")]
    return []


def readable_tag(tag: str) -> bool:
    """Tell whether a tag has 1 to 100 characters that can be seen, and no spaces around them."""
    return 0 < len(tag) <= LONGEST_TAG and tag == tag.strip() and tag.isprintable()


def readable_name(name: str) -> bool:
    """Tell whether a display name has no control characters."""
    return not any(unicodedata.category(c) == "Cc" for c in name)


def _text_problems(document: SegmentDocument) -> list[Problem]:
    """Names and tags go into lists, logs and terminals: they hold nothing that moves a cursor or begins a line."""
    problems = [
        Problem(message=UNREADABLE_TAG, pointer=f"/tags/{index}")
        for index, tag in enumerate(document.tags)
        if not readable_tag(tag)
    ]
    if not readable_name(document.display_name or ""):
        problems.append(Problem(message=UNREADABLE_NAME, pointer="/display_name"))
    return problems


def _zone_problems(zone: str | None) -> list[Problem]:
    return [] if zone is None else _tried(read_zone, zone, "/timezone")


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
