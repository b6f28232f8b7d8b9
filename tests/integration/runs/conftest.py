from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from muster_core.rules.document import parse_segment
from muster_core.runs.input import Inputs
from muster_core.storage.database import transaction
from muster_core.storage.definition_table import catalog_version
from muster_core.storage.run import (
    Claim,
    Outcome,
    RequestedRun,
    claim_batch,
    pin_snapshot,
    record_evaluated,
    request_refresh,
)
from muster_core.storage.segment import apply_segment
from muster_core.storage.store_table import snapshot

LEASE = timedelta(seconds=60)


class Desk:
    """What a worker and its user do, without evaluating anything."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def apply(self, name: str, **fields: Any) -> str:
        document = parse_segment(
            {"name": name, "rules": [{"where": {"kind": "everyone"}}], **fields}
        )
        with transaction(self.engine) as connection:
            return apply_segment(connection, document)

    def apply_many(self, count: int, **fields: Any) -> list[str]:
        names = [f"s{number:05}" for number in range(count)]
        with transaction(self.engine) as connection:
            for name in names:
                apply_segment(connection, parse_segment({"name": name, **fields}))
        return names

    def request(self, names: Sequence[str] | None = None, **options: Any) -> list[RequestedRun]:
        with transaction(self.engine) as connection:
            return request_refresh(connection, names=names, actor="user test", **options)

    def claim(
        self, worker: str = "worker one", lease: timedelta = LEASE, limit: int = 1_000
    ) -> Claim | None:
        with transaction(self.engine) as connection:
            return claim_batch(connection, worker=worker, lease=lease, limit=limit)

    def must_claim(self, **options: Any) -> Claim:
        claim = self.claim(**options)
        assert claim is not None
        return claim

    def evaluate(
        self,
        claim: Claim,
        run_ids: Sequence[int] | None = None,
        manifest: str = "m1",
        inputs: Mapping[int, Inputs] | None = None,
        members: int = 10,
    ) -> None:
        outcomes = [
            Outcome(
                run_id=run.run_id,
                bit=bit,
                member_count=members,
                joined=members,
                left=0,
                node_counts={"/rules/0/where": 10},
                inputs=(inputs or {}).get(run.run_id),
            )
            for bit, run in enumerate(claim.runs)
            if run_ids is None or run.run_id in run_ids
        ]
        with transaction(self.engine) as connection:
            pinned = pin_snapshot(connection, claim, self.snapshot_id())
            record_evaluated(
                connection,
                claim,
                snapshot_id=pinned,
                manifest=manifest,
                manifest_sha256="0" * 64,
                outcomes=outcomes,
                lease=LEASE,
            )

    def snapshot_id(self) -> int:
        with transaction(self.engine) as connection:
            known: int | None = connection.scalar(sa.select(snapshot.c.id).limit(1))
            if known is not None:
                return known
            catalog = connection.scalar(
                catalog_version.insert()
                .values(digest="d", document={})
                .returning(catalog_version.c.id)
            )
            created: int | None = connection.scalar(
                snapshot.insert()
                .values(
                    generation=1,
                    manifest="store",
                    manifest_sha256="0" * 64,
                    catalog_id=catalog,
                    customers=10,
                    report={},
                )
                .returning(snapshot.c.id)
            )
        assert created is not None
        return created

    def ask(self, query: str, **parameters: Any) -> list[Any]:
        """Return the rows of `query`, single columns as plain values."""
        with transaction(self.engine) as connection:
            rows = connection.execute(sa.text(query), parameters).all()
        return [row[0] if len(row) == 1 else tuple(row) for row in rows]

    def tell(self, statement: str, **parameters: Any) -> None:
        with transaction(self.engine) as connection:
            connection.execute(sa.text(statement), parameters)

    def end_lease(self, claim: Claim) -> None:
        self.tell(
            "UPDATE refresh_run SET lease_expires_at = clock_timestamp() - interval '1 second'"
            " WHERE fence = :fence AND state IN ('running', 'evaluated')",
            fence=claim.fence,
        )

    def everything(self) -> dict[str, list[Any]]:
        """Return the whole content of the tables a run touches, to see that nothing changed."""
        return {
            table: self.ask(f"SELECT to_jsonb(t)::text FROM {table} t ORDER BY 1")  # noqa: S608
            for table in (
                "refresh_run",
                "run_event",
                "batch",
                "segment",
                "membership_version",
                "membership_pointer",
                "delivery",
            )
        }


@pytest.fixture
def desk(database: Engine) -> Desk:
    return Desk(database)


@pytest.fixture
def in_transaction(database: Engine) -> Callable[[Callable[..., Any]], Any]:
    """Run a function of a connection in a transaction of its own."""

    def run(work: Callable[..., Any]) -> Any:
        with transaction(database) as connection:
            return work(connection)

    return run
