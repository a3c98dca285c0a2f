"""What a receiver's reply about *us* does to a budget: whom it means, how long to be silent, and the way back up.

Classes, scopes and durations: Google's page 81126 publishes the ladder (stop 10 minutes or more, one connection, then
one more at a time); the rest is our proposal.
"""

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Protocol


class Verdict(Protocol):
    """The parts of a classified reply that matter here."""

    @property
    def class_(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def rule_id(self) -> str: ...
    @property
    def enhanced(self) -> str | None: ...
    @property
    def retry_hint_seconds(self) -> float | None: ...


RATE = "rate"
CONNECTIONS = "conn_limit"
# Not mended by waiting a little: hours, longer each time within two days.
HELD = {"reputation", "blocklist", "auth", "tls", "ptr", "config", "smarthost", "bug"}
HOLDS = (timedelta(hours=2), timedelta(hours=4), timedelta(hours=12))

# A scope names budget kinds; campaign, conn, rcpt and unknown name none of ours.
KINDS = {
    "ip": {"ip"},
    "netblock": {"ip"},
    "dkim": {"dkim_domain"},
    "dkim_domain": {"dkim_domain"},
    "domain": {"dkim_domain"},
    "mailfrom": {"dkim_domain"},
    "mailfrom_domain": {"dkim_domain"},
    "url_domain": {"dkim_domain"},
    "route": {"ip", "account"},
    "account": {"account"},
    "rcpt_domain": {"recipient_domain"},
}

HINT_GRACE = timedelta(seconds=10)
LONGEST_STOP = timedelta(hours=24)
CONNECTION_STOP = timedelta(hours=1)
STEP = timedelta(minutes=15)
# A slow-down costs half of the rate when every connection hears of it, and less the fewer do; a clean step gives a
# tenth of the normal rate back. After a hold it begins at a quarter.
CUT, GAIN, AFTER_HOLD, LEAST_SHARE = 0.5, 0.1, 0.25, 0.05
# So many messages are accepted for one connection more, before the step is over.
PER_CONNECTION = 50
# Step 1 is the probe: one message over one connection.
PROBE = 1


@dataclass(frozen=True, slots=True)
class Step:
    """One rung on the way back. `rate_share`: of the normal rate, on the probe that which comes after it.
    `connection_cap` None: as many as the limits allow."""

    number: int
    rate_share: float
    connection_cap: int | None


def kinds_named(scope: str) -> set[str]:
    """The budget kinds a reply's scope means: `ip+dkim+mailfrom` → {"ip", "dkim_domain"}."""
    return {kind for part in scope.split("+") for kind in KINDS.get(part, ())}


def is_about_us(class_: str) -> bool:
    """Does a class slow or stop a budget at all?"""
    return class_ in HELD or class_ in {RATE, CONNECTIONS}


def silence(verdict: Verdict, *, stop_minutes: float, holds_before: int, time_factor: float) -> timedelta:
    """How long nothing may leave after a reply. A number in a rate reply wins over the provider's own stop.

    `holds_before`: holds of the same budget in the last two days. `time_factor` divides, for demonstrations.
    """
    if verdict.class_ in HELD:
        wait = HOLDS[min(holds_before, len(HOLDS) - 1)]
    elif verdict.retry_hint_seconds:
        wait = timedelta(seconds=verdict.retry_hint_seconds) + HINT_GRACE
    else:
        wait = timedelta(minutes=stop_minutes)
    return min(wait, LONGEST_STOP) / time_factor


def share_after(*, before: float, heard: int, window: int) -> float:
    """The share of the rate to come back to, after `heard` of the `window` connections were told to slow down.

    One reply at twenty connections costs a fortieth of the rate, one at a single connection half of it; a storm over
    all of them half as well.
    """
    told = min(1.0, heard / max(1, window))
    return max(LEAST_SHARE, before * (1 - CUT * told))


def step_up(number: int, rate_share: float, connection_cap: int | None, connections: int | None) -> Step | None:
    """The step after a clean one; None when nothing is held back any more.

    `number` 0 is the stop itself: the step after it is the probe. `connections` is the limit in good times.
    """
    if number == 0:
        return Step(PROBE, rate_share, 1)
    share = rate_share if number == PROBE else min(1.0, round(rate_share + GAIN, 6))
    cap = None if connection_cap is None else connection_cap + 1
    if cap is not None and cap >= (connections or 1):
        cap = None
    return None if share >= 1.0 and cap is None else Step(number + 1, share, cap)


def in_one_netblock(one: str, other: str) -> bool:
    """Are both addresses of one /24, or /64 of IPv6? So receivers count a "netblock"."""
    try:
        first, second = ip_address(one), ip_address(other)
    except ValueError:
        return False
    length = 24 if first.version == 4 else 64
    return first.version == second.version and second in ip_network(f"{first}/{length}", strict=False)
