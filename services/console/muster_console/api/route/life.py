"""The life of segments: actions on many, copies, versions, usage; those deleted; the tags of all."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from muster_console.api.body import DOCUMENT_BODY, Given, document_text
from muster_console.api.idempotency import IdempotentRoute
from muster_console.api.policy import Editing, Viewing
from muster_console.api.problem import ProblemItem, problem_items
from muster_console.api.route.segment import Saved, saved
from muster_console.operation import life
from muster_console.operation import tag as tags
from muster_console.operation.action import Action, Options, act, chosen
from muster_console.operation.definition import read_definitions_text
from muster_console.operation.life import Comparison, Usage
from muster_console.operation.listing import SegmentFilter, list_deleted
from muster_console.operation.result import SegmentResult
from muster_console.operation.tag import TagLine
from muster_console.operation.workspace import Workspace
from muster_core.errors import InvalidInput, Problem

router = APIRouter(tags=["segments"], route_class=IdempotentRoute)

#: Revisions are counted in 32 bits.
Rev = Annotated[int, Field(ge=1, le=2**31 - 1)]
Text = Annotated[str, Field(max_length=256)]


class Cron(Given):
    """A schedule of a segment's own; without a zone it is in the segment's, else the catalog's."""

    cron: Text
    timezone: Text | None = None


class Chosen(Given):
    """Which segments are meant, by the columns of their list."""

    search: Text = ""
    tag: Text | None = None
    type: Text | None = None
    state: Text | None = None
    status: Text | None = None
    reason: Text | None = None
    owner: Text | None = None


class ActionRequest(Given):
    """An action on segments: named ones, those a filter takes, or all; the rest is for some actions."""

    action: Action
    names: list[Text] = Field(default=[], max_length=10_000)
    filter: Chosen = Chosen()
    all: bool = False
    #: The revisions that segments must still have, by name.
    expected: dict[Text, Rev] = Field(default={})
    #: For `rename`; null takes it away.
    display_name: Annotated[str, Field(max_length=200)] | None = None
    #: For `tag`.
    add_tags: list[Text] = Field(default=[], max_length=20)
    remove_tags: list[Text] = Field(default=[], max_length=100)
    #: For `schedule`.
    schedule: Literal["system", "off"] | Cron | None = None
    #: For `cleanup`: whether automatic clean-up may make them inactive.
    auto_cleanup: bool = True
    #: For `delete`: even what segments or exports use.
    force: bool = False
    #: For `refresh`.
    as_of: datetime | None = None


class ActionResults(BaseModel):
    """What became of each segment."""

    results: list[SegmentResult]


class CopyRequest(Given):
    """What the copy is called."""

    name: Text
    display_name: Annotated[str, Field(max_length=200)] | None = None
    state: Literal["active", "inactive", "draft"] | None = None


class RollbackRequest(Given):
    """The revision to go back to."""

    rev: Rev


class VersionLine(BaseModel):
    """One revision of a definition: who made it, when, and the fields it changed."""

    rev: int
    at: datetime
    actor: str | None
    rule_hash: str
    changed: list[str]


class VersionDetail(BaseModel):
    """One revision with its document."""

    rev: int
    at: datetime
    actor: str | None
    rule_hash: str
    document: dict[str, Any]


class DeletedLine(BaseModel):
    """A segment that can be restored until then."""

    name: str
    owner: str | None
    deleted_at: datetime
    until: datetime


class Problems(BaseModel):
    """Everything that keeps a segment from being refreshed."""

    problems: list[ProblemItem]


class TagRename(Given):
    """A tag and its new name."""

    name: Text
    new_name: Text


class TagName(Given):
    """A tag."""

    name: Text


@router.post("/segments", status_code=201, openapi_extra=DOCUMENT_BODY)
async def create_segment(workspace: Editing, request: Request) -> Saved:
    """Save a new segment: the document as JSON or YAML; 409 where its name is taken."""
    return await run_in_threadpool(_create, workspace, await document_text(request))


@router.post("/segments/actions")
def act_on_segments(workspace: Editing, request: ActionRequest) -> ActionResults:
    """Do something to segments; each has a result of its own, and what is wrong with one stops no other.

    `cleanup` is for administrators.
    """
    if request.as_of is not None and request.as_of.tzinfo is None:
        raise InvalidInput(
            [Problem(message="an instant needs an offset", pointer="/as_of", hint="end it with Z")]
        )
    if request.action is Action.SCHEDULE and request.schedule is None:
        raise InvalidInput([Problem(message="which one?", pointer="/schedule")])
    wanted = SegmentFilter(**request.filter.model_dump())
    names = chosen(workspace, request.names, wanted, everything=request.all)
    schedule = request.schedule
    options = Options(
        display_name=request.display_name,
        add_tags=request.add_tags,
        remove_tags=request.remove_tags,
        schedule=schedule.model_dump(exclude_none=True) if isinstance(schedule, Cron) else schedule,
        auto_cleanup=request.auto_cleanup,
        force=request.force,
        as_of=request.as_of,
        expected=request.expected,
    )
    return ActionResults(results=act(workspace, request.action, names, options))


@router.post("/segments/{name}/duplicate", status_code=201)
def duplicate(workspace: Editing, name: str, request: CopyRequest) -> Saved:
    """Copy a segment's definition to a new name; 409 where that is taken."""
    return saved(
        life.duplicate_segment(
            workspace,
            name,
            request.name,
            display_name=request.display_name,
            state=request.state,
        )
    )


@router.get("/segments/{name}/problems")
def find_problems(workspace: Viewing, name: str) -> Problems:
    """Return everything that keeps a segment from being refreshed; a draft may have any number."""
    found = life.validate_segment(workspace, name)
    return Problems(problems=problem_items(found))


@router.get("/segments/{name}/usage")
def show_usage(workspace: Viewing, name: str) -> Usage:
    """Return who uses a segment, and what it uses itself."""
    return life.show_usage(workspace, name)


@router.get("/segments/{name}/versions")
def list_versions(workspace: Viewing, name: str) -> list[VersionLine]:
    """Return every revision of a segment's definition, the newest first."""
    return [VersionLine(**one.to_json()) for one in life.list_versions(workspace, name)]


@router.get("/segments/{name}/versions/{rev}")
def show_version(
    workspace: Viewing, name: str, rev: Annotated[int, Path(ge=1, le=2**31 - 1)]
) -> VersionDetail:
    """Return one revision with its document."""
    found = life.show_version(workspace, name, rev)
    return VersionDetail(
        rev=found.rev,
        at=found.at,
        actor=found.actor,
        rule_hash=found.rule_hash,
        document=found.document,
    )


@router.get("/segments/{name}/diff")
def compare_versions(
    workspace: Viewing,
    name: str,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    after: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> Comparison:
    """Compare two revisions, by default the newest with the one before it; 409 where there is only one."""
    return life.compare_versions(workspace, name, before, after)


@router.post("/segments/{name}/rollback")
def roll_back(workspace: Editing, name: str, request: RollbackRequest) -> Saved:
    """Make a former revision the newest one; the ones between stay in the history."""
    return saved(life.roll_back(workspace, name, request.rev))


@router.get("/deleted-segments")
def deleted_segments(workspace: Viewing) -> list[DeletedLine]:
    """Return the segments that the action `restore` can take back, by name."""
    return [
        DeletedLine(name=one.name, owner=one.owner, deleted_at=one.deleted_at, until=one.until)
        for one in list_deleted(workspace)
    ]


@router.get("/tags")
def list_tags(workspace: Viewing) -> list[TagLine]:
    """Return every tag with how many segments have it."""
    return tags.list_tags(workspace)


@router.post("/tags/rename")
def rename_tag(workspace: Editing, request: TagRename) -> ActionResults:
    """Give a tag another name on every segment that has it."""
    return ActionResults(results=tags.rename_tag(workspace, request.name, request.new_name))


@router.post("/tags/delete")
def delete_tag(workspace: Editing, request: TagName) -> ActionResults:
    """Take a tag off every segment that has it."""
    return ActionResults(results=tags.delete_tag(workspace, request.name))


def _create(workspace: Workspace, text: str) -> Saved:
    found = read_definitions_text(text, workspace.settings.limits, drafts=True)
    return saved(life.create_segment(workspace, found))
