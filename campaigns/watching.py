"""What the page about the guard shows: how the answers of each provider compare with what is let pass."""

from collections.abc import Sequence
from dataclasses import dataclass

from reputation.catalogue import catalogue
from sending import guard
from sending.models import Mailing, MailingChange
from sending.progress import LaneProgress, progress_of
from sending.pure.guard import FALSE_STOP, SIGNALS, Counts, Signal


@dataclass(frozen=True, slots=True)
class Measure:
    """One signal at one provider: `bad` of `of`."""

    signal: Signal
    bad: int
    of: int

    @property
    def share(self) -> float:
        """Per cent."""
        return 100 * self.bad / self.of if self.of else 0.0

    @property
    def is_above(self) -> bool:
        return self.share > 100 * self.signal.limit


@dataclass(frozen=True, slots=True)
class WatchedLane:
    """`stop`: what nobody has answered yet."""

    lane: LaneProgress
    name: str
    measures: list[Measure]
    stop: MailingChange | None


@dataclass(frozen=True, slots=True)
class Watched:
    """`stop` is that of the whole campaign. `false_stop`: one good list in so many is stopped."""

    stop: MailingChange | None
    lanes: list[WatchedLane]
    changes: Sequence[MailingChange]
    signals: Sequence[Signal] = SIGNALS
    false_stop: int = round(1 / FALSE_STOP)

    @property
    def waiting(self) -> list[WatchedLane]:
        """Where a first part is out and nothing speaks against it."""
        return [row for row in self.lanes if row.lane.held_back and row.stop is None]


def watched(mailing: Mailing) -> Watched:
    """A few short queries, from counters alone."""
    answers, stops = guard.counts_of(mailing.pk), guard.stops_of(mailing.pk)
    lanes = [
        WatchedLane(lane, catalogue().title(lane.provider), _measures(answers.get(lane.provider, Counts())),
                    stops.get(lane.provider) if lane.stopped else None)
        for lane in progress_of(mailing).lanes
    ]  # fmt: skip
    return Watched(stops.get(""), lanes, list(mailing.changes.select_related("actor")[:50]))


def stop_sentences(mailing: Mailing) -> list[str]:
    """Why the guard holds it, or providers of it; for the monitor, which asks only where something is held."""
    return [change.reason for change in guard.stops_of(mailing.pk).values()]


def _measures(counts: Counts) -> list[Measure]:
    return [Measure(one, getattr(counts, one.name), getattr(counts, one.of)) for one in SIGNALS]
