"""What the planner asks of live batches: a longer gap, or to end at their next gate. Never a shorter gap: batches are
short, and the next one starts with the new pace."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sending.pure.accounts import Account, fewest_connections
from sending.pure.lanes import TRANSACTIONAL, Lane, LiveBatch
from sending.pure.windows import LONGEST_GAP, SLOWEST_RATE, paced_rate

# A batch whose messages take this much longer than its gap leaves the rest of its rate to others.
LAGS_BY = 1.5
JUDGED_AFTER_SECONDS = 10.0
JUDGED_AFTER_DOTS = 3
TOLERANCE = 1e-6


def cut_down(accounts: Mapping[int, Account]) -> tuple[dict[int, float], set[int]]:
    """Edits and yields that bring live batches back under limits that were lowered, or under a hold."""
    edits: dict[int, float] = {}
    yields: set[int] = set()
    for account in accounts.values():
        if not account.live:
            continue
        active = [batch for batch in account.live if batch.outstanding > 0]
        if account.held:
            yields.update(batch.id for batch in active)
            continue
        yields.update(_over_connections(account, active))
        for batch, gap in _longer_gaps(account, active):
            edits[batch.id] = max(gap, edits.get(batch.id, 0.0))
            if gap > LONGEST_GAP:
                yields.add(batch.id)
    if yields:
        yields -= {batch.id for account in accounts.values() for batch in account.live if batch.yielding}
    return edits, yields


def _over_connections(account: Account, active: list[LiveBatch]) -> list[int]:
    """The batches that must go when fewer connections are allowed: marketing first, the longest first."""
    excess = -account.connections
    if excess <= 0:
        return []
    order = sorted(active, key=lambda batch: (batch.stream == TRANSACTIONAL, not batch.yielding, -batch.outstanding))
    return [batch.id for batch in order[:excess]]


def _longer_gaps(account: Account, active: list[LiveBatch]) -> list[tuple[LiveBatch, float]]:
    """New gaps in seconds when the live batches have more than the rate of this account; else nothing."""
    if account.slow:
        each = [batch for batch in active if batch.size > 1 and batch.gap <= LONGEST_GAP]
        return [(batch, account.slow_gap * len(active)) for batch in each]
    paced = [batch for batch in active if batch.gap > 0 or batch.stream != TRANSACTIONAL]
    if not account.fast or not paced:
        return []
    allowed = paced_rate(account.budget.kind, account.limits.per_minute or 0, len(paced), account.margins)
    allowed = max(allowed, SLOWEST_RATE / 2)
    if any(batch.gap <= 0 for batch in paced):
        return [(batch, 60 * len(paced) / allowed) for batch in paced]
    spent = sum(60 / batch.gap for batch in paced)
    return [(batch, batch.gap * spent / allowed) for batch in paced] if spent > allowed + TOLERANCE else []


def make_room(
    now: datetime, accounts: Mapping[int, Account], wanted: Iterable[Lane], edits: Mapping[int, float]
) -> dict[int, float]:
    """Take from live batches the rate they cannot use (the receiver is slower than expected), where others wait."""
    found: dict[int, float] = {}
    for lane in wanted:
        spent = [accounts[key] for key in lane.budgets]
        connections = fewest_connections(spent)
        for account in spent:
            if account.fast and account.takes(transactional=False) and not account.rate_for(lane.seconds, connections):
                for batch in account.live:
                    gap = _honest_gap(batch, now)
                    if gap and batch.id not in edits and batch.id not in found:
                        found[batch.id] = gap
                        _slow_down(batch, gap, accounts)
    return found


def _honest_gap(batch: LiveBatch, now: datetime) -> float | None:
    """The gap, in seconds, at which a batch really goes, when that is much longer than the one it holds."""
    lasted = (now - batch.not_before).total_seconds() + batch.gap
    if batch.gap <= 0 or batch.sent < JUDGED_AFTER_DOTS or lasted < JUDGED_AFTER_SECONDS or batch.yielding:
        return None
    real = lasted / batch.sent
    return min(real * 1.1, LONGEST_GAP) if LAGS_BY * batch.gap < min(real, LONGEST_GAP) else None


def _slow_down(batch: LiveBatch, gap: float, accounts: Mapping[int, Account]) -> None:
    for key in batch.budgets:
        if key in accounts:
            accounts[key].slow_down(old_gap=batch.gap, new_gap=gap)


def in_the_way(account: Account, seconds: float, connections: int, already: set[int]) -> set[int]:
    """One marketing batch whose end lets transactional mail go, unless one is about to end or it would not help."""
    if account.held or account.window(transactional=True) <= 0 or _has_room(account, seconds, connections):
        return set()
    if any(batch.yielding or batch.id in already for batch in account.live):
        return set()
    marketing = [batch for batch in account.live if batch.stream != TRANSACTIONAL and batch.outstanding > 1]
    longest = max(marketing, key=lambda batch: (batch.outstanding, -batch.id), default=None)
    return set() if longest is None else {longest.id}


def _has_room(account: Account, seconds: float, connections: int) -> bool:
    paced = account.fast and account.express <= 0 and not account.rate_for(seconds, connections)
    return account.connections > 0 and account.burst > 0 and not paced
