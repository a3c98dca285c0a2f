"""Whom a receiver refused because of us gets it after the mend, once, by a person's decision."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import connection

from sending import completion, mailings, resend
from sending.models import Mailing, MailingChange, MailingCount, Reply, Requeue
from sending.progress import progress_of
from tests.sending.engine import cut, kinds, latest_kinds, mailing_to, send, take_due
from tests.sending.scripted_receiver import Receiver, Script, receiving

pytestmark = pytest.mark.usefixtures("engine")

LOW = "550 5.7.1 Our system has detected that this message is likely suspicious due to the very low reputation of the "
LOW += "sending IP address. gsmtp"
SPAM = "552 5.7.0 This message was blocked because its content presents a potential security issue. gsmtp"


def to_reader(reply: str, *readers: int) -> Script:
    """Refuse these readers in these words; one connection ends with each refusal that is about us."""
    names = {f"reader{n}@gmail.com" for n in readers}
    return Script(dot=lambda _, recipient: reply if recipient in names else "250 2.0.0 Ok")


def run(batches, script: Script, now: datetime, settings) -> Receiver:
    with receiving(script) as receiver:
        settings.SMTP_PORT = receiver.port
        assert send(batches, now=now, connections=1) == []
    return receiver


@pytest.fixture
def refused(now: datetime, settings) -> Mailing:
    """Six people: the last was refused for our reputation, all others have it; the mailing is done.

    A refusal that is about us ends its batch, so it has to be the last one's: all are put off once, to see the order.
    """
    mailing = mailing_to(6, now=now)
    last = cut(mailing, now=now, size=6)
    email = list(run(last, Script(dot="451 4.3.0 later"), now, settings).messages)
    later = now + timedelta(hours=1)
    batch = take_due(mailing, now=later)
    run([batch], to_reader(LOW, int(email[-1].removeprefix("reader").split("@")[0])), later, settings)
    assert kinds(mailing) == {"deferred": 6, "accepted": 5, "blocked": 1}
    assert completion.complete_if_finished(now=later) == 1
    mailing.refresh_from_db()
    return mailing


def counted(mailing: Mailing) -> dict[str, int]:
    rows = MailingCount.objects.filter(mailing=mailing).exclude(n=0).exclude(kind="deferred")
    return dict(rows.values_list("kind", "n"))


def test_the_blocked_get_it_once_and_the_books_stay_right(refused: Mailing, now: datetime, settings) -> None:
    later = now + timedelta(hours=2)
    [found] = resend.not_reached(mailing_id=refused.pk)
    assert (found.lane, found.reply_class, found.people) == ("google", "reputation", 1)

    assert resend.resend(now=later, mailing_id=refused.pk, lane="google", actor=None) == 1
    refused.refresh_from_db()
    assert (refused.state, refused.finished_at) == ("running", None)
    lane = progress_of(refused).lanes[0]
    assert (lane.waiting, lane.retrying, lane.not_sent) == (1, 1, 0)
    assert completion.complete_if_finished(now=later) == 0

    receiver = run([take_due(refused, now=later)], Script(), later, settings)
    assert sum(receiver.accepted.values()) == 1
    assert latest_kinds(refused) == {} and counted(refused) == {"accepted": 6}
    assert completion.complete_if_finished(now=later) == 1 and counted(refused) == {"accepted": 6}
    assert resend.not_reached(mailing_id=refused.pk) == []


def test_pressed_by_two_at_once_it_is_once_and_each_press_that_did_something_is_kept(
    refused: Mailing, now: datetime
) -> None:
    def press(_: int) -> int:
        try:
            return resend.resend(now=now, mailing_id=refused.pk, lane="google", actor=None)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(press, range(8)))[-2:] == [0, 1]
    assert Requeue.objects.filter(mailing=refused).count() == 1
    assert counted(refused) == {"accepted": 5}
    change = MailingChange.objects.get(mailing=refused)
    assert (change.kind, change.provider) == ("resent", "google")
    assert change.evidence == {"people": 1, "state_before": "done"}


def test_what_was_put_off_until_it_expired_is_tried_again_on_a_new_schedule(now: datetime, settings) -> None:
    mailing = mailing_to(3, now=now)
    run(cut(mailing, now=now), to_reader("452 4.2.2 mailbox full", 1), now, settings)
    for hours in (2, 7):
        later = now + timedelta(hours=hours)
        run([take_due(mailing, now=later)], to_reader("452 4.2.2 mailbox full", 1), later, settings)
    assert counted(mailing) == {"accepted": 2, "bounced_soft": 1}
    assert completion.complete_if_finished(now=later) == 1
    [found] = resend.not_reached(mailing_id=mailing.pk)
    assert (found.lane, found.why, found.people) == ("google", resend.Why.EXPIRED, 1)
    Reply.objects.filter(code=452).update(code=552)
    assert resend.not_reached(mailing_id=mailing.pk) == [], "a refusal for good is not tried again"
    Reply.objects.filter(code=552).update(code=452)
    assert resend.resend(now=later, mailing_id=mailing.pk, lane="google", actor=None) == 0, "nobody is blocked"

    def again() -> int:
        return resend.resend(now=later, mailing_id=mailing.pk, lane="google", actor=None, why=resend.Why.EXPIRED)

    assert [again(), again()] == [1, 0]
    back = Requeue.objects.get(mailing=mailing)
    assert (back.counted, back.first_tried_at) == (0, None)
    assert MailingChange.objects.get(mailing=mailing).kind == "retried"
    receiver = run([take_due(mailing, now=later)], Script(), later, settings)
    assert sum(receiver.accepted.values()) == 1
    assert completion.complete_if_finished(now=later) == 1 and counted(mailing) == {"accepted": 3}
    assert resend.not_reached(mailing_id=mailing.pk) == []


def test_who_is_blocked_again_can_be_sent_to_again(refused: Mailing, now: datetime, settings) -> None:
    for hour in (2, 3):
        later = now + timedelta(hours=hour)
        assert resend.resend(now=later, mailing_id=refused.pk, lane="google", actor=None) == 1
        run([take_due(refused, now=later)], Script(dot=LOW), later, settings)
        assert counted(refused) == {"accepted": 5, "blocked": 1}
        assert latest_kinds(refused) == {"blocked": 1}


def test_what_was_refused_for_its_content_is_not_offered(now: datetime, settings) -> None:
    mailing = mailing_to(3, now=now)
    run(cut(mailing, now=now), to_reader(SPAM, 1), now, settings)
    assert kinds(mailing) == {"accepted": 2, "blocked": 1}
    assert resend.not_reached(mailing_id=mailing.pk) == []
    assert resend.resend(now=now, mailing_id=mailing.pk, lane="google", actor=None) == 0


def test_after_a_stop_nobody_is_put_back(refused: Mailing, now: datetime) -> None:
    Mailing.objects.filter(pk=refused.pk).update(state="running")
    mailings.stop(now=now, mailing_id=refused.pk)
    assert resend.not_reached(mailing_id=refused.pk) == []
    assert resend.resend(now=now, mailing_id=refused.pk, lane="google", actor=None) == 0
    assert not Requeue.objects.exists()


def test_a_paused_mailing_keeps_them_for_later(refused: Mailing, now: datetime) -> None:
    Mailing.objects.filter(pk=refused.pk).update(state="paused")
    assert resend.resend(now=now, mailing_id=refused.pk, lane="google", actor=None) == 1
    refused.refresh_from_db()
    assert refused.state == "paused" and Requeue.objects.get().reason == "resend"
