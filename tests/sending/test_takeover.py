import signal
from collections import Counter
from contextlib import ExitStack
from datetime import datetime, timedelta

import pytest
from django.db import connection

from reputation.models import Budget, Tally
from sending import completion, settle, sweeping, takeover, workers
from sending.models import Batch, Mailing, Outcome, Requeue, Worker
from sending.settle import Settled
from tests.sending.engine import (
    assert_books_balance,
    cut,
    kinds,
    mailing_to,
    send,
    send_the_rest,
    wait_for,
    worker_process,
)
from tests.sending.scripted_receiver import Script, receiving

pytestmark = pytest.mark.usefixtures("engine")


def running(mailing: Mailing, now: datetime, **fields) -> Batch:
    """A running batch of an owner who left no lock behind, with its fifth message on the wire."""
    [batch] = cut(mailing, now=now, size=100)
    values = {"state": "running", "epoch": 1, "owner": 4711, "intent": 5, "intent_attempt": 1, "intent_token": 5}
    Batch.objects.filter(pk=batch.pk).update(**{**values, **fields})
    _lease(batch, "60 seconds")
    return batch


def settled(batch: Batch, delivery: int, kind: str, now: datetime) -> Settled:
    return Settled(
        mailing=batch.mailing_id, delivery=delivery, attempt=1, kind=kind, provider="google", batch=batch.pk, at=now
    )


def test_a_dead_workers_batch_ends_with_one_unknown_and_the_rest_goes_back(now: datetime) -> None:
    mailing = mailing_to(10, now=now)
    batch = running(mailing, now)
    with connection.cursor() as cursor:
        settle.record(
            cursor, [settled(batch, n, "accepted", now) for n in (1, 2, 3)] + [settled(batch, 4, "deferred", now)]
        )

    assert takeover.take_over(now=now) == 1

    assert kinds(mailing) == {"accepted": 3, "deferred": 1, "unknown": 1}
    assert Outcome.objects.get(kind="unknown").delivery == 5
    back = {row.delivery: (row.attempt, row.reason) for row in Requeue.objects.all()}
    assert back == {4: (2, "deferred")} | dict.fromkeys(range(6, 11), (1, "handed_back"))
    batch.refresh_from_db()
    assert (batch.state, batch.epoch, batch.end_reason) == ("done", 2, takeover.DEAD)
    assert_books_balance(mailing)
    assert takeover.take_over(now=now) == 0


def test_a_worker_seen_moments_ago_is_not_dead_yet(now: datetime) -> None:
    mailing = mailing_to(10, now=now)
    running(mailing, now)
    Worker.objects.create(id=4711, egress_host="main", kind="transmit", pid=1)

    assert takeover.take_over(now=now) == 0


def test_a_lapsed_lease_with_the_lock_held_is_a_stopped_worker(now: datetime) -> None:
    mailing = mailing_to(10, now=now)
    batch = running(mailing, now)
    _lease(batch, "-1 second")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(4711)")
        try:
            assert takeover.take_over(now=now) == 1
        finally:
            cursor.execute("SELECT pg_advisory_unlock(4711)")

    batch.refresh_from_db()
    assert (batch.end_reason, batch.ended_at) == (takeover.STOPPED, now)
    assert_books_balance(mailing)


def test_transactional_mail_of_a_dead_worker_is_sent_once_more(now: datetime) -> None:
    mailing = mailing_to(10, now=now, stream="transactional")
    running(mailing, now)

    takeover.take_over(now=now)

    again = Requeue.objects.get(delivery=5)
    assert (again.attempt, again.reason) == (2, "deferred")
    assert Outcome.objects.get().reason == "answer_lost"
    assert_books_balance(mailing)


def test_an_abandoned_batch_counts_as_sent_in_full(now: datetime) -> None:
    mailing = mailing_to(10, now=now)
    budget = Budget.objects.create(kind="ip", scope="127.0.1.1", provider="google")
    running(mailing, now, budget_ids=[budget.pk])

    takeover.take_over(now=now)

    assert Tally.objects.get(budget=budget).sent == 10


def test_a_retry_batch_of_a_dead_worker_keeps_its_attempts(now: datetime) -> None:
    mailing = mailing_to(4, now=now)
    batch = running(mailing, now, kind="retry", lo=1, hi=4, intent=2, intent_attempt=3)
    for delivery in range(1, 5):
        Requeue.objects.create(
            mailing=mailing, delivery=delivery, provider_now="google", due_at=now, attempt=3, counted=1,
            first_tried_at=now - timedelta(hours=1), reason="deferred", batch=batch.pk,
        )  # fmt: skip

    takeover.take_over(now=now)

    assert Outcome.objects.get().attempt == 3
    back = Requeue.objects.values_list("delivery", "attempt", "counted", "batch")
    assert sorted(back) == [(1, 3, 1, None), (3, 3, 1, None), (4, 3, 1, None)]
    assert_books_balance(mailing)


@pytest.mark.faults
@pytest.mark.parametrize("after", [5, 23, 60])
def test_a_killed_worker_leaves_no_duplicate_and_at_most_one_unknown_a_connection(
    now: datetime, settings, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "GRACE_SECONDS", 1.0)
    connections = 4
    mailing = mailing_to(200, now=now)
    batches = cut(mailing, now=now, size=50)
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving(Script(dot_delay=0.02)))
        settings.SMTP_PORT = receiver.port
        process = stack.enter_context(worker_process(batches, now=now, port=receiver.port))
        wait_for(lambda: len(receiver.dots) >= after)
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for(lambda: (takeover.take_over(now=now), not _live())[1])
        assert_books_balance(mailing)

        receiver.script.dot_delay = 0
        send_the_rest(mailing, now=now)

    assert max(receiver.accepted.values()) == 1
    unknown = kinds(mailing)["unknown"]
    assert unknown <= connections
    assert kinds(mailing) == Counter({"accepted": 200 - unknown, "unknown": unknown})
    assert _accepted_by_rows(mailing) <= set(receiver.accepted)
    assert len(receiver.accepted) >= 200 - unknown
    assert_books_balance(mailing)
    assert completion.complete_if_finished(now=now) == 1


@pytest.mark.faults
def test_a_stopped_worker_that_wakes_up_again_sends_nothing_twice(now: datetime, settings) -> None:
    mailing = mailing_to(120, now=now)
    batches = cut(mailing, now=now, size=40)
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving(Script(dot_delay=0.02)))
        settings.SMTP_PORT = receiver.port
        process = stack.enter_context(worker_process(batches, now=now, port=receiver.port))
        wait_for(lambda: len(receiver.dots) >= 20)
        process.send_signal(signal.SIGSTOP)

        # Again and again: a statement that was under way when it stopped may have renewed a lease.
        def all_taken_over() -> bool:
            for batch in batches:
                _lease(batch, "-1 second")
            takeover.take_over(now=now)
            return not _live()

        wait_for(all_taken_over)
        assert kinds(mailing)["unknown"] <= 3
        send_the_rest(mailing, now=now)
        process.send_signal(signal.SIGCONT)
        assert process.wait(20) == 0
        # What it knew of its last messages came late and resolved them; what it surely had not sent went back.
        assert "unknown" not in kinds(mailing)
        send_the_rest(mailing, now=now + timedelta(minutes=1))

    assert kinds(mailing)["accepted"] == 120
    assert len(receiver.accepted) == 120 and max(receiver.accepted.values()) == 1
    assert_books_balance(mailing)


@pytest.mark.faults
def test_a_drained_worker_finishes_what_is_on_the_wire_and_hands_the_rest_back(now: datetime, settings) -> None:
    mailing = mailing_to(120, now=now)
    batches = cut(mailing, now=now, size=40)
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving(Script(dot_delay=0.02)))
        settings.SMTP_PORT = receiver.port
        process = stack.enter_context(worker_process(batches, now=now, port=receiver.port))
        wait_for(lambda: len(receiver.dots) >= 20)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        sent = len(receiver.accepted)
        assert 20 <= sent < 120
        assert kinds(mailing) == {"accepted": sent}
        assert Requeue.objects.filter(reason="handed_back").count() == 120 - sent
        assert set(Batch.objects.values_list("end_reason", flat=True)) == {"draining"}
        assert not Worker.objects.exists()
        assert_books_balance(mailing)


def test_takeover_waits_for_nobody_and_the_worker_who_was_slow_hands_in_evidence(now: datetime, settings) -> None:
    """The batch is taken over while its message is on the wire; the reply comes afterwards."""
    mailing = mailing_to(3, now=now)
    [batch] = cut(mailing, now=now, size=10)

    def steal(receiver, recipient) -> str:
        if not receiver.accepted:
            _lease(batch, "-1 second")
            assert takeover.take_over(now=now) == 1
            connection.close()
        return "250 2.0.0 Ok: queued as LATE"

    with receiving(Script(dot=steal)) as receiver:
        settings.SMTP_PORT = receiver.port
        assert send([batch], now=now) == []

    assert dict(Outcome.objects.values_list("kind", "remote_id")) == {"accepted": "LATE"}
    assert len(receiver.accepted) == 1
    assert Requeue.objects.count() == 2
    assert_books_balance(mailing)


def _live() -> bool:
    return Batch.objects.filter(state="running").exists()


def _accepted_by_rows(mailing: Mailing) -> set[str]:
    rows = Outcome.objects.filter(mailing_id=mailing.pk, kind="accepted").values_list("delivery", flat=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.email FROM sending_delivery d JOIN audiences_subscriber s ON s.id = d.subscriber_id "
            "WHERE d.mailing_id = %s AND d.id = ANY(%s)",
            [mailing.pk, list(rows)],
        )
        return {email for (email,) in cursor.fetchall()}


def _lease(batch: Batch, interval: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE sending_batch SET lease_until = clock_timestamp() + %s::interval WHERE id = %s",
            [interval, batch.pk],
        )


def test_the_sweep_forgets_workers_that_have_been_gone_for_a_day(now: datetime) -> None:
    for number in (1, 2):
        Worker.objects.create(id=number, egress_host="main", kind="transmit", pid=1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sending_worker SET seen_at = clock_timestamp() - interval '25 hours' WHERE id = 1")

    sweeping.sweep(now=now)

    assert list(Worker.objects.values_list("id", flat=True)) == [2]
