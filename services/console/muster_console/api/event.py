"""Progress as server-sent events: what changed, until it has ended, and from where a reader left off."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from anyio import sleep
from fastapi import Header
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

#: Seconds between two looks, and how many of them one answer lasts; a reader then comes again.
_LOOK = 0.5
_LOOKS = 1_200
#: After so many looks without news a comment shows that the line is alive.
_QUIET = 30

LastEventId = Annotated[
    str | None,
    Header(max_length=64, pattern=r"^[0-9]{0,18}\.[0-9]{0,18}$", description="Go on behind it."),
]

#: How the OpenAPI document describes such an answer.
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`step`, `progress` and at last `end`, each with an id to go on behind.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How far something is: every step it took so far in order, how much is done, and whether it ended."""

    steps: Sequence[Any]
    #: A number that is another one whenever `progress` is, as long as no step is taken.
    done: int
    progress: Any
    ended: bool

    @property
    def place(self) -> tuple[int, int]:
        """Return where a reader is who has seen all of it."""
        return len(self.steps), self.done


def stream(look: Callable[[], Look], last_event_id: str | None, first: Look) -> StreamingResponse:
    """Return the events behind `last_event_id`: of `first`, and of every later look until it has ended."""
    return StreamingResponse(_events(look, last_event_id, first), media_type="text/event-stream")


async def _events(
    look: Callable[[], Look], last_event_id: str | None, found: Look
) -> AsyncIterator[str]:
    steps, _, done = (last_event_id or "").partition(".")
    seen = int(steps or 0)
    place = (seen, int(done or 0)) if last_event_id else None
    quiet = 0
    for _ in range(_LOOKS):
        for number, step in enumerate(found.steps[seen:], start=seen + 1):
            yield _event("step", f"{number}.0", step)
        if found.place != place:
            yield _event("progress", f"{found.place[0]}.{found.place[1]}", found.progress)
            quiet = 0
        seen, place = len(found.steps), found.place
        if found.ended:
            yield _event("end", f"{place[0]}.{place[1]}", {})
            return
        quiet += 1
        if quiet % _QUIET == 0:
            yield ": nothing new\n\n"
        await sleep(_LOOK)
        found = await run_in_threadpool(look)


def _event(name: str, event_id: str, data: Any) -> str:
    return f"event: {name}\nid: {event_id}\ndata: {json.dumps(data, default=str)}\n\n"
