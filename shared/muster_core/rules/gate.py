"""What a segment's document says about its delivery gate: which changes of size wait for a person."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from muster_core.rules.value import Node

_Count = Annotated[int, Field(strict=True, ge=0)]


class Gate(Node):
    """Bounds a new version must keep to be published unseen; a field left out does not bound."""

    #: Most percent the number of members may move, either way; None leaves it to the deployment.
    change_percent: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    #: Fewest and most members.
    minimum: _Count | None = None
    maximum: _Count | None = None

    @field_validator("change_percent", mode="before")
    @classmethod
    def _no_bool(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("a percentage is a number")  # noqa: TRY004 - pydantic collects ValueErrors
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Gate:
        if None not in (self.minimum, self.maximum) and self.minimum > self.maximum:  # type: ignore[operator]
            raise ValueError("minimum is greater than maximum")
        return self
