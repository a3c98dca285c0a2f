"""What a receiver thinks of who sends to it. Pure: every call takes `now`, seconds on whatever clock the caller has.

A sender is known by its address and by the domain that signs; each has a standing of its own, and the worse one
decides. A standing remembers the busiest of its good days, and forgets half of it in a month. On a day it may send a
multiple of that, or what the receiver lets strangers send, and in an hour a part of a day. Who goes over is put off;
who keeps on is refused for hours, and counts as still pushing with every try. Complaints and mail to nobody are held
against the day's volume: a little of it slows, much of it closes the door.
"""

from collections import deque
from dataclasses import dataclass, field

DAY = 86_400.0
HOUR = 3_600.0


@dataclass(frozen=True, slots=True)
class Temper:
    """How a receiver is with senders. Volumes are messages, shares are of what was offered (unknown people) or taken
    (complaints) that day. Published are the two shares of complaints; the rest is ours, in the range of what senders
    report.
    """

    # What a stranger may send on a day, and in an hour at least.
    strangers_a_day: int = 200
    strangers_an_hour: int = 30
    # A day may be so many times the busiest day that is remembered; "do not suddenly double" is Google's advice.
    growth: float = 2.0
    # An hour may have this part of a day.
    hour_share: float = 0.25
    # So many messages over it within an hour are put off; then it is refused for `refused_for` seconds.
    patience: int = 40
    refused_for: float = 2 * HOUR
    # Shares of a day that slow, and that close the door for a day; judged from so many messages on.
    complaints: tuple[float, float] = (0.003, 0.01)
    unknown: tuple[float, float] = (0.05, 0.10)
    judged_from: int = 100
    forgets_half_in: float = 30 * DAY


@dataclass(slots=True)
class Standing:
    """One address or one domain at one receiver. `known`: its busiest good day, as far as it is remembered."""

    known: float = 0.0
    day: int = -1
    offered: int = 0
    taken: int = 0
    unknown: int = 0
    complained: int = 0
    refused_until: float = -1.0
    why: str = ""
    hour: deque[float] = field(default_factory=deque)
    over: deque[float] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class Block:
    """Ground truth: a door that was closed."""

    scope: str
    at: float
    until: float
    why: str


@dataclass
class Opinion:
    """All standings at one receiver, and what became known of them."""

    temper: Temper = field(default_factory=Temper)
    standings: dict[str, Standing] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    # Messages offered while the door was closed: what a sender that listens does not do.
    pushed: int = 0

    def answer(self, *, now: float, ip: str, domain: str, exists: bool) -> str:
        """`ok`, `unknown`, `rate_ip`, `rate_dkim` (put off) or `reputation` (refused), and counts the message."""
        scopes = {"rate_ip": self._at(now, ip), **({"rate_dkim": self._at(now, domain)} if domain else {})}
        if any(now < one.refused_until for one in scopes.values()):
            self.pushed += 1
            return "reputation"
        for reply, standing in scopes.items():
            if self._is_over(now, standing):
                name = ip if reply == "rate_ip" else domain
                return "reputation" if self._loses_patience(now, name, standing) else reply
        for standing in scopes.values():
            standing.offered += 1
            standing.unknown += not exists
            standing.taken += exists
            if exists:
                standing.hour.append(now)
        for name in (ip, domain):
            self._judge(now, name)
        return "ok" if exists else "unknown"

    def complain(self, *, now: float, ip: str, domain: str) -> None:
        """Somebody marked a message as spam."""
        for name in (ip, domain):
            if name:
                self._at(now, name).complained += 1
                self._judge(now, name)

    def allowance(self, *, now: float, scope: str) -> float:
        """Messages that a scope may send on the day of `now`."""
        return self._allowance(self._at(now, scope))

    def _at(self, now: float, scope: str) -> Standing:
        standing = self.standings.setdefault(scope, Standing())
        day = int(now // DAY)
        if standing.day < 0:
            standing.day = day
        if day != standing.day:
            self._remember(standing, day - standing.day)
            standing.day, standing.offered, standing.taken = day, 0, 0
            standing.unknown = standing.complained = 0
        return standing

    def _remember(self, standing: Standing, days: int) -> None:
        """A night, or several: the day that ended counts when it was good; what was known fades."""
        fades: float = 0.5 ** (days * DAY / self.temper.forgets_half_in)
        if self._badness(standing) == 0:
            standing.known = max(standing.known, float(standing.taken))
        else:
            standing.known /= 2
        standing.known *= fades

    def _allowance(self, standing: Standing) -> float:
        slowed = 0.5 if self._badness(standing) else 1.0
        return max(float(self.temper.strangers_a_day), self.temper.growth * standing.known) * slowed

    def _badness(self, standing: Standing) -> int:
        """0 good, 1 slows, 2 closes the door."""
        if standing.offered < self.temper.judged_from:
            return 0
        complaints, unknown = standing.complained / max(1, standing.taken), standing.unknown / standing.offered
        shares = ((complaints, self.temper.complaints), (unknown, self.temper.unknown))
        return max(sum(share >= limit for limit in limits) for share, limits in shares)

    def _judge(self, now: float, name: str) -> None:
        standing = self.standings.get(name)
        if standing is not None and now >= standing.refused_until and self._badness(standing) == 2:
            many = standing.complained >= self.temper.complaints[1] * max(1, standing.taken)
            self._close(now, name, standing, DAY, "complaints" if many else "unknown people")

    def _is_over(self, now: float, standing: Standing) -> bool:
        while standing.hour and standing.hour[0] <= now - HOUR:
            standing.hour.popleft()
        allowed = self._allowance(standing)
        an_hour = max(float(self.temper.strangers_an_hour), self.temper.hour_share * allowed)
        return standing.offered >= allowed or len(standing.hour) >= an_hour

    def _loses_patience(self, now: float, name: str, standing: Standing) -> bool:
        standing.over.append(now)
        while standing.over and standing.over[0] <= now - HOUR:
            standing.over.popleft()
        if len(standing.over) <= self.temper.patience:
            return False
        standing.over.clear()
        self._close(now, name, standing, self.temper.refused_for, "too much, too fast")
        return True

    def _close(self, now: float, name: str, standing: Standing, seconds: float, why: str) -> None:
        standing.refused_until, standing.why = now + seconds, why
        standing.known /= 2
        self.blocks.append(Block(name, now, standing.refused_until, why))
