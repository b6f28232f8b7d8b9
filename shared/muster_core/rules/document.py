"""The segment document: reading one from plain data, with every problem at its JSON pointer."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from muster_core.errors import InvalidInput
from muster_core.rules.condition import Condition, RowCondition
from muster_core.rules.expression.unfold import unfold
from muster_core.rules.gate import Gate
from muster_core.rules.limit import DEFAULT_LIMITS, Limits, hostile_problem
from muster_core.rules.shape import shape_problems
from muster_core.rules.value import Node

SEGMENT_NAME = r"^[a-z][a-z0-9_]{0,99}$"
#: What automatic clean-up puts on a segment it makes inactive; gone once the segment is active again.
CLEANUP_TAG = "AutoDeactivated"
#: Tags of one segment that people give it.
MAX_TAGS = 20
_EXPRESSION = "rules are a list; write the expression as where of a rule"


class Rule(Node):
    """One rule; `combine` says how its members meet the result of the rules before it."""

    combine: Literal["union", "intersect", "except"] | None = None
    where: Condition
    name: str | None = None


CustomerKey = Annotated[str, Field(strict=True)] | Annotated[int, Field(strict=True)]


class Manual(Node):
    """Customers added and removed by hand, applied last; remove wins."""

    add: tuple[CustomerKey, ...] = ()
    remove: tuple[CustomerKey, ...] = ()


class CronSchedule(Node):
    """A schedule of its own: five cron fields in a zone."""

    cron: Annotated[str, Field(max_length=200)]
    timezone: str | None = None


class ProjectColumn(Node):
    """An extra output column; several related values become a list."""

    column: str
    as_: str | None = Field(default=None, alias="as")
    table: str | None = None
    via: tuple[str, ...] = ()
    where: RowCondition | None = None


class SegmentDocument(Node):
    """A whole segment as people define it."""

    name: Annotated[str, Field(pattern=SEGMENT_NAME)]
    display_name: Annotated[str, Field(max_length=200)] | None = None
    description: Annotated[str, Field(max_length=2_000)] = ""
    tags: Annotated[
        tuple[Annotated[str, Field(max_length=100)], ...],
        Field(
            max_length=MAX_TAGS + 1,
            json_schema_extra={
                "anyOf": [{"maxItems": MAX_TAGS}, {"contains": {"const": CLEANUP_TAG}}]
            },
        ),
    ] = ()
    type: Literal["dynamic", "static", "expansion"] = "dynamic"
    state: Literal["active", "inactive", "draft"] = "active"
    schedule: Literal["system", "off"] | CronSchedule = "system"
    timezone: str | None = None
    rules: tuple[Rule, ...] = ()
    project: tuple[ProjectColumn, ...] = ()
    manual: Manual = Manual()
    auto_cleanup: bool = True
    gate: Literal["off"] | Gate = Gate()

    @model_validator(mode="before")
    @classmethod
    def _cleaned_up_only_while_inactive(cls, raw: Any) -> Any:
        tags = raw.get("tags") if isinstance(raw, dict) else None
        if not isinstance(tags, list | tuple) or raw.get("state", "active") == "inactive":
            return raw
        return {**raw, "tags": [tag for tag in tags if tag != CLEANUP_TAG]}

    @field_validator("tags")
    @classmethod
    def _few_tags(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        if sum(tag != CLEANUP_TAG for tag in tags) > MAX_TAGS:
            raise ValueError(f"a segment has at most {MAX_TAGS} tags")
        return tags

    @field_validator("rules", mode="before")
    @classmethod
    def _no_expression(cls, raw: Any) -> Any:
        if isinstance(raw, str):
            raise ValueError(_EXPRESSION)  # noqa: TRY004 - pydantic collects ValueErrors
        return raw

    @field_validator("rules")
    @classmethod
    def _combined(cls, rules: tuple[Rule, ...], info: ValidationInfo) -> tuple[Rule, ...]:
        for index, rule in enumerate(rules):
            if (rule.combine is None) != (index == 0):
                raise ValueError(
                    "the first rule has no combine, every later one has union, intersect or except "
                    f"(rule {index + 1})"
                )
        return rules


def parse_segment(
    data: object, *, file: str | None = None, limits: Limits = DEFAULT_LIMITS
) -> SegmentDocument:
    """Read one segment document from plain data; problems name `file`.

    Raises:
        InvalidInput: every problem of shape: unknown fields and kinds, wrong types, missing fields.
    """
    if problem := hostile_problem(data, limits):
        raise InvalidInput([replace(problem, file=file)])
    whole = unfold(data, limits=limits)
    problems = list(whole.problems)
    try:
        document = SegmentDocument.model_validate(whole.data)
    except ValidationError as exc:
        problems += [
            whole.place(problem) for problem in shape_problems(whole.data, exc, SegmentDocument)
        ]
    if problems:
        raise InvalidInput([replace(problem, file=file) for problem in problems])
    return document
