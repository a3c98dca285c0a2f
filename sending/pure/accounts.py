"""One budget's account during one call of the planner: what is free, and what each new batch takes of it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from sending.pure.lanes import TRANSACTIONAL, LiveBatch
from sending.pure.windows import (
    SLOWEST_RATE,
    Budget,
    Limits,
    Margins,
    hourly_cap,
    in_force,
    is_slow,
    kept_for_transactional,
    minute_reserve,
    paced_rate,
    slot_rate,
    slots_wanted,
    slow_gap,
)

# A batch's time in its slot, in seconds from the planning instant: from one gap before its first dot to its end.
Span: TypeAlias = tuple[float, float]
PLENTY = 1 << 40
CLOSED = Limits(per_minute=0, per_hour=0, per_day=0, connections=0)
# A new batch takes a leftover of the rate only when it is this much of a slot's share.
LEAST_SHARE = 0.25
# The receiver sees our dots through a network; a pause is longer by this many seconds.
PAUSE_MARGIN = 0.1


class Account:
    """Rates are messages a minute; times are seconds from the planning instant."""

    __slots__ = (
        "_batches",
        "_paced_live",
        "_peak",
        "_slot_rates",
        "_spans",
        "budget",
        "burst",
        "connections",
        "earliest",
        "edit_lag",
        "express",
        "fast",
        "held",
        "left",
        "limits",
        "live",
        "margins",
        "paced",
        "rates",
        "size",
        "slots",
        "slow",
        "slow_gap",
        "unreserved",
    )  # fmt: skip

    def __init__(
        self, budget: Budget, now: datetime, batches: Sequence[LiveBatch], margins: Margins, spans: Mapping[int, Span]
    ) -> None:
        """`spans`: those of the batches."""
        limits = in_force(budget, now)
        self.budget, self.margins = budget, margins
        self.limits = limits = limits or CLOSED
        self.held = limits.per_minute == 0
        self.live = [batch for batch in batches if batch.ended_at is None]
        self.paced = limits.per_minute is not None
        self.slow = self.paced and is_slow(budget.kind, limits.per_minute or 0, margins)
        self.fast = self.paced and not self.slow
        self.rates = sum(60 / batch.gap for batch in self.live if batch.gap > 0)
        self.slots = sum(1 for batch in self.live if batch.gap > 0)
        self._batches, self._spans, self._paced_live = batches, spans, self.slots
        self._peak: int | None = None
        self.slow_gap = slow_gap(limits.per_minute or 0, margins) if self.slow else 0.0
        self.express = self._express_left(batches)
        self.connections = _or_plenty(limits.connections) - len(self.live)
        self.left, self.unreserved = self._window_left()
        self.size = min(_or_plenty(limits.batch_size), _or_plenty(limits.per_connection))
        self.burst, self.earliest = self._burst(now)
        self.edit_lag = 0.0
        self._slot_rates: dict[tuple[float, int], float] = {}

    @property
    def peak(self) -> int:
        """The most paced batches at once within the last minute. Worked out when asked: most accounts never are."""
        if self._peak is None:
            self._peak = _peak([self._spans[id(batch)] for batch in self._batches if batch.gap > 0], self._paced_live)
        return self._peak

    def _express_left(self, batches: Sequence[LiveBatch]) -> int:
        """What is left of the minute's reserve: unpaced mail counts from its planning to one minute after its end."""
        if not self.fast:
            return 0
        unpaced = (batch for batch in batches if batch.gap <= 0 and batch.stream == TRANSACTIONAL)
        used = sum(batch.size if batch.ended_at is None else batch.sent for batch in unpaced)
        return minute_reserve(self.budget.kind, self.limits.per_minute or 0) - used

    def _window_left(self) -> tuple[int, int]:
        """Messages left of hour and day: for transactional mail, and for the rest."""
        outstanding = sum(batch.outstanding for batch in self.live)
        left = unreserved = PLENTY
        hour, day = hourly_cap(self.limits), self.limits.per_day
        for limit, sent in ((hour, self.budget.sent_hour), (day, self.budget.sent_today)):
            if limit is not None:
                left = min(left, limit - sent - outstanding)
                kept = kept_for_transactional(self.budget.kind, limit, self.limits)
                unreserved = min(unreserved, limit - sent - outstanding - kept)
        return left, unreserved

    def _burst(self, now: datetime) -> tuple[int, float]:
        """Messages that may go in the next burst, and in how many seconds it may begin.

        Batches planned together are one burst; while one is live or pausing, no other begins.
        """
        pause = self.limits.batch_pause + PAUSE_MARGIN if self.limits.batch_pause else 0.0
        wait = max(pause, self.slow_gap)
        burst = 1 if self.slow else self.size if pause else PLENTY
        if wait and self.live:
            return 0, 0.0
        last = self.budget.last_dot_at
        if not wait or last is None:
            return burst, 0.0
        return burst, max(0.0, (last - now).total_seconds() + min(wait, 1e7))

    def window(self, transactional: bool) -> int:
        """Messages of the hour and the day that this stream may still be given."""
        return self.left if transactional else self.unreserved

    def takes(self, transactional: bool) -> bool:
        """Is there a connection, a burst and a message of the windows left? The pace is another question."""
        return self.connections > 0 and self.burst > 0 and self.window(transactional) > 0 and not self.held

    def free_rate(self) -> float:
        """Messages a minute that one more paced batch could have at most."""
        slots = max(self.slots + 1, self.peak)
        return paced_rate(self.budget.kind, self.limits.per_minute or 0, slots, self.margins) - self.rates

    def rate_for(self, seconds: float, connections: int) -> float:
        """Messages a minute for one more batch of messages that take `seconds` each; 0 when too little is left.

        `connections`: at most so many will share the rate on this lane, whatever this budget allows.
        """
        share = self._slot_rates.get((seconds, connections))
        if share is None:
            share = slot_rate(self.budget.kind, self.limits, seconds, self.peak, self.margins, connections)
            self._slot_rates[seconds, connections] = share
        rate = min(self.free_rate(), share)
        return rate if rate >= max(SLOWEST_RATE, LEAST_SHARE * share) else 0.0

    def slots_wanted(self, seconds: float, connections: int) -> int:
        """Connections that this paced budget's whole rate needs; see `rate_for`."""
        return slots_wanted(self.budget.kind, self.limits, seconds, self.margins, connections)

    def burst_part(self, seconds: float) -> int:
        """A burst is shared by the connections that the rate needs: the first one does not take it all."""
        if not (self.fast and self.limits.batch_pause):
            return self.burst
        wanted = slots_wanted(self.budget.kind, self.limits, seconds, self.margins)
        return min(self.burst, max(1, -(-self.size // wanted)))

    def debit(self, *, size: int, gap: float) -> None:
        """Reserve what a new batch may spend. Gap 0 in a paced budget is mail out of the minute's reserve."""
        self.connections -= 1
        self.left -= size
        self.unreserved -= size
        self.burst -= size
        if gap > 0:
            self.slots += 1
            self.rates += 60 / gap
        elif self.fast:
            self.express -= size

    def slow_down(self, *, old_gap: float, new_gap: float) -> None:
        """A live batch gets a longer gap: what it gives up is free once it has heard of it (one dot may be late)."""
        self.rates -= 60 / old_gap - 60 / new_gap
        self.edit_lag = max(self.edit_lag, old_gap + 1)


def fewest_connections(accounts: Iterable[Account]) -> int:
    """Connections that a lane may have: those of its tightest budget."""
    return min(_or_plenty(account.limits.connections) for account in accounts)


def _or_plenty(limit: int | None) -> int:
    return PLENTY if limit is None else limit


def spans_of(batches: Iterable[LiveBatch], now: datetime) -> dict[int, Span]:
    """Of the paced ones, by identity: every batch is in several accounts."""
    return {id(batch): _span(batch, now) for batch in batches if batch.gap > 0}


def _span(batch: LiveBatch, now: datetime) -> Span:
    ended = math.inf if batch.ended_at is None else (batch.ended_at - now).total_seconds()
    return (batch.not_before - now).total_seconds() - batch.gap, ended


def _peak(paced: Sequence[Span], slots: int) -> int:
    """The most paced batches live at once within the last minute. (Ten slots that end at once and one that takes their
    whole rate would else put nine dots too many into one window.)"""
    if len(paced) == slots:
        return slots
    ends = sorted([end for _, end in paced])
    most = over = 0
    for place, (begin, _) in enumerate(sorted(paced), 1):
        while over < len(ends) and ends[over] <= begin:
            over += 1
        most = max(most, place - over)
    return most
