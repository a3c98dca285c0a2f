"""What a receiver counts: rolling windows, connections, runs of messages without a pause. All take `now` in seconds."""

from collections import Counter, deque
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Violation:
    """A client went over a cap. `observed` includes the attempt that was one too many; there is no tolerance."""

    what: str
    scope: str
    observed: float
    limit: float


class RollingCount:
    """Events within the last `seconds`, exactly; an event exactly `seconds` old is no longer within."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._instants: deque[float] = deque()

    def add(self, now: float) -> None:
        self._instants.append(now)

    def count(self, now: float) -> int:
        while self._instants and self._instants[0] <= now - self.seconds:
            self._instants.popleft()
        return len(self._instants)


class Windows:
    """Rolling counts by scope (an IP, a DKIM domain, a recipient domain)."""

    def __init__(self, what: str, seconds: float) -> None:
        self.what = what
        self.seconds = seconds
        self._counts: dict[str, RollingCount] = {}

    def excess(self, *, scope: str, limit: float, now: float) -> Violation | None:
        """The violation one more event would be, or None. A limit of 0 is no limit."""
        if not limit:
            return None
        observed = self._of(scope).count(now) + 1
        return Violation(self.what, scope, observed, limit) if observed > limit else None

    def add(self, *, scope: str, now: float) -> None:
        self._of(scope).add(now)

    def _of(self, scope: str) -> RollingCount:
        if scope not in self._counts:
            self._counts[scope] = RollingCount(self.seconds)
        return self._counts[scope]


class Runs:
    """Messages of one connection since its last pause of at least `pause` seconds."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._length = 0

    def excess(self, *, scope: str, limit: float, pause: float, now: float) -> Violation | None:
        if not limit:
            return None
        observed = self._length_at(now, pause) + 1
        return Violation("batch", scope, observed, limit) if observed > limit else None

    def add(self, *, pause: float, now: float) -> None:
        self._length = self._length_at(now, pause) + 1
        self._last = now

    def _length_at(self, now: float, pause: float) -> int:
        paused = self._last is None or (pause > 0 and now - self._last >= pause)
        return 0 if paused else self._length


@dataclass
class Counts:
    """Everything one persona remembers about its clients."""

    connections: Counter[str] = field(default_factory=Counter)
    ip_minute: Windows = field(default_factory=lambda: Windows("rate_ip_minute", 60))
    ip_hour: Windows = field(default_factory=lambda: Windows("rate_ip_hour", 3600))
    dkim_minute: Windows = field(default_factory=lambda: Windows("rate_dkim_minute", 60))
    domain_hour: Windows = field(default_factory=lambda: Windows("rate_recipient_domain_hour", 3600))
    bursts: dict[str, RollingCount] = field(default_factory=dict)
    greylisted: dict[tuple[str, str, str], float] = field(default_factory=dict)
    deferred: Counter[str] = field(default_factory=Counter)

    def burst_excess(self, *, ip: str, messages: float, seconds: float, now: float) -> Violation | None:
        """More than `messages` from one IP within `seconds`."""
        if not messages:
            return None
        observed = self._burst(ip, seconds).count(now) + 1
        return Violation("burst", ip, observed, messages) if observed > messages else None

    def add_to_burst(self, *, ip: str, seconds: float, now: float) -> None:
        self._burst(ip, seconds).add(now)

    def _burst(self, ip: str, seconds: float) -> RollingCount:
        burst = self.bursts.setdefault(ip, RollingCount(seconds))
        burst.seconds = seconds
        return burst
