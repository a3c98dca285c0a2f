"""A delivery that kills the process that sends it: refused after three times, and nobody else with it."""

import signal
import subprocess
import sys
from datetime import datetime

import pytest
from django.db import connection

from campaigns.pure.plain_words import sentence
from sending import crashes, flight_recorder, here, sweeping, workers
from sending.flight_recorder import Recorder
from sending.models import Batch, Crash, Mailing, Outcome, Requeue
from tests.sending.engine import (
    assert_books_balance,
    cut,
    email_of,
    kinds,
    mailing_to,
    take_due,
    wait_for,
    worker_process,
)
from tests.sending.scripted_receiver import Receiver, Script, receiving

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture(autouse=True)
def _the_dead_are_known_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "GRACE_SECONDS", 0.2)


def run(batches: list[Batch], *, receiver: Receiver, poison: str, now: datetime) -> int:
    """A worker process that sends these batches side by side; returns its exit code."""
    name = connection.settings_dict["NAME"]
    ids = [str(batch.pk) for batch in batches]
    command = [sys.executable, "-m", "tests.sending.poisoned_process", name, str(receiver.port), poison]
    return subprocess.run([*command, now.isoformat(), *ids], check=False, timeout=60).returncode


def taken_over(mailing: Mailing, now: datetime) -> None:
    def is_over() -> bool:
        sweeping.sweep(now=now)
        return not Batch.objects.filter(mailing=mailing).exclude(state="done").exists()

    wait_for(is_over)


def test_it_is_refused_after_three_crashes_and_its_neighbours_get_their_mail(now: datetime, settings) -> None:
    mailing = mailing_to(30, now=now)
    poison = 17
    address = email_of(poison, mailing)
    with receiving(Script()) as receiver:
        settings.SMTP_PORT = receiver.port
        batches, codes = cut(mailing, now=now, size=10), []
        while batches:
            codes.append(run(batches, receiver=receiver, poison=address, now=now))
            taken_over(mailing, now)
            assert_books_balance(mailing)
            retry = take_due(mailing, now=now)
            batches = [retry] if retry else []

    # Twice the whole worker died of it; then a process of its own did, and the worker lived.
    assert codes.count(-signal.SIGSEGV) == 2
    assert codes[-1] == 0
    refused = Outcome.objects.get(mailing_id=mailing.pk, kind="refused")
    assert (refused.delivery, refused.reason) == (poison, "internal_error")
    assert Crash.objects.get(delivery=poison).n == 3
    assert max(Crash.objects.exclude(delivery=poison).values_list("n", flat=True), default=0) <= 2
    found = kinds(mailing)
    assert found["accepted"] + found["unknown"] == 29
    # Unknown is only who was on the wire when a worker died: three connections once, one the second time.
    assert found["unknown"] <= 4
    assert max(receiver.accepted.values()) == 1


def test_the_log_says_it_in_plain_words() -> None:
    assert "a fault of ours" in sentence(kind="refused", who="Gmail", reason="internal_error")


def test_a_suspect_who_is_innocent_is_sent_alone_and_everybody_else_goes_back(now: datetime, settings) -> None:
    mailing = mailing_to(5, now=now)
    [batch] = cut(mailing, now=now, size=10)
    give_back(batch, mailing, now)
    Crash.objects.create(mailing_id=mailing.pk, delivery=3, n=2, last_at=now)
    retry = take_due(mailing, now=now)
    assert retry is not None
    with receiving(Script()) as receiver:
        assert run([retry], receiver=receiver, poison="nobody", now=now) == 0
        assert list(receiver.accepted) == [email_of(3, mailing)]
    assert kinds(mailing) == {"accepted": 1}
    assert sorted(Requeue.objects.values_list("delivery", "batch")) == [(n, None) for n in (1, 2, 4, 5)]
    retry.refresh_from_db()
    assert (retry.state, retry.end_reason, retry.n_accepted) == ("done", "sent", 1)
    assert_books_balance(mailing)


def give_back(batch: Batch, mailing: Mailing, now: datetime) -> None:
    Batch.objects.filter(pk=batch.pk).update(state="done", ended_at=now)
    for delivery in range(batch.lo, batch.hi + 1):
        Requeue.objects.create(
            mailing=mailing, delivery=delivery, provider_now="google", due_at=now, reason="handed_back"
        )


def test_a_drained_worker_leaves_nothing_to_be_counted(now: datetime, settings) -> None:
    mailing = mailing_to(40, now=now)
    batches = cut(mailing, now=now, size=20)
    with receiving(Script(dot_delay=0.02)) as receiver:
        with worker_process(batches, now=now, port=receiver.port) as process:
            wait_for(lambda: len(receiver.dots) >= 4)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        assert crashes.count(now=now) == 0
    assert not Crash.objects.exists()


@pytest.mark.faults
def test_a_stopped_worker_is_not_counted_and_a_killed_one_is_once_a_connection(now: datetime, settings) -> None:
    mailing = mailing_to(40, now=now)
    batches = cut(mailing, now=now, size=20)
    with receiving(Script(dot_delay=0.05)) as receiver, worker_process(batches, now=now, port=receiver.port) as process:
        wait_for(lambda: len(receiver.dots) >= 4)
        process.send_signal(signal.SIGSTOP)
        assert crashes.count(now=now) == 0
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert 1 <= crashes.count(now=now) <= 2 * len(batches)
        assert crashes.count(now=now) == 0
    assert set(Crash.objects.values_list("n", flat=True)) == {1}


def test_what_was_in_hand_before_the_machine_went_down_is_no_crash(now: datetime, monkeypatch) -> None:
    Recorder(crashes.folder(), "earlier")
    [path] = crashes.folder().glob("earlier*")
    octets = bytearray(path.read_bytes())
    flight_recorder._SLOT.pack_into(octets, 64, 1, 1, 7, 0, 1, 1, flight_recorder.State.IN_HAND, 0, 0, 0)
    path.unlink()
    path.write_bytes(octets)
    monkeypatch.setattr(flight_recorder, "_boot", lambda: bytes(15) + b"x")
    assert crashes.count(now=now) == 0
    assert not list(crashes.folder().glob("earlier*"))


def test_a_damaged_record_says_nothing(now: datetime) -> None:
    crashes.folder().mkdir(parents=True, exist_ok=True)
    (crashes.folder() / "damaged.flight").write_bytes(b"\xff" * 70_000)
    assert crashes.count(now=now) == 0


def test_our_own_record_is_not_read_while_we_live(now: datetime) -> None:
    with here.recorder().slot() as slot:
        slot.takes(mailing=1, batch=1, epoch=1, delivery=7, attempt=1)
        assert crashes.count(now=now) == 0
