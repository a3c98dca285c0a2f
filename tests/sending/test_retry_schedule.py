"""When what a receiver put off comes back, by what it said, and when it is given up."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from audiences.models import SoftFailure
from sending import settle, takeover
from sending.models import Batch, Mailing, Outcome, Reply, Requeue
from sending.retrying import next_due
from sending.settle import Settled
from tests.sending.engine import assert_books_balance, cut, kinds, mailing_to, send, take_due
from tests.sending.scripted_receiver import Script, receiving

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FULL = "452 4.2.2 The email account that you tried to reach is over quota"
BUSY = "451 4.3.0 Temporary local problem"


@pytest.fixture
def mailing(engine: None, now: datetime) -> Mailing:
    return mailing_to(1, now=now, domain="hotmail.com")


@pytest.fixture
def offer(mailing: Mailing, settings):
    """Offer the mailing's one message to a receiver that answers RCPT so, and read when it is due again."""

    def run(reply: str, *, at: datetime, phase: str = "rcpt") -> Requeue | None:
        said: dict[str, Any] = {phase: reply}
        with receiving(Script(**said)) as receiver:
            settings.SMTP_PORT = receiver.port
            batch = take_due(mailing, now=at, provider="microsoft")
            assert send([batch] if batch else cut(mailing, now=at), now=at, connections=1) == []
        assert_books_balance(mailing)
        return Requeue.objects.first()

    return run


def waited(back: Requeue | None, since: datetime) -> timedelta:
    """To the whole minute: the batch itself takes a moment."""
    assert back is not None
    return timedelta(minutes=round((back.due_at - since) / MINUTE))


def test_a_full_mailbox_is_tried_after_one_and_four_hours_and_is_then_a_soft_bounce(offer, now, mailing) -> None:
    back = offer(FULL, at=now)
    assert (back.counted, waited(back, now)) == (1, HOUR)
    second = back.due_at
    back = offer(FULL, at=second)
    assert (back.counted, waited(back, second)) == (2, 4 * HOUR)

    assert offer(FULL, at=back.due_at) is None
    assert kinds(mailing) == {"deferred": 2, "bounced_soft": 1}


def test_a_temporary_failure_comes_back_ever_later(offer, now) -> None:
    at, waits = now, []
    for _ in range(4):
        back = offer(BUSY, at=at)
        waits.append(waited(back, at))
        at = back.due_at
    assert waits == [5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR]


def test_a_number_in_the_reply_wins_over_a_shorter_step(offer, now) -> None:
    assert waited(offer("450 4.2.0 Greylisted, please try again in 20 minutes", at=now), now) == 20 * MINUTE


def test_what_a_receiver_says_before_the_message_never_counts_against_it(offer, now) -> None:
    back = offer("421 4.3.2 Too busy, try again later", at=now, phase="greeting")
    assert (back.attempt, back.counted) == (2, 0)


def test_our_own_fault_is_given_up_after_a_day_and_another_after_two(settings, now) -> None:
    def due(class_: str, hours: int) -> datetime | None:
        return next_due(now=now, counted=1, first_tried_at=now - hours * HOUR, class_=class_, hint_seconds=None)

    assert due("auth", 23) is not None and due("auth", 24) is None
    assert due("temp", 47) is not None and due("temp", 48) is None


def test_a_demo_in_a_hurry_waits_a_fraction_and_gives_up_at_the_same_step(settings, now) -> None:
    settings.TIME_FACTOR = 60.0
    asked = {"class_": "temp", "hint_seconds": None, "now": now}
    assert next_due(counted=4, first_tried_at=now, **asked) == now + MINUTE
    assert next_due(counted=9, first_tried_at=now - 48 * MINUTE, **asked) is None


@pytest.mark.parametrize(("class_", "phase", "counted"), [
    ("full", "rcpt", 1), ("rate", "rcpt", 0), ("temp", "connect", 0), (None, "", 1),
])  # fmt: skip
def test_a_takeover_reckons_the_same_from_the_rows(mailing, now, class_, phase, counted) -> None:
    reply = class_ and Reply.objects.create(
        digest="6f9619ff-8b86-d011-b42d-00cf4fc964ff", reply_class=class_, phase=phase, text="-", provider="microsoft",
        first_seen_at=now,
    ).pk  # fmt: skip
    [batch] = cut(mailing, now=now)
    Batch.objects.filter(pk=batch.pk).update(state="running", epoch=1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sending_batch SET lease_until = clock_timestamp() - interval '1 second'")
        deferred = Settled(
            mailing=mailing.pk, delivery=1, attempt=1, kind="deferred", provider="microsoft", batch=batch.pk, at=now,
            reply=reply,
        )  # fmt: skip
        settle.record(cursor, [deferred])

    assert takeover.take_over(now=now + MINUTE) == 1

    back, waits = Requeue.objects.get(), {"full": HOUR, "rate": MINUTE}
    assert (back.attempt, back.counted) == (2, counted)
    assert back.due_at == now + waits.get(class_, 5 * MINUTE)
    assert Outcome.objects.get().kind == "deferred"
    assert_books_balance(mailing)


def test_what_waited_too_long_because_of_us_never_counts_against_the_person(offer, now, mailing) -> None:
    limited = "451 4.7.650 The mail server has been temporarily rate limited due to IP reputation."
    assert offer(limited, at=now).counted == 0

    assert offer(limited, at=now + 49 * HOUR) is None
    assert kinds(mailing)["bounced_soft"] == 1
    assert not SoftFailure.objects.exists()


def test_what_the_receiver_put_off_too_long_is_a_soft_failure(offer, now) -> None:
    offer(BUSY, at=now)
    offer(BUSY, at=now + 49 * HOUR)
    assert SoftFailure.objects.get().kind == "expired"
