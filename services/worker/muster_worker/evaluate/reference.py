"""Which members every run of a batch uses of the segments it refers to, and which runs end skipped for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from muster_core.errors import MusterError, ReferenceNeverPublished, ReferenceNotFresh
from muster_core.lake.manifest import Pointer
from muster_core.rules.reference import measures_of
from muster_core.runs.freshness import UNUSABLE, NotFresh, not_fresh
from muster_core.runs.input import Inputs, UsedMeasure, UsedSegment
from muster_core.runs.state import Reason
from muster_core.storage.claim import ClaimedMeasure, ClaimedRun
from muster_core.storage.reference import Referred, policies_of

_WHY = {
    NotFresh.NEVER_PUBLISHED: "was never published",
    NotFresh.OTHER_STORE: "was last published before the store was built anew",
    NotFresh.DELETED: "was deleted",
    NotFresh.DRAFT: "is a draft",
    NotFresh.INACTIVE: "is inactive",
    NotFresh.FAILED: "failed at its last refresh",
    NotFresh.SKIPPED: "was skipped at its last refresh",
    NotFresh.STALE: "was due and has not published since",
    NotFresh.NOT_PUBLISHED: "was not published with the batch",
}
#: What is told of a run whose reference says `skip`; whatever else is wrong: that it is not fresh.
_UPSTREAM = {
    NotFresh.FAILED: Reason.UPSTREAM_FAILED,
    NotFresh.SKIPPED: Reason.UPSTREAM_SKIPPED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A run that is not evaluated because of a segment it refers to; `error` says what to do."""

    run: ClaimedRun
    reason: Reason
    error: MusterError
    inputs: Inputs


@dataclass(slots=True, kw_only=True)
class References:
    """What is known of references while a batch is evaluated."""

    as_of: datetime
    #: Every segment the documents refer to, as it stood when the batch was planned.
    referred: Mapping[str, Referred] = field(default_factory=dict)
    measures: Mapping[str, ClaimedMeasure] = field(default_factory=dict)
    #: What each run uses, by its id, as it was decided last.
    inputs: dict[int, Inputs] = field(default_factory=dict)
    #: Segments of the batch that fell out of it, and why their members are not fresh.
    lost: dict[str, NotFresh] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)

    @property
    def stored(self) -> dict[str, Pointer]:
        """Return where the last members of the segments referred to are."""
        return {
            name: found.pointer
            for name, found in self.referred.items()
            if found.pointer is not None and found.standing.readable
        }

    def admit(
        self, runs: Sequence[ClaimedRun], evaluated: Mapping[str, ClaimedRun]
    ) -> list[ClaimedRun]:
        """Return the runs that can be evaluated; the others end skipped.

        Args:
            runs: those referred to before those that refer to them.
            evaluated: runs of the batch, by segment, that are evaluated already.
        """
        present = dict(evaluated)
        admitted: list[ClaimedRun] = []
        for run in runs:
            entries = [
                self._used(run, name, policy, present)
                for name, policy in policies_of(run.document).items()
            ]
            self.inputs[run.run_id] = Inputs(
                segments=tuple(entries), measures=tuple(self._measures(run))
            )
            blocked = [entry for entry in entries if _forbids(entry)]
            if blocked:
                self.lost[run.name] = NotFresh.SKIPPED
                self.skipped.append(_skipped(run, blocked, self.inputs[run.run_id]))
            else:
                present[run.name] = run
                admitted.append(run)
        return admitted

    def inputs_of(self, run: ClaimedRun) -> Inputs | None:
        """Return what a run used, None where it refers to nothing."""
        found = self.inputs[run.run_id]
        return found if found.segments or found.measures else None

    def _used(
        self, run: ClaimedRun, name: str, policy: str, present: Mapping[str, ClaimedRun]
    ) -> UsedSegment:
        beside = present.get(name)
        if beside is not None:
            return UsedSegment(
                segment=name,
                policy=policy,
                version=None,
                as_of=self.as_of,
                published_at=None,
                same_batch=True,
                run_id=beside.run_id,
            )
        known = self.referred.get(name)
        if known is None:
            reason: NotFresh | None = NotFresh.NEVER_PUBLISHED
        else:
            reason = not_fresh(known.standing, due_at=run.due_at)
            if reason not in UNUSABLE and name in self.lost:
                reason = self.lost[name]
        return UsedSegment(
            segment=name,
            policy=policy,
            version=None if known is None else known.standing.version,
            as_of=None if known is None else known.as_of,
            published_at=None if known is None else known.published_at,
            same_batch=False,
            age_seconds=None if known is None else known.age_seconds,
            reason=reason,
        )

    def _measures(self, run: ClaimedRun) -> list[UsedMeasure]:
        return [
            UsedMeasure(measure=name, rev=found.rev, digest=found.digest)
            for name in sorted(measures_of(run.document))
            if (found := self.measures.get(name)) is not None
        ]


def _forbids(entry: UsedSegment) -> bool:
    return entry.reason in UNUSABLE or (entry.reason is not None and entry.policy == "skip")


def _skipped(run: ClaimedRun, blocked: Sequence[UsedSegment], inputs: Inputs) -> Skipped:
    never = [entry for entry in blocked if entry.reason == NotFresh.NEVER_PUBLISHED]
    first = (never or list(blocked))[0]
    found = NotFresh(str(first.reason))
    message = f"The segment {run.name} refers to {first.segment}, which {_WHY[found]}."
    error: MusterError
    if first.reason in UNUSABLE:
        hint = (
            f"Refresh it first: `muster segment refresh {first.segment}`; then this one."
            " A draft or an inactive segment must be made active before."
        )
        error = ReferenceNeverPublished(message, hint=hint)
    else:
        hint = (
            f"Refresh {first.segment}, or let the reference use its last members"
            " with `policy: use_last`."
        )
        error = ReferenceNotFresh(message, hint=hint)
    reason = _UPSTREAM.get(found, Reason.REFERENCE_NOT_FRESH)
    if never:
        reason = Reason.REFERENCE_NEVER_PUBLISHED
    return Skipped(run=run, reason=reason, error=error, inputs=inputs)
