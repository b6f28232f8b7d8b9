"""The members of one version as messages, resumable message by message.

Ids and bodies are functions of the export, the version and the rows alone, so a receiver that has seen an id has
seen what follows it. The last message says how many there were.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from muster_core.errors import StoreDamaged, TargetRefused, TargetUnavailable
from muster_core.exports.cell import json_lines
from muster_core.exports.claim import Chunk, Operation, Refused
from muster_core.exports.manifest import instant
from muster_exporter.version import Place, Receipt, Version

#: Seconds before a message is sent again within one attempt.
_WAITS = (0.5, 1.0, 2.0, 4.0)
#: A receiver that asks for more patience is left to the queue, so that others have their turn.
_LONGEST_WAIT = 10.0
_LOOK_SECONDS = 0.2


class MessageSink(Protocol):
    """What takes messages."""

    @property
    def location(self) -> str:
        """Return the address for people."""

    @property
    def most_bytes(self) -> int:
        """Return how many bytes a message may have."""

    def send(self, message_id: str, body: bytes) -> dict[int, str]:
        """Send one message and return the rows that were not taken, with why."""


class Acknowledge(Protocol):
    """Records a message that has arrived, and the rows of it that were refused."""

    def __call__(self, chunk: Chunk, refused: Sequence[Refused], /) -> None:
        """Record both, or neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    number: int
    rows: list[Place]
    body: bytes


def deliver_messages(
    version: Version,
    sink: MessageSink,
    *,
    check: Callable[[], None],
    acknowledge: Acknowledge,
) -> Receipt:
    """Send the version in messages, those acknowledged before left out; safe to repeat.

    Raises:
        StoreDamaged: a file of the lake is not what its manifest says; nothing was sent.
        TargetRefused: a row alone is larger than a message may be, or the receiver refuses.
        TargetUnavailable: the receiver does not take messages now.
    """
    version.verify(check)
    known = _acknowledged(version)
    sending = _Sending(sink, check)
    sent, size = sum(chunk.rows for chunk in known), sum(chunk.bytes for chunk in known)
    number = len(known)
    for message in _messages(version, sink.most_bytes, first=number, skip=sent, check=check):
        name = _message_id(version, str(message.number))
        said = sending.send(name, message.body)
        acknowledge(
            Chunk(
                number=message.number,
                name=name,
                rows=len(message.rows),
                bytes=len(message.body),
                sha256=sha256(message.body).hexdigest(),
            ),
            [
                _refused(message.rows[n], why)
                for n, why in said.items()
                if 0 <= n < len(message.rows)
            ],
        )
        number, sent, size = message.number + 1, sent + len(message.rows), size + len(message.body)
    if sent != version.rows:
        raise StoreDamaged("The members ended before their published number.")
    check()
    sending.send(_message_id(version, "end"), _end(version, messages=number))
    return Receipt(rows=sent, size=size, files=number, location=sink.location, kept=len(known))


class _Sending:
    """Sends messages one after the other, and is patient with a receiver that lives and does not take all of them."""

    def __init__(self, sink: MessageSink, check: Callable[[], None]) -> None:
        self._sink = sink
        self._check = check
        self._took_some = False

    def send(self, message_id: str, body: bytes) -> dict[int, str]:
        """Send one message; where the receiver took others, or answers at all, it is sent again after a moment.

        Raises:
            TargetUnavailable: nobody answers, or it is not taken either way.
        """
        for wait in _WAITS:
            try:
                return self._sent(message_id, body)
            except TargetUnavailable as exc:
                wished = wait if exc.retry_after is None else max(wait, exc.retry_after)
                if wished > _LONGEST_WAIT or not (self._took_some or exc.answered):
                    raise
                self._wait(wished)
        return self._sent(message_id, body)

    def _sent(self, message_id: str, body: bytes) -> dict[int, str]:
        said = self._sink.send(message_id, body)
        self._took_some = True
        return said

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._check()
            time.sleep(min(left, _LOOK_SECONDS))
        self._check()


def _refused(place: Place, reason: str) -> Refused:
    partition, ordinal, operation = place
    return Refused(
        partition=partition, ordinal=ordinal, operation=Operation(operation), reason=reason
    )


def _acknowledged(version: Version) -> list[Chunk]:
    """Return the messages that arrived, from the first one on without a gap."""
    chunks = sorted(version.claim.chunks, key=lambda chunk: chunk.number)
    return [
        chunk
        for place, chunk in enumerate(chunks)
        if chunk.number == place and chunk.name == _message_id(version, str(place))
    ]


def _messages(
    version: Version, most: int, *, first: int, skip: int, check: Callable[[], None]
) -> Iterator[_Message]:
    """Cut the rows into messages of at most `most` bytes, each as full as it can be."""
    number, lines, rows, size = first, list[str](), list[Place](), 0
    room = most - len(_body(version, first + 10**9, []))
    for group, places in version.placed(check, skip):
        for line, place in zip(json_lines(group).to_pylist(), places, strict=True):
            length = len(line.encode()) + 1
            if length > room:
                raise TargetRefused(
                    f"A row has more than the {most} bytes that one message may have.",
                    hint="Raise `chunk_bytes` of the connection, or send fewer columns.",
                )
            if size + length > room:
                yield _Message(number=number, rows=rows, body=_body(version, number, lines))
                number, lines, rows, size = number + 1, [], [], 0
            lines.append(line)
            rows.append(place)
            size += length
    if lines:
        yield _Message(number=number, rows=rows, body=_body(version, number, lines))


def _message_id(version: Version, part: str) -> str:
    claim = version.claim
    # another body never has an id that a receiver has seen
    edition = f"e{claim.edition}." if claim.edition else ""
    return f"{claim.export}.{claim.segment}.{claim.version}.{edition}{part}"


def _head(version: Version, kind: str, **more: Any) -> str:
    claim = version.claim
    data = {"export": claim.export, "segment": claim.segment, "version": claim.version, **more}
    message = {"type": kind, "timestamp": instant(claim.published_at), "data": data}
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


def _body(version: Version, number: int, lines: list[str]) -> bytes:
    head = _head(
        version,
        "muster.members",
        mode=version.mode,
        basis_version=version.basis,
        number=number,
        rows=[],
    )
    # the rows are JSON already
    return f"{head.removesuffix(']}}')}{','.join(lines)}]}}}}".encode()


def _end(version: Version, *, messages: int) -> bytes:
    claim = version.claim
    return _head(
        version,
        "muster.version",
        members=version.told,
        messages=messages,
        mode=version.mode,
        basis_version=version.basis,
        changes=dict(version.counts) if version.mode.tells_changes else None,
        as_of=instant(claim.as_of),
        columns=[column.model_dump(mode="json") for column in version.columns],
    ).encode()
