"""Two transactions that change the same lanes in opposite order wait for each other's end, never in a ring."""

import threading
from collections.abc import Callable
from datetime import datetime

import pytest
from django.db import connection, transaction

from sending import press
from sending.lane_totals import Move, lock_lanes, move_totals
from sending.models import MailingLane
from tests.cast import people
from tests.sending.engine import mailing_to

THESE = """
SELECT id AS subscriber_id, address_key, domain, NULL::bigint AS via_list, NULL::timestamptz AS engaged_at,
       NULL::text AS reason, NULL::text AS to_address FROM audiences_subscriber WHERE id = ANY(%(ids)s)
"""

pytestmark = pytest.mark.usefixtures("engine")


def test_people_moved_both_ways_at_once_never_deadlock_and_the_sums_hold(now: datetime) -> None:
    mailing = mailing_to(40, now=now)
    MailingLane.objects.create(mailing=mailing, provider="yahoo", total=40)
    together, errors = threading.Barrier(2), []

    def move(old: str, new: str) -> None:
        try:
            for _ in range(30):
                together.wait(10)
                with transaction.atomic(), connection.cursor() as cursor:
                    move_totals(cursor, [Move(mailing.pk, 0, old, new, 1), Move(mailing.pk, 0, old, "tail", 1)])
        except BaseException as error:  # noqa: BLE001
            errors.append(error)
            together.abort()
        finally:
            connection.close()

    threads = [threading.Thread(target=move, args=way) for way in (("google", "yahoo"), ("yahoo", "google"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    totals = dict(MailingLane.objects.filter(mailing=mailing).values_list("provider", "total"))
    assert totals == {"google": 10, "yahoo": 10, "tail": 60}


def test_lanes_are_locked_in_the_order_of_their_ids_whatever_order_they_are_named_in(now: datetime) -> None:
    mailing = mailing_to(4, now=now)
    late = MailingLane.objects.create(mailing=mailing, provider="aaa-first-by-name")
    early = MailingLane.objects.get(mailing=mailing, provider="google")

    def want() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            lock_lanes(cursor, [(mailing.pk, 0, late.provider), (mailing.pk, 0, early.provider)])

    assert_waits_for_the_earlier_before_it_takes_the_later(want, early=early, late=late)


def test_adding_people_locks_lanes_in_that_order_too(now: datetime) -> None:
    mailing = mailing_to(1, now=now, is_open=True)
    early = MailingLane.objects.create(mailing=mailing, provider="yahoo")
    late = MailingLane.objects.create(mailing=mailing, provider="microsoft")
    added = [*people(1, domain="hotmail.com", prefix="late"), *people(1, domain="yahoo.com", prefix="late")]

    def want() -> None:
        audience = press.Audience(THESE, {"ids": [each.pk for each in added]})
        assert press.append(now=now, mailing=mailing, audience=audience) == 2

    assert_waits_for_the_earlier_before_it_takes_the_later(want, early=early, late=late)
    assert sum(mailing.lanes.values_list("total", flat=True)) == 3


def assert_waits_for_the_earlier_before_it_takes_the_later(
    want: Callable[[], None], *, early: MailingLane, late: MailingLane
) -> None:
    assert early.pk < late.pk
    errors = []

    def wanting() -> None:
        try:
            want()
        except BaseException as error:  # noqa: BLE001
            errors.append(error)
        finally:
            connection.close()

    wanter = threading.Thread(target=wanting)
    with transaction.atomic():
        MailingLane.objects.select_for_update().get(pk=early.pk)
        wanter.start()
        wanter.join(0.5)
        assert wanter.is_alive()
        MailingLane.objects.select_for_update(nowait=True).get(pk=late.pk)
    wanter.join()
    assert errors == []
