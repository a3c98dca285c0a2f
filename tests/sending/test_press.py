from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from audiences.models import Subscription
from reputation.models import RecipientDomain
from sending.models import Delivery, Excluded, Mailing, MailingLane
from sending.press import Audience, append
from tests.cast import ON_THE_LIST, deliveries, newsletter, people, pressed

pytestmark = pytest.mark.django_db


def test_everyone_is_a_delivery_or_left_out_with_the_reason(now: datetime) -> None:
    readers = newsletter()
    people(40, on=readers)
    Subscription.objects.filter(pk__in=Subscription.objects.values("pk")[:7]).update(state="unsubscribed")

    mailing = pressed(now, readers)

    assert (mailing.total, mailing.n_excluded) == (33, 7)
    assert Delivery.objects.filter(mailing_id=mailing.pk).count() == 33
    assert set(Excluded.objects.values_list("reason", flat=True)) == {"unsubscribed"}


def test_pressing_twice_under_one_key_is_one_mailing(now: datetime) -> None:
    readers = newsletter()
    people(10, on=readers)

    first, second = pressed(now, readers), pressed(now, readers)

    assert first.pk == second.pk
    assert Mailing.objects.count() == 1
    assert len(deliveries(first)) == 10


def test_rows_find_their_partition_or_are_refused_and_the_press_makes_one_that_is_missing(now: datetime) -> None:
    readers = newsletter()
    people(10, on=readers)
    far = 1_000_000
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(pg_get_serial_sequence('sending_mailing', 'id'), %s)", [far])
    with pytest.raises(IntegrityError, match="no partition"), transaction.atomic():
        Delivery.objects.create(
            mailing_id=far, id=1, provider="gmx", seq=1, subscriber_id=1, address_key=uuid4(), domain="gmx.de"
        )

    mailing = pressed(now, readers)

    assert mailing.pk > far
    assert len(deliveries(mailing)) == 10


def test_lanes_have_gapless_places_and_add_up(now: datetime) -> None:
    readers = newsletter()
    people(41, on=readers)

    mailing = pressed(now, readers)

    for lane in MailingLane.objects.filter(mailing=mailing):
        places = sorted(row.seq for row in deliveries(mailing) if row.provider == lane.provider)
        assert places == list(range(1, lane.total + 1))
        assert lane.release_seq == lane.total
    assert sum(lane.total for lane in mailing.lanes.all()) == 41


def test_the_most_recently_engaged_come_first(now: datetime) -> None:
    readers = newsletter()
    eager, *_ = people(20, on=readers, domain="gmail.com")
    eager.last_engaged_at = now - timedelta(days=1)
    eager.save(update_fields=["last_engaged_at"])

    mailing = pressed(now, readers)

    assert Delivery.objects.get(mailing_id=mailing.pk, seq=1).subscriber_id == eager.pk


def test_small_sites_share_the_tail_and_lie_apart(now: datetime) -> None:
    readers = newsletter()
    for number in range(5):
        domain = f"hoster-{number}.example"
        RecipientDomain.objects.create(domain=domain, state="ok", provider=f"other:{domain}", expires_at=now)
        people(3, on=readers, domain=domain)

    mailing = pressed(now, readers)

    assert [lane.provider for lane in mailing.lanes.all()] == ["tail"]
    in_order = [row.domain for row in sorted(deliveries(mailing), key=lambda row: row.seq)]
    assert all(len(set(in_order[start : start + 5])) == 5 for start in (0, 5, 10))


def test_a_domain_that_could_not_be_looked_up_is_unknown_and_not_left_out(
    now: datetime,
) -> None:
    readers = newsletter()
    people(3, on=readers, domain="nobody-knows.example")

    mailing = pressed(now, readers)

    assert mailing.lanes.get().provider == "unknown"
    assert mailing.n_excluded == 0


def test_a_domain_is_left_out_only_after_a_day_of_saying_no(now: datetime) -> None:
    readers = newsletter()
    for name, since in (
        ("gone.example", timedelta(hours=30)),
        ("flaky.example", timedelta(hours=1)),
    ):
        RecipientDomain.objects.create(domain=name, state="not_found", bad_since=now - since, expires_at=now)
        people(2, on=readers, domain=name)

    mailing = pressed(now, readers)

    assert Excluded.objects.filter(mailing=mailing, reason="no_mail_domain").count() == 2
    assert mailing.total == 2


def test_an_open_mailing_takes_more_people_but_nobody_twice(now: datetime) -> None:
    readers = newsletter()
    people(4, on=readers)
    mailing = pressed(now, readers, is_open=True)
    people(6, on=readers, prefix="late")

    came = append(now=now, mailing=mailing, audience=Audience(ON_THE_LIST, {"list": readers.pk}))

    assert came == 6
    rows = deliveries(mailing)
    assert [row.id for row in rows] == list(range(1, 11))
    for lane in mailing.lanes.all():
        assert sorted(r.seq for r in rows if r.provider == lane.provider) == list(range(1, lane.total + 1))


def test_nothing_is_written_when_the_audience_cannot_be_read(now: datetime) -> None:
    readers = newsletter()
    people(2, on=readers)
    from django.db import ProgrammingError, transaction

    from sending.press import NewMailing, press
    from tests.cast import direct_route, pool_of, verified_domain

    with pytest.raises(ProgrammingError), transaction.atomic():
        press(
            now=now,
            new=NewMailing(
                name="x", launch_key="k", pool_id=pool_of(direct_route()).pk, sending_domain_id=verified_domain().pk,
                from_address="a@news.harbour.example", stream="marketing", scopes=["*"],
            ),
            messages=[],
            audience=Audience("SELECT nonsense FROM nowhere", {}),
        )  # fmt: skip
    assert Mailing.objects.count() == 0
