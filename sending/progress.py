"""How a mailing is doing, from counters alone: never a COUNT over deliveries on a page."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Sum

from sending.models import (
    FINAL_KINDS,
    Batch,
    Mailing,
    MailingCount,
    MailingLane,
    OutcomeKind,
    Requeue,
)

BOUNCED = (
    OutcomeKind.BOUNCED_HARD,
    OutcomeKind.BOUNCED_SOFT,
    OutcomeKind.BOUNCED_POLICY,
)


@dataclass
class LaneProgress:
    """One provider of one mailing. `counts` by outcome kind or event; `waiting` has no final outcome yet."""

    provider: str
    total: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    paused: bool = False
    connections: int = 0
    per_minute: float = 0.0

    def n(self, *kinds: str) -> int:
        return sum(self.counts.get(kind, 0) for kind in kinds)

    @property
    def accepted(self) -> int:
        return self.n(OutcomeKind.ACCEPTED)

    @property
    def bounced(self) -> int:
        return self.n(*BOUNCED)

    @property
    def not_sent(self) -> int:
        return self.n(OutcomeKind.SKIPPED, OutcomeKind.REFUSED, OutcomeKind.BLOCKED)

    @property
    def unknown(self) -> int:
        return self.n(OutcomeKind.UNKNOWN)

    @property
    def final(self) -> int:
        return self.n(*FINAL_KINDS)

    @property
    def waiting(self) -> int:
        return self.total - self.final


@dataclass
class Progress:
    """All lanes of a mailing, and their sum; `total` = accepted + bounced + not sent + unknown + waiting, always."""

    mailing: Mailing
    lanes: list[LaneProgress]
    retrying: int
    next_retry_at: datetime | None

    def __post_init__(self) -> None:
        self.sum = LaneProgress("*")
        for lane in self.lanes:
            self.sum.total += lane.total
            self.sum.connections += lane.connections
            self.sum.per_minute += lane.per_minute
            for kind, n in lane.counts.items():
                self.sum.counts[kind] = self.sum.counts.get(kind, 0) + n

    @property
    def percent(self) -> int:
        """Whole per cents, cut: 100 only when the last person has a final state."""
        return 100 * self.sum.final // self.sum.total if self.sum.total else 100

    @property
    def is_over(self) -> bool:
        return self.mailing.state in (Mailing.State.DONE, Mailing.State.STOPPED)


def progress_of(mailing: Mailing) -> Progress:
    """Five short queries, whatever the size of the mailing."""
    lanes: dict[str, LaneProgress] = {}
    _add_lanes(lanes, MailingLane.objects.filter(mailing=mailing))
    _add_counts(lanes, MailingCount.objects.filter(mailing=mailing))
    _add_live_batches(lanes, Batch.objects.filter(mailing=mailing).exclude(state=Batch.State.DONE))
    requeued = Requeue.objects.filter(mailing=mailing)
    first = requeued.filter(batch=None).order_by("due_at").values_list("due_at", flat=True).first()
    return Progress(
        mailing,
        sorted(lanes.values(), key=lambda lane: -lane.total),
        requeued.count(),
        first,
    )


def _lane(lanes: dict[str, LaneProgress], provider: str) -> LaneProgress:
    return lanes.setdefault(provider, LaneProgress(provider))


def _add_lanes(lanes: dict[str, LaneProgress], rows: Iterable[MailingLane]) -> None:
    for row in rows:
        lane = _lane(lanes, row.provider)
        lane.total += row.total
        lane.paused = row.state == MailingLane.State.PAUSED


def _add_counts(lanes: dict[str, LaneProgress], rows: Iterable[MailingCount]) -> None:
    for row in rows:
        counts = _lane(lanes, row.provider).counts
        counts[row.kind] = counts.get(row.kind, 0) + row.n


def _add_live_batches(lanes: dict[str, LaneProgress], rows: Iterable[Batch]) -> None:
    """Not folded into the counters yet, so they are added here and the sums hold at every poll."""
    for row in rows:
        lane = _lane(lanes, row.provider)
        lane.connections += row.state == Batch.State.RUNNING
        lane.per_minute += 60 / row.gap if row.gap and row.state == Batch.State.RUNNING else 0
        live = {
            OutcomeKind.ACCEPTED: row.n_accepted,
            OutcomeKind.BOUNCED_SOFT: row.n_bounced,
            OutcomeKind.SKIPPED: row.n_skipped,
        }
        for kind, n in live.items():
            if n:
                lane.counts[kind] = lane.counts.get(kind, 0) + n


def totals(mailing_ids: Iterable[int]) -> dict[int, dict[str, int]]:
    """Counter sums by kind for a list page: one query."""
    found: dict[int, dict[str, int]] = {}
    rows = MailingCount.objects.filter(mailing_id__in=list(mailing_ids)).values("mailing_id", "kind")
    for row in rows.annotate(total=Sum("n")):
        found.setdefault(row["mailing_id"], {})[row["kind"]] = row["total"]
    return found
