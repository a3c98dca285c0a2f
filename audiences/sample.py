"""People to try things out with: a list of nobody. They can never be mailed, and go again with one click.

They live at a domain that is reserved for examples, and every one of them is suppressed everywhere, for good: the gate
would refuse them even if somebody put them into a campaign. Nobody agreed to anything, so there are no consent events.
"""

from datetime import datetime

from django.db import connection, transaction
from django.db.models import ProtectedError

from audiences.keys import key_of
from audiences.models import ANYWHERE, MailingList, Subscriber, Subscription, Suppression
from audiences.suppress import SAMPLE

_LOCK = 0x5A3C1E
NAME = "Sample people"
DOMAIN = "sample.example"
FIRST = "Ada Bartek Chiara Daan Elif Farid Grace Hugo Ines Joana".split()
LAST = ("Almeida", "Berg", "Costa", "Nowak")


def add(*, now: datetime) -> MailingList:
    """The list with its forty people; the one there is, where it was made before."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            # Two clicks at once make one list: there is no row yet that could be locked.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        found = MailingList.objects.filter(is_sample=True).first()
        if found is not None:
            return found
        name = NAME if not MailingList.objects.filter(name=NAME).exists() else f"{NAME} ({now:%Y-%m-%d %H:%M:%S})"
        made = MailingList.objects.create(name=name, public_name=NAME, opt_in="single", is_sample=True)
        people = Subscriber.objects.bulk_create(_person(now, first, last) for last in LAST for first in FIRST)
        state = Subscription.State.SUBSCRIBED
        Subscription.objects.bulk_create(
            Subscription(subscriber=person, list=made, state=state, since=now, source=SAMPLE) for person in people
        )
        held = [
            Suppression(
                address_key=person.address_key,
                scope=ANYWHERE,
                reason=Suppression.Reason.MANUAL,
                source=SAMPLE,
                created_at=now,
            )
            for person in people
        ]
        # Whoever was erased is kept away already.
        Suppression.objects.bulk_create(held, ignore_conflicts=True)
        return made


def _person(now: datetime, first: str, last: str) -> Subscriber:
    email = f"{first}.{last}@{DOMAIN}".lower()
    fields = {"first_name": first, "last_name": last}
    return Subscriber(email=email, address_key=key_of(email), domain=DOMAIN, fields=fields, created_at=now)


def remove(*, now: datetime, list_id: int) -> None:
    """Take the sample people away. Their list goes too, or is archived where something still names it."""
    with transaction.atomic():
        row = MailingList.objects.select_for_update().get(pk=list_id, is_sample=True)
        people = Subscriber.objects.filter(subscriptions__list=row, domain=DOMAIN)
        Suppression.objects.filter(address_key__in=people.values("address_key"), source=SAMPLE).delete()
        Subscriber.objects.filter(pk__in=list(people.values_list("pk", flat=True))).delete()
        try:
            with transaction.atomic():
                row.delete()
        except ProtectedError:
            row.name, row.is_sample, row.archived_at = f"{row.name[:80]}, removed {now:%Y-%m-%d %H:%M:%S}", False, now
            row.save(update_fields=["name", "is_sample", "archived_at"])
