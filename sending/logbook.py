"""What happened in one batch: outcomes still to be made durable, counters, what goes back, what the budgets spent."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reputation.ledger import Entry
from reputation.pure.replies import Verdict
from sending.claim import Claimed
from sending.gate_questions import Counters
from sending.hearing import Heard
from sending.loading import Person
from sending.models import OutcomeKind, Requeue
from sending.requeue import Return
from sending.settle import Settled

_BOUNCED = {
    OutcomeKind.BOUNCED_HARD,
    OutcomeKind.BOUNCED_SOFT,
    OutcomeKind.BOUNCED_POLICY,
    OutcomeKind.BLOCKED,
}
_NO_SITE = 0
_LEFT_OUT = {OutcomeKind.SKIPPED, OutcomeKind.REFUSED}


@dataclass(slots=True)
class Spent:
    sent: int = 0
    accepted: int = 0
    deferred: int = 0
    bounced: int = 0
    unknown_users: int = 0
    last_dot_at: datetime | None = None


@dataclass(slots=True)
class Logbook:
    """`unsettled` is not durable yet; `told` are verdicts about us, for the lane's budgets."""

    claimed: Claimed
    counters: Counters = field(default_factory=Counters)
    unsettled: list[Settled] = field(default_factory=list)
    returned: list[Return] = field(default_factory=list)
    untouched: list[Person] = field(default_factory=list)
    told: list[tuple[Heard, datetime]] = field(default_factory=list)
    # By minute, and the recipient domain's own budget where it has one.
    minutes: dict[tuple[datetime, int], Spent] = field(default_factory=lambda: defaultdict(Spent))
    end_reason: str = ""
    # The connection was busy with its messages for so long: without the pauses that the pace asks for.
    seconds: float = 0.0
    # The last delivery the gate was asked about: the only one the batch's row may name as intent.
    asked: int | None = None

    def note(
        self,
        person: Person,
        kind: str,
        *,
        at: datetime,
        reason: str = "",
        reply: int | None = None,
        remote_id: str = "",
    ) -> None:
        """What became of this try."""
        self.unsettled.append(self._settled(person, kind, at=at, reason=reason, reply=reply, remote_id=remote_id))
        self._count(kind)

    def leave_out(self, settled: Sequence[Settled]) -> None:
        self.unsettled.extend(settled)
        for each in settled:
            self._count(each.kind)

    def spend(self, person: Person, *, at: datetime, kind: str, verdict: Verdict | None, dot: bool) -> None:
        """A recipient was offered to the receiver; `dot` when the whole message was handed over."""
        spent = self.minutes[at.replace(second=0, microsecond=0), person.site_budget or _NO_SITE]
        spent.sent += 1
        if kind == OutcomeKind.ACCEPTED:
            spent.accepted += 1
        elif kind == OutcomeKind.DEFERRED:
            spent.deferred += 1
        elif kind in _BOUNCED:
            spent.bounced += 1
            is_unknown = verdict is not None and verdict.class_ == "unknown"
            spent.unknown_users += kind == OutcomeKind.BOUNCED_HARD and is_unknown
        if dot:
            spent.last_dot_at = at
            self.counters.last_dot_at = at
        self.counters.sent += 1

    def put_off(self, person: Person, *, due_at: datetime, counts: bool, now: datetime, pinned: int | None) -> None:
        """The receiver asked us to come back: the next attempt."""
        self.returned.append(
            _return(
                person,
                lane=self.claimed.batch.provider,
                due_at=due_at,
                reason=Requeue.Reason.DEFERRED,
                attempt=person.attempt + 1,
                counted=person.counted + counts,
                first_tried_at=person.first_tried_at or now,
                pinned_route=pinned,
            )
        )

    def hand_back(
        self, people: Sequence[Person], *, due_at: datetime, reason: str = Requeue.Reason.HANDED_BACK
    ) -> None:
        """They were not tried: the same attempt, later."""
        lane = self.claimed.batch.provider
        self.untouched.extend(people)
        self.returned.extend(
            _return(
                person,
                lane=lane,
                due_at=due_at,
                reason=reason,
                attempt=person.attempt,
                counted=person.counted,
                first_tried_at=person.first_tried_at,
                pinned_route=person.pinned_route,
            )
            for person in people
        )

    def evidence(self, *, at: datetime) -> list[Settled]:
        """All we know, for when the batch is not ours to end: outcomes, and that the last one asked about was not sent
        if it was not, which a takeover would else believe to have left. The others were not tried, and stay so."""
        not_sent = [
            self._settled(person, OutcomeKind.DEFERRED, at=at, reason="not_sent")
            for person in self.untouched
            if person.delivery == self.asked
        ]
        return [*self.unsettled, *not_sent]

    def entries(self) -> list[Entry]:
        """For the budgets' ledger: what was spent from the lane's, and from those of the recipient domains."""
        lane = self.claimed.batch.budget_ids
        return [
            Entry(
                budget_ids=lane if site == _NO_SITE else [*lane, site],
                minute=minute,
                sent=spent.sent,
                accepted=spent.accepted,
                deferred=spent.deferred,
                bounced=spent.bounced,
                unknown_users=spent.unknown_users,
                last_dot_at=spent.last_dot_at,
            )
            for (minute, site), spent in sorted(self.minutes.items(), key=lambda item: item[0])
        ]

    def _settled(
        self,
        person: Person,
        kind: str,
        *,
        at: datetime,
        reason: str = "",
        reply: int | None = None,
        remote_id: str = "",
    ) -> Settled:
        batch = self.claimed.batch
        return Settled(
            mailing=batch.mailing_id,
            delivery=person.delivery,
            attempt=person.attempt,
            kind=kind,
            reason=reason,
            reply=reply,
            route=batch.route_id,
            batch=batch.pk,
            provider=batch.provider,
            remote_id=remote_id,
            at=at,
        )

    def _count(self, kind: str) -> None:
        counters = self.counters
        counters.cursor += 1
        if kind == OutcomeKind.ACCEPTED:
            counters.accepted += 1
        elif kind == OutcomeKind.DEFERRED:
            counters.deferred += 1
        elif kind in _BOUNCED:
            counters.bounced += 1
        elif kind in _LEFT_OUT:
            counters.skipped += 1


def _return(
    person: Person,
    *,
    lane: str,
    due_at: datetime,
    reason: str,
    attempt: int,
    counted: int,
    first_tried_at: datetime | None,
    pinned_route: int | None,
) -> Return:
    return Return(
        delivery=person.delivery,
        lane=lane,
        due_at=due_at,
        attempt=attempt,
        counted=counted,
        first_tried_at=first_tried_at,
        pinned_route=pinned_route,
        reason=reason,
        position=person.seq,
    )
