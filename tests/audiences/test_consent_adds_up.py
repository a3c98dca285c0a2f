"""Whatever people and admins do in whatever order: the events tell the rows, and who left gets nothing."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from audiences import activity, consent
from audiences.erase import erase
from audiences.keys import key_of
from audiences.models import MailingList, Subscriber, Subscription, Suppression
from tests.audiences.cast import HOUR, NOW, assert_events_tell_the_rows, breakdown, make_list

JANE = "jane@x.example"
ACTS = st.tuples(
    st.sampled_from(["ask", "add", "confirm", "leave", "leave_all", "leave_stream", "undo", "complain", "erase"]),
    st.integers(0, 1),
    st.sampled_from([0.05, 1, 30]),
)


def act(name, mailing_list, now):
    person = Subscriber.objects.filter(address_key=key_of(JANE)).first()
    who = person.pk if person else 0
    match name:
        case "ask" | "add":
            consent.subscribe(now=now, email=JANE, list_id=mailing_list.pk, source="test", by_person=name == "ask")
        case "confirm":
            consent.confirm(now=now, subscriber_id=who, list_id=mailing_list.pk)
        case "leave":
            consent.unsubscribe(now=now, subscriber_id=who, list_ids=[mailing_list.pk], source="test")
        case "leave_all" | "leave_stream":
            consent.unsubscribe(
                now=now,
                subscriber_id=who,
                everywhere=name == "leave_all",
                stream_too=name != "leave_all",
                source="test",
            )
        case "undo":
            consent.take_back(now=now, subscriber_id=who)
        case "complain":
            activity.complaint(now=now, address_key=key_of(JANE))
        case "erase":
            erase(now=now, subscriber_id=who)


class ConsentAddsUp(TestCase):
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(ACTS, max_size=12))
    def test_events_tell_the_rows_and_mail_goes_to_nobody_who_left(self, acts):
        lists = [make_list("Single"), make_list("Double", "double")]
        now, complained = NOW, False
        for name, which, hours in acts:
            now += hours * HOUR
            act(name, lists[which], now)
            complained = complained or name == "complain"
            person = Subscriber.objects.filter(address_key=key_of(JANE)).first()
            if person is not None:
                assert_events_tell_the_rows(person)
            self._check_audience(person, lists, complained)

    def _check_audience(self, person: Subscriber | None, lists: list[MailingList], complained: bool):
        for mailing_list in lists:
            found = breakdown(included=[mailing_list.pk], scopes=["*", "stream:marketing"])
            row = Subscription.objects.filter(subscriber=person, list=mailing_list).first()
            assert found.total == (1 if row else 0)
            held = Suppression.objects.filter(
                address_key=key_of(JANE), scope__in=["*", "stream:marketing", f"list:{mailing_list.pk}"]
            )
            expected = row is not None and row.state == "subscribed" and not held.exists()
            assert found.mailable == int(expected)
            assert not (complained and found.mailable)


@pytest.mark.django_db
def test_confirmed_means_mailable():
    news = make_list()
    consent.subscribe(now=NOW, email=JANE, list_id=news.pk, source="form")
    assert breakdown(included=[news.pk], scopes=["*"]).mailable == 1
