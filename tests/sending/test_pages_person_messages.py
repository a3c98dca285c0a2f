import pytest
from django.urls import reverse

from sending.models import Event, Outcome, OutcomeKind
from tests.cast import deliveries, newsletter, people, pressed
from tests.visitors import colleague

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(now):
    news = newsletter()
    jane, _ = people(2, news)
    mailing = pressed(now, news)
    delivery = next(row for row in deliveries(mailing) if row.subscriber_id == jane.pk)
    return jane, mailing, delivery


def outcome(now, mailing, delivery, kind, attempt=1):
    Outcome.objects.create(
        mailing_id=mailing.pk, delivery=delivery.id, attempt=attempt, kind=kind, provider=delivery.provider, at=now
    )


def page(jane, **headers):
    return colleague().get(reverse("person-messages", args=[jane.pk]), headers=headers).content.decode()


def test_a_message_that_waits_is_said_to_wait(sent):
    jane, mailing, _ = sent
    found = page(jane)
    assert mailing.name in found
    assert "Waits for its turn" in found


def test_the_last_attempt_and_what_came_after_it_are_shown(sent, now):
    jane, mailing, delivery = sent
    outcome(now, mailing, delivery, OutcomeKind.DEFERRED)
    outcome(now, mailing, delivery, OutcomeKind.ACCEPTED, attempt=2)
    Event.objects.create(mailing=mailing, delivery=delivery.id, kind=Event.Kind.CLICKED, at=now)
    found = page(jane)
    assert "Accepted by the receiver" in found
    assert "attempt 2" in found
    assert "Clicked" in found
    assert "Deferred" not in found


def test_the_fragment_comes_without_the_shell(sent):
    assert "<html" not in page(sent[0], **{"HX-Request": "true"})
    assert "<html" in page(sent[0])


def test_somebody_who_got_nothing_is_told_so(now):
    [jane] = people(1)
    assert "No campaign was sent" in page(jane)


def test_fifty_campaigns_cost_as_many_queries_as_one(now, django_assert_max_num_queries):
    news = newsletter()
    [jane] = people(1, news)
    for number in range(5):
        pressed(now, news, key=f"campaign:{number}")
    client = colleague()
    with django_assert_max_num_queries(8):
        client.get(reverse("person-messages", args=[jane.pk]))
