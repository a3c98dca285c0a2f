"""The figures of a demo run: what the receivers saw, what our tables say, and whether both agree for every person."""

from dataclasses import asdict, dataclass
from typing import Any

from django.db import connection

from config.demo import world
from config.demo.show import Show, complaints, everybody
from lab import ledger
from reputation.budgets import budgets_for, limits_of
from reputation.models import Budget
from reputation.workspace import zone
from sending.models import Batch, Mailing, MailingCount

# Personas of the lab by the lane that their people are in.
PERSONAS = {
    "google": "google",
    "microsoft": "microsoft",
    "m365": "m365",
    "yahoo": "yahoo",
    "apple": "apple",
    "gmx": "gmx",
    "orange": "orange",
    "mimecast": "mimecast",
    world.TAIL: "hosters",
}
# A message past its gate may still arrive for so long after an unsubscribe is committed.
PAST_THE_GATE = 1.0


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


def figures(show: Show, now: Any) -> dict[str, Any]:
    """The last line of `manage.py demo --once --json`."""
    mailing = show.mailing
    if mailing is None:
        raise RuntimeError("No campaign was sent.")
    mailing.refresh_from_db()
    path = show.stage.ledger
    counts = _counts(mailing)
    posts = [post for post in show.posts if post.status == 200]
    pending = {post.address: post.wall for post in posts if post.pending}
    return {
        "recipients": mailing.total,
        "excluded": mailing.n_excluded,
        "accepted": counts.get("accepted", 0),
        "bounced": sum(n for kind, n in counts.items() if kind.startswith("bounced_")),
        "skipped": counts.get("skipped", 0),
        "unknown": counts.get("unknown", 0),
        "blocked": counts.get("blocked", 0),
        "refused": counts.get("refused", 0),
        "deferred_then_accepted": _deferred_then_accepted(mailing),
        "receiver_messages": ledger.accepted_count(path, mailing=str(mailing.pk)),
        "receiver_duplicates": len(ledger.duplicates(path)),
        "one_click_posts": len(posts),
        "one_click_posts_pending": len(pending),
        "mailed_after_unsubscribe": _mailed_after(show, {post.address: post.wall for post in posts}, mailing),
        "mailed_after_pending": _mailed_after(show, pending, mailing, grace=0.0),
        "complaints_sent": ledger.reports(path).get("arf_sent", 0),
        "complaints_processed": complaints([mailing, show.earlier]),
        "states_sum_ok": _sums_hold(show, mailing, counts),
        "dkim_verified_share": round(ledger.dkim_verified_share(path), 6),
        "unsubscribe_signed_share": round(ledger.unsubscribe_signed_share(path), 6),
        "limit_violations": len(ledger.violations(path)),
        "time_factor": show.stage.factor,
        "lanes": {key: asdict(lane) for key, lane in lanes(show, mailing, now).items()},
        "kills": show.kills,
        "connections_open_at_kills": show.open_at_kills,
        "seconds": round(show.seconds, 1),
    }


def failures(figures: dict[str, Any], chaos: bool) -> list[str]:
    """What a run must not show, in words; nothing when all is well."""
    wanted = {
        "a receiver got a message twice": figures["receiver_duplicates"] == 0,
        "somebody was mailed after unsubscribing": not figures["mailed_after_unsubscribe"]
        and not figures["mailed_after_pending"],
        "a receiver saw a limit exceeded": figures["limit_violations"] == 0,
        "a signature did not verify": figures["dkim_verified_share"] == 1.0,
        "our tables and the receivers disagree": figures["states_sum_ok"],
        "a lane was over its limit": all(Lane(**lane).kept for lane in figures["lanes"].values()),
        "more is unknown than connections were open": figures["unknown"] <= figures["connections_open_at_kills"],
    }
    return [sentence for sentence, fine in wanted.items() if not fine]


def _counts(mailing: Mailing) -> dict[str, int]:
    found: dict[str, int] = {}
    for kind, n in MailingCount.objects.filter(mailing=mailing).values_list("kind", "n"):
        found[kind] = found.get(kind, 0) + n
    return found


def _deferred_then_accepted(mailing: Mailing) -> int:
    return _scalar(
        """
        SELECT count(*) FROM sending_outcome a WHERE a.mailing_id = %s AND a.kind = 'accepted'
        AND EXISTS (SELECT 1 FROM sending_outcome d WHERE d.mailing_id = a.mailing_id AND d.delivery = a.delivery
                    AND d.kind = 'deferred')
        """,
        mailing.pk,
    )


def _scalar(sql: str, *params: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int((cursor.fetchone() or (0,))[0])


def _mailed_after(show: Show, since: dict[str, float], mailing: Mailing, grace: float = PAST_THE_GATE) -> int:
    """Messages of this mailing that reached people after they had been told that they are unsubscribed."""
    late = {address: wall + grace for address, wall in since.items()}
    return sum(
        1 for row in ledger.dots_after(show.stage.ledger, since=late) if str(row.get("mailing")) == str(mailing.pk)
    )


def _sums_hold(show: Show, mailing: Mailing, counts: dict[str, int]) -> bool:
    """People = chosen + left out; chosen = outcomes; and for each person both sides agree."""
    final = ("accepted", "bounced_hard", "bounced_soft", "bounced_policy", "blocked", "refused", "skipped", "unknown")
    if mailing.total + mailing.n_excluded != everybody():
        return False
    if sum(counts.get(kind, 0) for kind in final) != mailing.total:
        return False
    return not disagreements(show, mailing)


def disagreements(show: Show, mailing: Mailing) -> list[tuple[str, str, int]]:
    """(address, our final outcome, messages the receiver accepted) where the two do not fit."""
    took = ledger.accepted_recipients(show.stage.ledger, mailing=str(mailing.pk))
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


def lanes(show: Show, mailing: Mailing, now: Any) -> dict[str, Lane]:
    """Every provider that got mail, under our key for it."""
    path = show.stage.ledger
    windows = ledger.largest_dot_window(path)
    connections = ledger.most_connections(path)
    sizes = ledger.most_messages_per_connection(path)
    found: dict[str, Lane] = {}
    for key, persona in PERSONAS.items():
        batches = Batch.objects.filter(mailing=mailing, provider=key, n_sent__gt=0).count()
        if not batches:
            continue
        limits = _limits(key, now)
        found[key] = Lane(
            batches=batches,
            largest_batch=sizes.get(persona, 0),
            limit_batch=_least(limits["batch_size"], limits["per_connection"]),
            max_per_minute=windows.get((persona, world.ADDRESS), 0),
            limit_per_minute=limits["per_minute"],
            max_connections=connections.get((persona, world.ADDRESS), 0),
            limit_connections=limits["connections"],
        )
    return found


def _limits(provider: str, now: Any) -> dict[str, int | None]:
    """The lowest of what the address and the domain may spend at a provider."""
    names = ("per_minute", "connections", "batch_size", "per_connection")
    scopes = [(Budget.Kind.IP, world.ADDRESS), (Budget.Kind.DKIM_DOMAIN, world.DOMAIN)]
    budgets = budgets_for(now=now, kind_scopes=[(str(kind), scope) for kind, scope in scopes], provider=provider)
    known = [limits_of(budget, now=now, zone=zone()) for budget in budgets]
    return {name: _least(*(getattr(limits, name) for limits in known)) for name in names}


def _least(*values: int | None) -> int | None:
    known = [value for value in values if value is not None]
    return min(known) if known else None
