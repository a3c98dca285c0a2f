"""A guard against receivers that fall ill: many "no such mailbox" at once suppress nobody.

Providers' outages have refused whole campaigns with a false 550 5.1.1. Each such verdict is kept; when they come in far
more than is usual, a storm opens: those of its window are taken back, more are held, until a person or the time
decides. By themselves held verdicts become soft failures, so a mailbox that is really gone is suppressed another day.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Q, Sum

from audiences import activity
from audiences.models import ANYWHERE, Suppression
from audiences.suppress import take_reasons_away
from reputation.catalogue import catalogue
from reputation.models import Budget, DayTally, MailboxVerdict, Storm, Tally
from reputation.pure.replies import mask

log = logging.getLogger(__name__)

WINDOW = timedelta(minutes=15)
OPEN_FOR = timedelta(hours=24)
KEPT_FOR = timedelta(days=31)
# A storm: so many verdicts, and more than this share of what was sent there in the window …
AT_LEAST, SHARE = 50, 0.10
# … or fewer, at so many times the provider's mean share of 30 days, where that mean is of enough messages.
FEW, TIMES, LEAST_SHARE, MEAN_OF = 20, 5, 0.02, 1_000
_SPENDERS = (Budget.Kind.IP, Budget.Kind.ACCOUNT)
_LOCK_CLASS = 5_1_1

State = MailboxVerdict.State


@dataclass(frozen=True, slots=True)
class Gone:
    """A receiver says that this mailbox does not exist."""

    address_key: UUID
    domain: str
    mailing: int
    source: str
    evidence: dict[str, Any]


def take(*, now: datetime, provider: str, gone: Sequence[Gone], answered: int = 0, late: bool = False) -> int:
    """Suppress these mailboxes, or hold them while it storms. Returns how many were held.

    `answered`: messages of the caller that the tallies do not have yet. `late`: told after the message was taken, so
    that the share is one of a day's messages. Inside the caller's transaction.
    """
    if not gone:
        return 0
    _one_at_a_time(provider)
    storms = _open_storms(provider)
    verdicts = [_verdict(now, provider, one, storms) for one in gone]
    MailboxVerdict.objects.bulk_create(verdicts)
    if any(verdict.state == State.SUPPRESSED for verdict in verdicts):
        for domain in ("", *sorted({one.domain for one in gone})):
            if domain not in storms and (why := _why(now, provider, domain, answered, late=late)):
                storms[domain] = _begin(now, provider, domain, why)
    held = {
        row.pk for row in MailboxVerdict.objects.filter(pk__in=[v.pk for v in verdicts], state=State.HELD).only("pk")
    }
    for one, verdict in sorted(zip(gone, verdicts, strict=True), key=lambda pair: pair[0].address_key.bytes):
        if verdict.pk not in held:
            _suppress(now, verdict, one.evidence)
    return len(held)


def _verdict(now: datetime, provider: str, one: Gone, storms: dict[str, Storm]) -> MailboxVerdict:
    storm = storms.get("") or storms.get(one.domain)
    return MailboxVerdict(
        provider=provider[:120],
        domain=one.domain,
        address_key=one.address_key,
        mailing_ref=one.mailing,
        at=now,
        source=one.source[:120],
        # Receivers repeat the address in their replies, and whoever is erased must not stay here.
        evidence={key: mask(value) if isinstance(value, str) else value for key, value in one.evidence.items()},
        state=State.HELD if storm else State.SUPPRESSED,
        storm=storm,
    )


def _suppress(now: datetime, verdict: MailboxVerdict, evidence: dict[str, Any]) -> None:
    key, source = verdict.address_key, verdict.source
    if activity.hard_bounce(now=now, address_key=key, source=source, evidence=evidence):
        MailboxVerdict.objects.filter(pk=verdict.pk).update(was_news=True)


def _one_at_a_time(provider: str) -> None:
    """Two batches that end at once would each see less than there is. Only those with such verdicts wait."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCK_CLASS, provider])


def _open_storms(provider: str) -> dict[str, Storm]:
    return {storm.domain: storm for storm in Storm.objects.filter(provider=provider, state=Storm.State.OPEN)}


# When it storms


def _why(now: datetime, provider: str, domain: str, answered: int, *, late: bool) -> str:
    """Why it storms there, in a sentence; empty when it does not."""
    seen = MailboxVerdict.objects.filter(provider=provider, at__gt=now - WINDOW, state=State.SUPPRESSED)
    n = seen.filter(domain=domain).count() if domain else seen.count()
    if n < FEW:
        return ""
    if domain:
        return _why_at_domain(seen.filter(domain=domain), provider, domain, n)
    sent = max(_sent(now, provider, late=late) + answered, n)
    share = n / sent
    if n >= AT_LEAST and share > SHARE:
        return f"{n} mailboxes of {sent:,} messages were said not to exist within 15 minutes: {share:.0%}."
    usual = _usual_share(now, provider)
    if usual is not None and share > max(TIMES * usual, LEAST_SHARE):
        return f"{n} of {sent:,} messages within 15 minutes, {share:.1%}, where {usual:.1%} is usual over 30 days."
    return ""


def _why_at_domain(seen: Any, provider: str, domain: str, n: int) -> str:
    """Behind a gateway many domains are one provider: one that refuses everybody would not show in the whole."""
    row = catalogue().get(provider)
    if n < AT_LEAST or row.site_warm.per_hour is None or provider.startswith("other:"):
        return ""
    mailings = list(seen.values_list("mailing_ref", flat=True).distinct())
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE_AT, [mailings, domain])
        [people] = cursor.fetchone() or [0]
    share = n / max(people, n)
    return f"{n} mailboxes of {people:,} at {domain} were said not to exist within 15 minutes." if share > SHARE else ""


_PEOPLE_AT = "SELECT count(*) FROM sending_delivery WHERE mailing_id = ANY(%s) AND domain = %s"


def _sent(now: datetime, provider: str, *, late: bool) -> int:
    of_provider = {"budget__provider": provider, "budget__kind__in": _SPENDERS}
    if late:
        days = DayTally.objects.filter(**of_provider, day__gte=(now - timedelta(days=1)).date())
        return days.aggregate(n=Sum("sent"))["n"] or 0
    minutes = Tally.objects.filter(**of_provider, minute__gt=now - WINDOW - timedelta(minutes=1))
    return minutes.aggregate(n=Sum("sent"))["n"] or 0


def _usual_share(now: datetime, provider: str) -> float | None:
    """Unknown users of all messages over the last 30 whole days; None where they are too few to speak of a mean."""
    days = DayTally.objects.filter(
        budget__provider=provider,
        budget__kind__in=_SPENDERS,
        day__gte=(now - timedelta(days=30)).date(),
        day__lt=now.date(),
    )
    found = days.aggregate(sent=Sum("sent"), unknown=Sum("unknown_users"))
    return (found["unknown"] or 0) / found["sent"] if (found["sent"] or 0) >= MEAN_OF else None


def _begin(now: datetime, provider: str, domain: str, why: str) -> Storm:
    """Open it, and take back what the same storm has done before it was seen."""
    storm = Storm.objects.create(provider=provider[:120], domain=domain, began_at=now, until=now + OPEN_FOR, why=why)
    seen = MailboxVerdict.objects.filter(provider=provider, at__gt=now - WINDOW, state=State.SUPPRESSED)
    taken_back = seen.filter(domain=domain) if domain else seen
    for key in sorted(taken_back.filter(was_news=True).values_list("address_key", flat=True), key=lambda k: k.bytes):
        take_reasons_away(address_key=key, scopes=[ANYWHERE], reasons=[Suppression.Reason.BOUNCED])
    taken_back.update(state=State.HELD, storm=storm, was_news=False)
    log.warning("Storm at %s %s: %s Nobody is suppressed until somebody decides.", provider, domain, why)
    return storm


# How it ends


def decide(*, now: datetime, storm: Storm, believed: bool, actor: User | None, reason: str) -> bool:
    """End it: believed, its mailboxes are suppressed; else each counts as one soft failure. False: it had ended."""
    with transaction.atomic():
        _one_at_a_time(storm.provider)
        state = Storm.State.BELIEVED if believed else Storm.State.DISMISSED
        ended = Storm.objects.filter(pk=storm.pk, state=Storm.State.OPEN).update(
            state=state, decided_at=now, decided_by=actor, decision=reason[:300]
        )
        if not ended:
            return False
        held = MailboxVerdict.objects.filter(storm=storm, state=State.HELD)
        for verdict in sorted(held, key=lambda one: one.address_key.bytes):
            if believed:
                _suppress(now, verdict, verdict.evidence | {"storm": storm.pk, "believed": reason[:300]})
            else:
                _count_as_soft(now, verdict)
        held.update(state=State.SUPPRESSED if believed else State.DISMISSED)
    log.warning("Storm %s at %s ended: %s", storm.pk, storm.provider, state)
    storm.refresh_from_db()
    return True


def _count_as_soft(now: datetime, verdict: MailboxVerdict) -> None:
    activity.soft_failure(
        now=now,
        address_key=verdict.address_key,
        mailing_ref=verdict.mailing_ref,
        kind="rcpt_temp",
        evidence=verdict.evidence,
    )


def time_out(*, now: datetime) -> int:
    """Dismiss storms that nobody has decided in a day, forget verdicts of long ago. Returns how many were dismissed."""
    due = list(Storm.objects.filter(state=Storm.State.OPEN, until__lte=now))
    for storm in due:
        decide(now=now, storm=storm, believed=False, actor=None, reason="Nobody decided in 24 hours.")
    old = Q(at__lt=now - KEPT_FOR) & ~Q(storm__state=Storm.State.OPEN)
    MailboxVerdict.objects.filter(old).delete()
    return len(due)


def counts_of(storm: Storm) -> Counter[str]:
    """How many verdicts it has, by state."""
    states = MailboxVerdict.objects.filter(storm=storm).values_list("state", flat=True)
    return Counter(states)
