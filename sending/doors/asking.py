"""What may be asked for by mail, how often, and for how long the mailed link is good."""

from datetime import datetime, timedelta
from uuid import UUID

from audiences import privacy_requests
from audiences.models import Subscriber
from sending.models import AskedMail

Kind = AskedMail.Kind

# More is asked by programs, or by somebody who wants to fill another's mailbox.
APART = timedelta(minutes=10)
A_DAY = 3
FROM_ONE_IP_AN_HOUR = 20
GOOD_FOR = {Kind.ADDRESS: timedelta(days=1), Kind.EXPORT: timedelta(minutes=30), Kind.ERASE: timedelta(minutes=30)}
KEPT = timedelta(days=2)


def ask_for_links(*, now: datetime, address_key: UUID, ip: str | None, language: str) -> bool:
    """Have the link to the page of choices mailed to an address, if we know it. Says nothing about whether we do.

    The same work for known and unknown addresses; False when it was asked too often. `tasks` mail it.
    """
    return _ask(AskedMail(kind=Kind.LINKS, address_key=address_key, ip=ip, language=language, asked_at=now))


def ask_of_person(
    *, now: datetime, kind: str, subscriber_id: int, ip: str | None, language: str, email: str = ""
) -> bool:
    """Have a link mailed that changes the address (to `email`), exports or erases. False: too often, or nobody."""
    person = Subscriber.objects.filter(pk=subscriber_id).first()
    if person is None:
        return False
    privacy_requests.asked(now=now, address_key=person.address_key, kind=kind)
    return _ask(
        AskedMail(
            kind=kind,
            address_key=person.address_key,
            subscriber_id=subscriber_id,
            email=email,
            ip=ip,
            language=language,
            asked_at=now,
        )
    )


def _ask(row: AskedMail) -> bool:
    if _is_too_often(row):
        return False
    row.due_at = row.asked_at
    row.save()
    return True


def _is_too_often(row: AskedMail) -> bool:
    now = row.asked_at
    alike = AskedMail.objects.filter(address_key=row.address_key, kind=row.kind)
    from_there = AskedMail.objects.filter(ip=row.ip, asked_at__gt=now - timedelta(hours=1))
    counts = [
        alike.filter(asked_at__gt=now - APART).count() >= 1,
        alike.filter(asked_at__gt=now - timedelta(days=1)).count() >= A_DAY,
        row.ip is not None and from_there.count() >= FROM_ONE_IP_AN_HOUR,
    ]
    return any(counts)


def still_good(*, now: datetime, asked: int) -> AskedMail | None:
    """The row behind a mailed link, while that is good."""
    row = AskedMail.objects.filter(pk=asked).first()
    return row if row is not None and now - row.asked_at <= GOOD_FOR.get(Kind(row.kind), KEPT) else None
