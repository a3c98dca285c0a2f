import random

import pytest
from django.db import connection

from audiences import consent
from audiences.audience_sql import audience
from audiences.choosing import Chosen
from audiences.models import Subscriber
from audiences.suppress import suppress
from tests.audiences.cast import HOUR, NOW, breakdown, make_list, reader

pytestmark = pytest.mark.django_db
SCOPES = ["*", "stream:marketing"]


def chosen(included, excluded=()):
    """`{email: list name or reason}` as the query says."""
    query = audience(included=[one.pk for one in included], excluded=[one.pk for one in excluded], scopes=SCOPES)
    names = {one.pk: one.name for one in included}
    with connection.cursor() as cursor:
        cursor.execute(query.sql, query.params)
        assert [column.name for column in cursor.description] == [
            "subscriber_id", "address_key", "domain", "via_list", "engaged_at", "to_address", "reason",
        ]  # fmt: skip
        rows = cursor.fetchall()
    emails = dict(Subscriber.objects.values_list("pk", "email"))
    assert len(rows) == len({row[0] for row in rows})
    assert all((row[3] is None) == (row[6] is not None) for row in rows)
    return {emails[row[0]].partition("@")[0]: row[6] or names[row[3]] for row in rows}


def leave(person, *lists, **more):
    consent.unsubscribe(
        now=NOW + HOUR, subscriber_id=person.pk, list_ids=[one.pk for one in lists], source="test", **more
    )


def test_everybody_is_chosen_once_through_the_lowest_list_or_left_out_with_the_reason():
    news, offers, staff = make_list(), make_list("Offers"), make_list("Staff")
    double = make_list("Double", "double")
    reader("both@x.example", news, offers)
    reader("offers-only@x.example", offers)
    leave(reader("left-news@x.example", news, offers), news)
    leave(reader("left-both@x.example", news, offers), news, offers)
    leave(reader("left-all@x.example", news), everywhere=True)
    leave(reader("left-stream@x.example", news), stream_too=True)
    reader("colleague@x.example", news, staff)
    consent.subscribe(now=NOW, email="waits@x.example", list_id=double.pk, source="form")
    consent.subscribe(now=NOW, email="waits-but@x.example", list_id=double.pk, source="form")
    reader("waits-but@x.example", news)
    for reason in ("bounced", "complained", "manual"):
        person = reader(f"{reason}@x.example", news, offers)
        suppress(now=NOW, address_key=person.address_key, scope="*", reason=reason, source="test")
    person = reader("blocked-on-news@x.example", news)
    suppress(now=NOW, address_key=person.address_key, scope=f"list:{news.pk}", reason="manual", source="test")
    person = reader("blocked-on-news-has-offers@x.example", news, offers)
    suppress(now=NOW, address_key=person.address_key, scope=f"list:{news.pk}", reason="manual", source="test")
    reader("elsewhere@x.example", staff)
    assert chosen([news, offers, double], [staff]) == {
        "both": "News",
        "offers-only": "Offers",
        "left-news": "Offers",
        "left-both": "unsubscribed",
        "left-all": "unsubscribed",
        "left-stream": "unsubscribed",
        "colleague": "excluded_list",
        "waits": "unconfirmed",
        "waits-but": "News",
        "bounced": "suppressed",
        "complained": "suppressed",
        "manual": "suppressed",
        "blocked-on-news": "suppressed",
        "blocked-on-news-has-offers": "Offers",
    }


def test_everybody_with_a_subscription_is_there_once_mailable_or_not():
    dice = random.Random(7)
    lists = [make_list(name, dice.choice(["single", "double"])) for name in "ABC"]
    for number in range(60):
        email = f"p{number}@x.example"
        for mailing_list in dice.sample(lists, dice.randint(1, 3)):
            consent.subscribe(now=NOW, email=email, list_id=mailing_list.pk, source="form")
        person = Subscriber.objects.get(email=email)
        if dice.random() < 0.3:
            leave(person, dice.choice(lists))
        if dice.random() < 0.2:
            scope = dice.choice(["*", "stream:marketing", f"list:{lists[0].pk}"])
            suppress(now=NOW, address_key=person.address_key, scope=scope, reason="manual", source="test")
    for included, excluded in (([0, 1], [2]), ([0], []), ([0, 1, 2], []), ([2], [2])):
        ids = [lists[index].pk for index in included]
        out = [lists[index].pk for index in excluded]
        total = breakdown(included=ids, excluded=out, scopes=SCOPES).total
        assert total == Subscriber.objects.filter(subscriptions__list__in=ids).distinct().count()
    assert breakdown(included=[], scopes=SCOPES).total == 0


def test_lists_show_their_sizes_and_people_are_found_by_the_beginning(django_assert_num_queries):
    from audiences.models import MailingList

    news, double = make_list(), make_list("Double", "double")
    reader("jane@x.example", news)
    leave(reader("joe@x.example", news), news)
    consent.subscribe(now=NOW, email="jim_@x.example", list_id=double.pk, source="form")
    with django_assert_num_queries(1):
        states = ("subscribed", "unconfirmed", "unsubscribed")
        lists = MailingList.objects.with_sizes()
        sizes = {one.name: tuple(vars(one)[f"n_{state}"] for state in states) for one in lists}
    assert sizes == {"News": (1, 0, 1), "Double": (0, 1, 0)}
    assert {person.email for person in Subscriber.objects.matching(" JA")} == {"jane@x.example"}
    assert {person.email for person in Subscriber.objects.matching("jim_")} == {"jim_@x.example"}
    assert not Subscriber.objects.matching("%")
    with django_assert_num_queries(3):
        page = list(Chosen(q="j", list=news.pk).people().for_people_page(by_address=True))
        assert [[row.list.name for row in person.subscriptions.all()] for person in page] == [["News"], ["News"]]
