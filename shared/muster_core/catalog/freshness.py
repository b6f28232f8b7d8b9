"""Freshness contracts: how old a table may be and how many rows it has at least, as people write it."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from muster_core.rules.duration import parse_duration


class Freshness(BaseModel):
    """What a table promises; where it does not hold, segments that read the table are not refreshed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: A length such as ``26 hours``: so old may the newest row be, by the table's time column; a table without
    #: one is as old as its newest file.
    max_age: str | None = None
    min_rows: int | None = Field(default=None, ge=1)

    @field_validator("max_age")
    @classmethod
    def _length(cls, text: str | None) -> str | None:
        if text is not None and parse_duration(text).months:
            raise ValueError("an age is given in minutes, hours, days or weeks")
        return text

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.max_age is None and self.min_rows is None:
            raise ValueError("give max_age, min_rows or both")
        return self

    @property
    def longest(self) -> timedelta | None:
        """Return the maximal age; None where there is none."""
        if self.max_age is None:
            return None
        return timedelta(seconds=parse_duration(self.max_age).seconds)
