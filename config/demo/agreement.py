"""Do the receivers and our tables say the same? Their ledger joined with our rows, person by person, and their clocks
with our limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import connection

from lab import ledger
from reputation.budgets import budgets_for, limits_of
from reputation.models import Budget
from reputation.workspace import zone
from sending.models import Mailing, MailingCount

FINAL = ("accepted", "bounced_hard", "bounced_soft", "bounced_policy", "blocked", "refused", "skipped", "unknown")


def counts_of(mailing: Mailing) -> dict[str, int]:
    """What the mailing's counters say, by kind of outcome."""
    found: dict[str, int] = {}
    for kind, n in MailingCount.objects.filter(mailing=mailing).values_list("kind", "n"):
        found[kind] = found.get(kind, 0) + n
    return found


def disagreements(path: Path, mailing: Mailing) -> list[tuple[str, str, int]]:
    """(address, our final outcome, messages the receiver accepted) where the two do not fit."""
    took = ledger.accepted_recipients(path, mailing=str(mailing.pk))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.email, o.kind FROM sending_delivery d
            JOIN audiences_subscriber s ON s.id = d.subscriber_id
            LEFT JOIN LATERAL (SELECT kind FROM sending_outcome x WHERE x.mailing_id = d.mailing_id
                               AND x.delivery = d.id ORDER BY attempt DESC LIMIT 1) o ON true
            WHERE d.mailing_id = %s
            """,
            [mailing.pk],
        )
        rows = cursor.fetchall()
    return [(email, kind or "none", took[email]) for email, kind in rows if not _fits(kind, took[email])]


def _fits(kind: str | None, accepted: int) -> bool:
    """Unknown is honest either way; everything else must be what the receiver says."""
    if kind == "accepted":
        return accepted == 1
    return (kind == "unknown" and accepted <= 1) or (kind not in (None, "deferred", "unknown") and accepted == 0)


@dataclass
class Lane:
    """One provider: what the receivers counted, and what was allowed."""

    batches: int
    largest_batch: int
    limit_batch: int | None
    max_per_minute: int
    limit_per_minute: int | None
    max_connections: int
    limit_connections: int | None

    @property
    def kept(self) -> bool:
        pairs = (
            (self.largest_batch, self.limit_batch),
            (self.max_per_minute, self.limit_per_minute),
            (self.max_connections, self.limit_connections),
        )
        return all(limit is None or seen <= limit for seen, limit in pairs)


def lanes(
    path: Path, *, batches: Mapping[str, int], personas: Mapping[str, str], ip: str, domain: str, now: datetime
) -> dict[str, Lane]:
    """Every provider that got mail (`batches`: how many), under our key for it; `personas`: the lab's name for it."""
    windows = ledger.largest_dot_window(path)
    connections = ledger.most_connections(path)
    sizes = ledger.most_messages_per_connection(path)
    found: dict[str, Lane] = {}
    for key, persona in personas.items():
        if not batches.get(key):
            continue
        limits = _limits(key, ip=ip, domain=domain, now=now)
        found[key] = Lane(
            batches=batches[key],
            largest_batch=sizes.get(persona, 0),
            limit_batch=_least(limits["batch_size"], limits["per_connection"]),
            max_per_minute=windows.get((persona, ip), 0),
            limit_per_minute=limits["per_minute"],
            max_connections=connections.get((persona, ip), 0),
            limit_connections=limits["connections"],
        )
    return found


def _limits(provider: str, *, ip: str, domain: str, now: datetime) -> dict[str, int | None]:
    """The lowest of what the address and the domain may spend at a provider."""
    names = ("per_minute", "connections", "batch_size", "per_connection")
    scopes = [(str(Budget.Kind.IP), ip), (str(Budget.Kind.DKIM_DOMAIN), domain)]
    budgets = budgets_for(now=now, kind_scopes=scopes, provider=provider)
    known = [limits_of(budget, now=now, zone=zone()) for budget in budgets]
    return {name: _least(*(getattr(limits, name) for limits in known)) for name in names}


def _least(*values: int | None) -> int | None:
    known = [value for value in values if value is not None]
    return min(known) if known else None
