"""What sending tells about people: who reads, whose mailbox fails, who complains."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from audiences.models import ANYWHERE, ConsentEvent, SoftFailure, Suppression
from audiences.pure.soft_failures import Failure, verdict
from audiences.suppress import suppress

# "Engaged" orders people by days; writing it for every open would cost a row version each.
ONCE_IN = timedelta(days=1)


def engaged(*, at: Mapping[int, datetime]) -> int:
    """These people (by id) opened or clicked then. Returns how many rows were written: at most one a person and day.

    Rows somebody else holds are passed over: an open is not worth waiting for an import.
    """
    if not at:
        return 0
    params: dict[str, Any] = {"ids": list(at), "times": list(at.values()), "once_in": ONCE_IN}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ENGAGED, params)
        written: int = cursor.rowcount
        cursor.execute(_FORGET_FAILURES_OF, params)
        return written


_ENGAGED = """
UPDATE audiences_subscriber s SET last_engaged_at = news.at
FROM (SELECT s.id, t.at FROM unnest(%(ids)s::bigint[], %(times)s::timestamptz[]) AS t (id, at)
      JOIN audiences_subscriber s ON s.id = t.id
      WHERE s.last_engaged_at IS NULL OR s.last_engaged_at < t.at - %(once_in)s
      ORDER BY s.id FOR NO KEY UPDATE OF s SKIP LOCKED) news
WHERE s.id = news.id
"""

_FORGET_FAILURES_OF = """
DELETE FROM audiences_softfailure WHERE id IN (
    SELECT f.id FROM unnest(%(ids)s::bigint[], %(times)s::timestamptz[]) AS t (id, at)
    JOIN audiences_subscriber s ON s.id = t.id
    JOIN audiences_softfailure f ON f.address_key = s.address_key AND f.at <= t.at
    ORDER BY f.id FOR UPDATE OF f SKIP LOCKED)
"""


def delivered(*, now: datetime, address_keys: Iterable[UUID]) -> int:
    """Mail reached these mailboxes: their soft failures up to `now` are forgotten. Returns how many were."""
    forgotten, _ = SoftFailure.objects.filter(address_key__in=list(address_keys), at__lte=now).delete()
    return forgotten


def soft_failure(
    *, now: datetime, address_key: UUID, mailing_ref: int, kind: str, evidence: Mapping[str, Any] | None = None
) -> bool:
    """A mailing did not reach the mailbox for a soft reason; counted once per mailing. True when this suppresses it.

    `kind` is the reply class (full, rcpt_temp, misroute, expired, inactive, unclassified). Never for replies about us.
    """
    with transaction.atomic():
        row = SoftFailure(address_key=address_key, mailing_ref=mailing_ref, kind=kind[:20], at=now)
        SoftFailure.objects.bulk_create([row], ignore_conflicts=True)
        failures = SoftFailure.objects.filter(address_key=address_key).order_by("at")
        why = verdict(now, [Failure(kind=failure.kind, at=failure.at) for failure in failures])
        if not why:
            return False
        mailings = [{"mailing": f.mailing_ref, "kind": f.kind, "at": f.at.isoformat()} for f in failures]
        return hard_bounce(
            now=now,
            address_key=address_key,
            source="soft failures",
            evidence={**(evidence or {}), "why": why, "failures": mailings},
        )


def hard_bounce(
    *, now: datetime, address_key: UUID, source: str = "bounce", evidence: Mapping[str, Any] | None = None
) -> bool:
    """The mailbox does not exist. True when that is news. `evidence`: the raw reply, the rule, the mailing."""
    return suppress(
        now=now,
        address_key=address_key,
        scope=ANYWHERE,
        reason=Suppression.Reason.BOUNCED,
        source=source,
        evidence=evidence,
    )


def complaint(
    *, now: datetime, address_key: UUID, source: str = "complaint", evidence: Mapping[str, Any] | None = None
) -> bool:
    """The person called it spam: nothing goes there any more, for good. True when that is news."""
    with transaction.atomic():
        news = suppress(
            now=now,
            address_key=address_key,
            scope=ANYWHERE,
            reason=Suppression.Reason.COMPLAINED,
            source=source,
            evidence=evidence,
        )
        if news:
            kind = ConsentEvent.Kind.COMPLAINED
            ConsentEvent.objects.create(subject_key=address_key, kind=kind, basis=source[:200], at=now)
        return news
