"""Who is first in line: what the planner is told of all that waits."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from sending import line, mailings
from sending.line import Line, Waiting
from sending.models import Mailing, MailingLane, Requeue
from tests.cast import direct_route, newsletter, people, pressed

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailing(now: datetime) -> Mailing:
    readers = newsletter()
    people(60, on=readers)
    return pressed(now, readers)


def lines(now: datetime, provider: str = "google", *, is_open: bool = True, routes: Sequence[int] = ()) -> list[Line]:
    senders, _ = line.waiting(now=now)
    return [Line(sender, provider, is_open, tuple(routes or [direct_route().pk])) for sender in senders]


def first(now: datetime, asked: list[Line], spent: Sequence[int] = ()) -> list[Waiting]:
    return line.first(now=now, lines=asked, spent=spent)[0]


def retry(mailing: Mailing, delivery: int, due_at: datetime, route: int | None = None) -> None:
    Requeue.objects.create(
        mailing=mailing, delivery=delivery, provider_now="google", due_at=due_at, reason="deferred", pinned_route=route
    )


def test_a_lane_is_found_with_all_that_waits_in_it_and_nothing_of_other_providers(
    now: datetime, mailing: Mailing
) -> None:
    lane = MailingLane.objects.get(mailing=mailing, provider="google")
    MailingLane.objects.filter(pk=lane.pk).update(next_seq=4)
    retry(mailing, 1, now - timedelta(minutes=1))
    retry(mailing, 2, now - timedelta(minutes=1), route=direct_route().pk)
    retry(mailing, 3, now + timedelta(minutes=1))

    (one,) = first(now, lines(now))

    assert (one.mailing, one.wave, one.line.provider) == (mailing.pk, 0, "google")
    assert (one.fresh, one.retry, one.pinned) == (lane.total - 3, 1, {direct_route().pk: 1})


def test_where_anything_waits_is_told_by_what_is_left_of_open_lanes_and_by_retries(
    now: datetime, mailing: Mailing
) -> None:
    everywhere = set(MailingLane.objects.values_list("provider", flat=True))
    assert line.waiting(now=now)[1] == everywhere

    MailingLane.objects.filter(provider="google").update(next_seq=1000)
    mailings.pause_provider(now=now, mailing_id=mailing.pk, provider="yahoo")
    assert line.waiting(now=now)[1] == everywhere - {"google", "yahoo"}

    retry(mailing, 1, now + timedelta(hours=1))
    assert line.waiting(now=now)[1] == everywhere - {"yahoo"}


def test_nobody_is_found_in_a_paused_lane_or_of_a_mailing_that_is_paused_or_has_spent_its_hour(
    now: datetime, mailing: Mailing
) -> None:
    asked = lines(now)
    retry(mailing, 1, now - timedelta(minutes=1))
    assert first(now, asked)
    assert first(now, asked, spent=[mailing.pk]) == []

    mailings.pause_provider(now=now, mailing_id=mailing.pk, provider="google")
    assert first(now, asked) == []
    mailings.resume_provider(now=now, mailing_id=mailing.pk, provider="google")
    mailings.pause(now=now, mailing_id=mailing.pk)
    assert first(now, asked) == []
    assert line.waiting(now=now)[0] == []


def test_a_line_that_is_not_open_moves_only_for_retries_that_have_to_go_by_one_of_its_routes(
    now: datetime, mailing: Mailing
) -> None:
    ours = direct_route().pk
    shut = lines(now, is_open=False, routes=[ours])
    assert first(now, shut) == []

    retry(mailing, 1, now - timedelta(minutes=1), route=ours + 1)
    assert first(now, shut) == []

    retry(mailing, 2, now - timedelta(minutes=1), route=ours)
    (one,) = first(now, shut)
    assert one.pinned[ours] == 1


def test_among_many_mailings_those_that_waited_longest_are_found_and_the_others_are_counted(
    now: datetime, mailing: Mailing
) -> None:
    others = [pressed(now, newsletter(), key=f"campaign:{number}") for number in range(2, line.FEW + 3)]
    MailingLane.objects.filter(provider="google").update(last_given_at=now)
    served_before = {each.pk for each in others[:3]}
    MailingLane.objects.filter(provider="google", mailing__in=served_before).update(
        last_given_at=now - timedelta(minutes=1)
    )
    MailingLane.objects.filter(provider="google", mailing=others[-1]).update(last_given_at=None)

    found, lanes = line.first(now=now, lines=lines(now), spent=[])

    assert len(found) == line.LOOK_AT
    assert {*served_before, others[-1].pk} < {one.mailing for one in found}
    assert lanes == {"google": len(others) + 1}


def test_among_many_mailings_a_near_deadline_is_found_however_lately_it_was_served(
    now: datetime, mailing: Mailing
) -> None:
    for number in range(2, line.FEW + 3):
        pressed(now, newsletter(), key=f"campaign:{number}")
    MailingLane.objects.filter(mailing=mailing).update(last_given_at=now)
    assert mailing.pk not in {one.mailing for one in first(now, lines(now))}

    Mailing.objects.filter(pk=mailing.pk).update(deadline=now + line.NEAR)
    assert mailing.pk in {one.mailing for one in first(now, lines(now))}

    Mailing.objects.filter(pk=mailing.pk).update(deadline=now + line.NEAR + timedelta(minutes=1))
    assert mailing.pk not in {one.mailing for one in first(now, lines(now))}


def test_a_test_mail_is_a_sender_of_its_own_and_goes_the_way_of_transactional_mail(
    now: datetime, mailing: Mailing
) -> None:
    pressed(now, newsletter(), key="test:1", is_test=True)

    senders, _ = line.waiting(now=now)

    assert sorted((sender.stream, sender.mailings) for sender in senders) == [("marketing", 1), ("transactional", 1)]
    whose = line.whose(providers=["google"], senders=senders)
    assert {(sender.stream, provider) for sender, provider in whose} == {
        ("marketing", "google"),
        ("transactional", "google"),
    }
