"""Two transactions that change the same lanes in opposite order wait for each other's end, never in a ring."""

import threading
from datetime import datetime

import pytest
from django.db import connection, transaction

from sending.lane_totals import Move, lock_lanes, move_totals
from sending.models import MailingLane
from tests.sending.engine import mailing_to

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
    assert early.pk < late.pk
    held, waits = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            MailingLane.objects.select_for_update().get(pk=early.pk)
            held.set()
            waits.wait(10)
        connection.close()

    def want() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            lock_lanes(cursor, [(mailing.pk, 0, late.provider), (mailing.pk, 0, early.provider)])
        connection.close()

    holder, wanter = threading.Thread(target=hold), threading.Thread(target=want)
    holder.start()
    held.wait(10)
    wanter.start()
    wanter.join(0.3)
    assert wanter.is_alive()
    with transaction.atomic():  # the later one is not locked while the earlier one is waited for
        MailingLane.objects.select_for_update(nowait=True).get(pk=late.pk)
    waits.set()
    holder.join()
    wanter.join()
