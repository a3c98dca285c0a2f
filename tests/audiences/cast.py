"""People and lists for the tests of this floor."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import connection

from audiences import consent
from audiences.audience_sql import audience
from audiences.keys import key_of
from audiences.models import MailingList, Subscriber, Subscription, Suppression
from audiences.querysets import state_by_events

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def make_list(name="News", opt_in="single"):
    return MailingList.objects.create(name=name, public_name=name, opt_in=opt_in)


def reader(email="jane@x.example", *lists, now=NOW):
    """A person subscribed to these lists, with the events that say so."""
    for mailing_list in lists:
        consent.subscribe(now=now, email=email, list_id=mailing_list.pk, source="form", basis="form")
        person = Subscriber.objects.get(email=email)
        consent.confirm(now=now, subscriber_id=person.pk, list_id=mailing_list.pk)
    person, _ = Subscriber.objects.get_or_create(
        address_key=key_of(email), defaults={"email": email, "domain": email.partition("@")[2]}
    )
    return person


def states(person):
    return dict(Subscription.objects.filter(subscriber=person).values_list("list__name", "state"))


def suppressions(email):
    return set(Suppression.objects.filter(address_key=key_of(email)).values_list("scope", "reason"))


def assert_events_tell_the_rows(person):
    """The fold of the consent events equals the Subscription rows, `since` included."""
    told = {list_id: (s.state, s.since) for list_id, s in state_by_events(person.address_key).items()}
    rows = Subscription.objects.filter(subscriber=person).values_list("list_id", "state", "since")
    assert told == {list_id: (state, since) for list_id, state, since in rows}


class Breakdown(NamedTuple):
    total: int
    mailable: int


def breakdown(*, included, excluded=(), scopes):
    """How many the query yields, and how many of them may be written to."""
    query = audience(included=included, excluded=excluded, scopes=scopes)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*), count(*) FILTER (WHERE reason IS NULL) FROM ({query.sql}) a", query.params)
        return Breakdown(*cursor.fetchone())
