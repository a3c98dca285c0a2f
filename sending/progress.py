"""How a mailing is doing, from counters alone: never a COUNT over deliveries on a page."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Sum

from sending.models import FINAL_KINDS, Mailing, MailingCount, OutcomeKind

BOUNCED = (
    OutcomeKind.BOUNCED_HARD,
    OutcomeKind.BOUNCED_SOFT,
    OutcomeKind.BOUNCED_POLICY,
)


@dataclass
class LaneProgress:
    """One provider of one mailing. `counts` by outcome kind or event; `waiting` has no final outcome yet, and of those
    `untried` are in their place still or in a batch that comes to them."""

    provider: str
    total: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    paused: bool = False
    connections: int = 0
    per_minute: float = 0.0
    untried: int = 0
    # Stopped early by the guard; the part that goes first, and how many wait for its answers.
    stopped: bool = False
    canary: int = 0
    held_back: int = 0
    # How many wait for the winner of a test.
    for_winner: int = 0
    # How many wait for the hour of where they live, the first of those hours, and a place where it is theirs.
    for_hour: int = 0
    next_hour_at: datetime | None = None
    next_hour_in: str = ""
    next_retry_at: datetime | None = None

    def n(self, *kinds: str) -> int:
        return sum([self.counts.get(kind, 0) for kind in kinds])

    # Added up once, when all is counted: the monitor's poll asks for each a dozen times.
    @cached_property
    def accepted(self) -> int:
        return self.n(OutcomeKind.ACCEPTED)

    @cached_property
    def bounced(self) -> int:
        return self.n(*BOUNCED)

    @cached_property
    def not_sent(self) -> int:
        return self.n(OutcomeKind.SKIPPED, OutcomeKind.REFUSED, OutcomeKind.BLOCKED)

    @cached_property
    def unknown(self) -> int:
        return self.n(OutcomeKind.UNKNOWN)

    @cached_property
    def final(self) -> int:
        return self.n(*FINAL_KINDS)

    @property
    def waiting(self) -> int:
        return self.total - self.final

    @property
    def retrying(self) -> int:
        """To be tried again: the figures are read one after the other, so that moment's difference is cut off."""
        return max(0, self.waiting - self.untried)


@dataclass
class Progress:
    """All lanes of a mailing, and their sum; `total` = accepted + bounced + not sent + unknown + waiting, always."""

    mailing: Mailing
    lanes: list[LaneProgress]

    def __post_init__(self) -> None:
        self.sum = LaneProgress("*")
        for lane in self.lanes:
            self.sum.total += lane.total
            self.sum.connections += lane.connections
            self.sum.per_minute += lane.per_minute
            self.sum.untried += lane.untried
            for kind, n in lane.counts.items():
                self.sum.counts[kind] = self.sum.counts.get(kind, 0) + n

    @property
    def retrying(self) -> int:
        return sum(lane.retrying for lane in self.lanes)

    @property
    def next_retry_at(self) -> datetime | None:
        return min((lane.next_retry_at for lane in self.lanes if lane.next_retry_at), default=None)

    @property
    def percent(self) -> int:
        """Whole per cents, cut: 100 only when the last person has a final state."""
        return 100 * self.sum.final // self.sum.total if self.sum.total else 100

    @property
    def is_over(self) -> bool:
        return self.mailing.state in (Mailing.State.DONE, Mailing.State.STOPPED)


@dataclass(frozen=True, slots=True)
class Around:
    """What else a mailing's progress depends on. `has_worker`: some process that transmits says that it lives;
    `changes`: the number of the last change of any budget; `stopped_at`: since when all sending is stopped.
    """

    has_worker: bool
    changes: int
    stopped_at: datetime | None
    time_zone: str


def progress_of(mailing: Mailing) -> Progress:
    """One round trip, whatever the size of the mailing; nothing in it counts people."""
    with connection.cursor() as cursor:
        cursor.execute(_ALL, {"mailing": mailing.pk})
        return _read(cursor, mailing)


def look_at(mailing: Mailing) -> tuple[Progress, Around]:
    """Its progress and what is around it, in one round trip as well."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_ALL};{_AROUND}", {"mailing": mailing.pk})
        progress = _read(cursor, mailing)
        cursor.nextset()
        return progress, Around(*cursor.fetchall()[0])


def has_worker() -> bool:
    """Does any process that transmits say that it lives?"""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_HAS_WORKER}")
        return bool((cursor.fetchone() or (False,))[0])


def _read(cursor: CursorWrapper, mailing: Mailing) -> Progress:
    lanes: dict[str, LaneProgress] = {}
    _add_lanes(cursor, lanes)
    cursor.nextset()
    _add_counts(cursor, lanes)
    cursor.nextset()
    _add_live_batches(cursor, lanes)
    return Progress(mailing, sorted(lanes.values(), key=lambda lane: -lane.total))


def _lane(lanes: dict[str, LaneProgress], provider: str) -> LaneProgress:
    return lanes.setdefault(provider, LaneProgress(provider))


_LANES = """
SELECT l.provider, sum(l.total), bool_or(l.state = 'paused'), bool_or(l.state = 'held'), sum(l.canary),
       coalesce(sum(l.held_back) FILTER (WHERE l.for_hour = 0), 0), sum(l.for_winner),
       sum(greatest(0, l.release_seq - l.next_seq + 1) + l.held_back + l.for_winner + l.for_hour),
       coalesce(sum(l.for_hour + l.held_back) FILTER (WHERE l.for_hour > 0), 0),
       min(h.at) FILTER (WHERE l.for_hour > 0),
       coalesce((array_agg(h.zone ORDER BY h.at) FILTER (WHERE l.for_hour > 0))[1], ''),
       min((SELECT q.due_at FROM sending_requeue q
            WHERE q.mailing_id = l.mailing_id AND q.provider_now = l.provider AND q.batch IS NULL
            ORDER BY q.due_at LIMIT 1))
FROM sending_mailinglane l LEFT JOIN sending_localhour h ON h.mailing_id = l.mailing_id AND h.wave = l.wave
WHERE l.mailing_id = %(mailing)s GROUP BY l.provider
"""
_COUNTS = """
SELECT provider, kind, sum(n)::bigint FROM sending_mailingcount WHERE mailing_id = %(mailing)s GROUP BY provider, kind
"""
# What a live batch did is not folded into the counters yet.
_LIVE = """
SELECT provider, count(*) FILTER (WHERE state = 'running'),
       coalesce(sum(60 / gap) FILTER (WHERE state = 'running' AND gap > 0), 0),
       sum(n_accepted), sum(n_bounced), sum(n_skipped),
       coalesce(sum(greatest(0, hi - lo + 1 - n_accepted - n_deferred - n_bounced - n_skipped))
                FILTER (WHERE kind = 'fresh'), 0)
FROM sending_batch WHERE mailing_id = %(mailing)s AND state <> 'done' GROUP BY provider
"""
_ALL = f"{_LANES};{_COUNTS};{_LIVE}"
_HAS_WORKER = """EXISTS (SELECT 1 FROM sending_worker WHERE kind IN ('transmit', 'transactional')
                         AND seen_at > clock_timestamp() - interval '30 seconds')"""
_AROUND = f"""
SELECT {_HAS_WORKER},
       coalesce((SELECT max(id) FROM reputation_budgetchange), 0), house.sending_stopped_at, house.time_zone
FROM reputation_workspace house WHERE id = 1
"""


def _add_lanes(cursor: CursorWrapper, lanes: dict[str, LaneProgress]) -> None:
    for row in cursor.fetchall():
        provider, total, paused, stopped, canary, held_back, for_winner, ahead, for_hour, at, place, next_retry_at = row
        lanes[provider] = LaneProgress(
            provider,
            total=total,
            paused=paused,
            stopped=stopped,
            canary=canary,
            held_back=held_back,
            for_winner=for_winner,
            untried=ahead,
            for_hour=for_hour,
            next_hour_at=at,
            next_hour_in=place,
            next_retry_at=next_retry_at,
        )


def _add_counts(cursor: CursorWrapper, lanes: dict[str, LaneProgress]) -> None:
    for provider, kind, n in cursor.fetchall():
        _lane(lanes, provider).counts[kind] = n


def _add_live_batches(cursor: CursorWrapper, lanes: dict[str, LaneProgress]) -> None:
    """Added here, so that the sums hold at every poll."""
    for provider, connections, per_minute, accepted, bounced, skipped, untried in cursor.fetchall():
        lane = _lane(lanes, provider)
        lane.connections, lane.per_minute = connections, per_minute
        lane.untried += untried
        live = {OutcomeKind.ACCEPTED: accepted, OutcomeKind.BOUNCED_SOFT: bounced, OutcomeKind.SKIPPED: skipped}
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
