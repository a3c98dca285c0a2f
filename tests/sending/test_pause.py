"""What stops a connection in the middle, within one message: pause, stop, suppression, edits, deadline, pace."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from django.db import connection

from audiences.models import Subscriber, Suppression
from reputation.models import RecipientDomain, Workspace
from sending import completion, mailings, wake
from sending.models import Batch, Mailing, MailingLane, Outcome, Requeue
from tests.cast import key_for
from tests.sending.engine import assert_books_balance, cut, kinds, mailing_to, send, send_the_rest
from tests.sending.scripted_receiver import Script, receiving

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def mailing(now: datetime) -> Mailing:
    return mailing_to(10, now=now)


def after(n: int, act) -> Script:
    """Do something while the answer to the n-th dot is awaited."""

    def dot(receiver, _recipient) -> str:
        if len(receiver.dots) == n:
            act()
            connection.close()
        return "250 Ok"

    return Script(dot=dot)


def run(mailing: Mailing, now: datetime, settings, script: Script, **batch):
    with receiving(script) as receiver:
        settings.SMTP_PORT = receiver.port
        assert send(cut(mailing, now=now, size=50, **batch), now=now, connections=1) == []
    assert_books_balance(mailing)
    return receiver


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda m, now: mailings.pause(now=now, mailing_id=m.pk), "mailing_paused"),
        (lambda m, now: mailings.stop(now=now, mailing_id=m.pk), "mailing_stopped"),
        (lambda m, now: mailings.pause_provider(now=now, mailing_id=m.pk, provider="google"), "lane_paused"),
        (lambda m, now: Workspace.objects.update(sending_stopped_at=now), "sending_stopped"),
    ],
)
def test_a_pause_in_the_middle_is_effective_with_the_next_message(
    mailing: Mailing, now: datetime, settings, act, reason: str
) -> None:
    receiver = run(mailing, now, settings, after(4, lambda: act(mailing, now)))

    assert len(receiver.dots) == 4
    assert Batch.objects.get().end_reason == reason
    back = Requeue.objects.filter(reason="handed_back").order_by("position")
    assert list(back.values_list("position", flat=True)) == [5, 6, 7, 8, 9, 10]


def test_a_paused_mailing_goes_on_where_it_stopped(mailing: Mailing, now: datetime, settings) -> None:
    run(mailing, now, settings, after(4, lambda: mailings.pause(now=now, mailing_id=mailing.pk)))
    assert completion.complete_if_finished(now=now) == 0
    mailings.resume(now=now, mailing_id=mailing.pk)

    with receiving() as receiver:
        settings.SMTP_PORT = receiver.port
        send_the_rest(mailing, now=now + timedelta(minutes=1))

    assert kinds(mailing) == {"accepted": 10} and len(receiver.dots) == 6
    assert completion.complete_if_finished(now=now) == 1
    mailing.refresh_from_db()
    assert (mailing.state, mailing.finished_at) == ("done", now)


def test_a_suppression_between_plan_and_gate_is_kept(mailing: Mailing, now: datetime, settings) -> None:
    def leave() -> None:
        Suppression.objects.create(
            address_key=key_for("reader7@gmail.com"), scope="stream:marketing", reason="unsubscribed", created_at=now
        )

    receiver = run(mailing, now, settings, after(3, leave))

    assert "reader7@gmail.com" not in receiver.messages and len(receiver.dots) == 9
    assert Outcome.objects.get(kind="skipped").reason == "suppressed"
    # The receiver waited for the content already: only the connection's end gets out of that.
    assert receiver.connections == 2


def test_those_suppressed_before_the_claim_are_not_even_offered(mailing: Mailing, now: datetime, settings) -> None:
    Suppression.objects.create(address_key=key_for("reader0@gmail.com"), scope="*", reason="manual", created_at=now)

    receiver = run(mailing, now, settings, Script())

    assert kinds(mailing) == {"accepted": 9, "skipped": 1}
    assert not any("reader0@" in command for command in receiver.commands)


def test_an_erased_person_is_skipped_and_a_changed_address_is_used(mailing: Mailing, now: datetime, settings) -> None:
    Subscriber.objects.filter(email="reader1@gmail.com").delete()
    Subscriber.objects.filter(email="reader2@gmail.com").update(
        email="new@gmail.com", address_key=key_for("new@gmail.com")
    )

    receiver = run(mailing, now, settings, Script())

    assert Outcome.objects.get(kind="skipped").reason == "erased"
    assert "new@gmail.com" in receiver.messages and "reader2@gmail.com" not in receiver.messages


def test_whose_provider_moved_goes_to_the_other_lane_and_the_totals_with_them(
    mailing: Mailing, now: datetime, settings
) -> None:
    RecipientDomain.objects.filter(domain="gmail.com").update(provider="yahoo")

    receiver = run(mailing, now, settings, Script())

    assert receiver.connections == 0
    assert set(Requeue.objects.values_list("provider_now", "reason", "attempt")) == {("yahoo", "provider_moved", 1)}
    assert dict(MailingLane.objects.values_list("provider", "total")) == {"google": 0, "yahoo": 10}


def test_a_domain_nobody_could_look_up_waits_and_is_no_bounce(mailing: Mailing, now: datetime, settings) -> None:
    RecipientDomain.objects.filter(domain="gmail.com").update(provider="unknown", state="unknown")

    run(mailing, now, settings, Script())

    assert set(Requeue.objects.values_list("provider_now", "reason")) == {("unknown", "not_looked_up")}
    assert not Outcome.objects.exists()


def test_dots_keep_the_gap_and_never_catch_up(mailing: Mailing, now: datetime, settings) -> None:
    receiver = run(mailing, now, settings, Script(dot_delay=0.0), gap=0.2)

    # Where the machine is busy, the receiver looks at a dot later than it came: only the whole span is sure.
    times = [at for at, _ in receiver.dots]
    assert len(times) > 3 and times[-1] - times[0] >= 0.2 * (len(times) - 1) - 0.3


def test_the_first_dot_is_not_before_the_batch_is_due(mailing: Mailing, now: datetime, settings) -> None:
    began = time.time()
    receiver = run(mailing, now, settings, Script(), due_at=now + timedelta(seconds=0.8))

    assert receiver.dots[0][0] - began >= 0.8


def test_an_edited_gap_is_kept_from_the_next_message_on(mailing: Mailing, now: datetime, settings) -> None:
    receiver = run(mailing, now, settings, after(3, lambda: Batch.objects.update(gap=0.2)), gap=0.0)

    # As above: the whole span.
    times = [at for at, _ in receiver.dots][3:]
    assert len(times) > 3 and times[-1] - times[0] >= 0.2 * (len(times) - 1) - 0.3


def test_an_outcome_is_durable_while_the_connection_waits_for_its_pace(
    mailing: Mailing, now: datetime, settings
) -> None:
    seen = []

    def look(receiver, _recipient) -> str:
        seen.append(Outcome.objects.count())
        connection.close()
        return "250 Ok"

    run(mailing, now, settings, Script(mail=look), gap=1.3, deadline=now + timedelta(seconds=2.5))

    assert seen[:2] == [0, 1]


def test_a_yield_ends_the_batch_at_its_next_gate(mailing: Mailing, now: datetime, settings) -> None:
    receiver = run(mailing, now, settings, after(2, lambda: Batch.objects.update(yield_requested=True)))

    assert len(receiver.dots) == 3 and Batch.objects.get().end_reason == "yielded"


def test_the_deadline_ends_a_batch_and_a_late_one_does_not_begin(mailing: Mailing, now: datetime, settings) -> None:
    receiver = run(mailing, now, settings, Script(), gap=100.0, deadline=now + timedelta(seconds=90))
    assert len(receiver.dots) == 1 and Batch.objects.get().end_reason == "deadline"

    other = mailing_to(3, now=now, key="campaign:2", domain="gmx.de")
    receiver = run(other, now, settings, Script(), deadline=now)
    assert receiver.connections == 0 and set(other.requeued.values_list("attempt", flat=True)) == {1}


def test_a_mailing_without_a_key_gives_its_people_back_with_the_reason(
    mailing: Mailing, now: datetime, settings
) -> None:
    from reputation import dkim_keys

    mailing.sending_domain.keys.all().delete()
    dkim_keys._cached.clear()

    receiver = run(mailing, now, settings, Script())

    assert receiver.connections == 0 and "no active DKIM key" in Batch.objects.get().end_reason
    assert Requeue.objects.filter(due_at__gt=now).count() == 10


def test_connections_are_renewed_after_the_messages_a_provider_takes(now: datetime, settings) -> None:
    from reputation.models import Budget

    mailing = mailing_to(10, now=now, domain="hotmail.com")
    budget = Budget.objects.create(kind="ip", scope="127.0.1.1", provider="microsoft", per_connection=4)
    receiver = run(mailing, now, settings, Script(), budget_ids=[budget.pk])

    assert receiver.connections == 3 and kinds(mailing) == {"accepted": 10}


def test_a_forgotten_batch_is_woken_again_by_one_sweep_only(
    mailing: Mailing, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[tuple[list[int], str]] = []

    def publish(wake_ups: Sequence[tuple[str, list[int], str]]) -> None:
        published.extend((args, queue) for _task, args, queue in wake_ups)

    monkeypatch.setattr(wake, "_publish", publish)
    [batch] = cut(mailing, now=now, size=50)

    wake.wake_forgotten(now=now)
    wake.wake_forgotten(now=now + timedelta(seconds=1))
    wake.wake_forgotten(now=now + timedelta(seconds=2))

    assert published == [([batch.pk], "egress.main")] * 2


def test_a_batch_that_no_thread_is_free_for_is_woken_ever_more_rarely(
    mailing: Mailing, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wake, "_publish", lambda *_: True)
    cut(mailing, now=now, size=50)

    woken = [second for second in range(0, 41, 2) if wake.wake_forgotten(now=now + timedelta(seconds=second))]

    assert woken == [0, 2, 4, 8, 16, 32]


def test_a_wake_up_that_comes_twice_sends_once(mailing: Mailing, now: datetime, settings) -> None:
    batches = cut(mailing, now=now, size=5)
    with receiving() as receiver:
        settings.SMTP_PORT = receiver.port
        assert send(batches * 3, now=now) == []

    assert sorted(receiver.accepted.values()) == [1] * 10


def test_what_nobody_would_ever_look_at_is_found_at_completion(mailing: Mailing, now: datetime, settings) -> None:
    run(mailing, now, settings, Script())
    Outcome.objects.filter(delivery__lte=3).delete()

    assert completion.complete_if_finished(now=now) == 0

    assert sorted(Requeue.objects.values_list("delivery", flat=True)) == [1, 2, 3]
    assert_books_balance(mailing)
