"""The figures of a demo run: what the receivers saw, what our tables say, and whether both agree for every person."""

from dataclasses import asdict
from typing import Any

from django.db import connection
from django.db.models import Count

from config.demo import world
from config.demo.agreement import FINAL, Lane, counts_of, disagreements, lanes
from config.demo.show import Show, complaints, everybody
from lab import ledger
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


def figures(show: Show, now: Any) -> dict[str, Any]:
    """The last line of `manage.py demo --once --json`."""
    mailing = show.mailing
    if mailing is None:
        raise RuntimeError("No campaign was sent.")
    mailing.refresh_from_db()
    path = show.stage.ledger
    counts = counts_of(mailing)
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
        "opened": _n(mailing, "opened"),
        "clicked": _n(mailing, "clicked"),
        "complaints_sent": ledger.reports(path).get("arf_sent", 0),
        "complaints_processed": complaints([mailing, show.earlier]),
        "states_sum_ok": _sums_hold(show, mailing, counts),
        "dkim_verified_share": round(ledger.dkim_verified_share(path), 6),
        "unsubscribe_signed_share": round(ledger.unsubscribe_signed_share(path), 6),
        "limit_violations": len(ledger.violations(path)),
        "time_factor": show.stage.factor,
        "lanes": {key: asdict(lane) for key, lane in _lanes(show, mailing, now).items()},
        "kills": show.kills,
        "connections_open_at_kills": show.open_at_kills,
        "seconds": round(show.seconds, 1),
    }


def _n(mailing: Mailing, kind: str) -> int:
    return sum(MailingCount.objects.filter(mailing=mailing, kind=kind).values_list("n", flat=True))


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
    if mailing.total + mailing.n_excluded != everybody():
        return False
    if sum(counts.get(kind, 0) for kind in FINAL) != mailing.total:
        return False
    return not disagreements(show.stage.ledger, mailing)


def _lanes(show: Show, mailing: Mailing, now: Any) -> dict[str, Lane]:
    sent = Batch.objects.filter(mailing=mailing, n_sent__gt=0).values_list("provider").annotate(n=Count("pk"))
    return lanes(
        show.stage.ledger, batches=dict(sent), personas=PERSONAS, ip=world.ADDRESS, domain=world.DOMAIN, now=now
    )
