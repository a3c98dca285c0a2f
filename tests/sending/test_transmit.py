from datetime import datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from reputation.models import Budget
from sending import draining, here, takeover, workers
from sending.claim import claim
from sending.models import Batch, Outcome, Requeue
from sending.transmit import transmit
from tests.sending.engine import assert_books_balance, cut, kinds, mailing_to, send, send_the_rest, wait_for
from tests.sending.scripted_receiver import Script, receiving

pytestmark = pytest.mark.usefixtures("engine")


def test_a_mailing_goes_out_exactly_once_over_several_connections(now: datetime, settings) -> None:
    mailing = mailing_to(300, now=now)
    with receiving() as receiver:
        settings.SMTP_PORT = receiver.port
        errors = send(cut(mailing, now=now, size=40), now=now)

    assert errors == []
    assert kinds(mailing) == {"accepted": 300}
    assert len(receiver.accepted) == 300 and set(receiver.accepted.values()) == {1}
    assert set(Batch.objects.values_list("state", "end_reason")) == {("done", "sent")}
    assert set(Outcome.objects.values_list("remote_id", flat=True)) == {"Q1"}
    assert_books_balance(mailing)


def test_nothing_is_claimed_before_the_claimer_can_be_seen_to_live(now: datetime, settings, monkeypatch) -> None:
    mailing = mailing_to(3, now=now)
    here.close()
    seen_alive = []

    def claim_if_alive(**asked):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {workers.HOLDS_LOCK.format(key='%s')}", [asked["owner"]])
            seen_alive.append(cursor.fetchone())
        return claim(**asked)

    monkeypatch.setattr("sending.transmit.claim", claim_if_alive)
    with receiving() as receiver:
        settings.SMTP_PORT = receiver.port
        assert send(cut(mailing, now=now), now=now) == []

    assert seen_alive == [(True,)]
    assert kinds(mailing) == {"accepted": 3}


@pytest.mark.parametrize("broken", ["load", "sites.take", "_limits", "_prepared"])
def test_a_batch_that_breaks_before_it_begins_gives_everybody_back_untried(
    now: datetime, settings, monkeypatch, broken: str
) -> None:
    mailing = mailing_to(5, now=now)

    def defect(*_args, **_kwargs) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(f"sending.transmit.{broken}", defect)
        [error] = send(cut(mailing, now=now, size=50), now=now, connections=1)
    assert isinstance(error, RuntimeError)
    assert takeover.take_over(now=now) == 1

    assert set(Requeue.objects.values_list("attempt", "counted")) == {(1, 0)}
    assert_books_balance(mailing)
    with receiving() as receiver:
        settings.SMTP_PORT = receiver.port
        send_the_rest(mailing, now=now)
    assert kinds(mailing) == {"accepted": 5}


def test_when_the_books_cant_be_closed_only_the_last_one_asked_about_is_testified(
    now: datetime, settings, monkeypatch
) -> None:
    """The database is away at the end; the takeover then hands back all the others untried."""
    mailing = mailing_to(5, now=now)

    def away(*_args, **_kwargs) -> None:
        raise OperationalError("away")

    monkeypatch.setattr("sending.finish._finish", away)
    monkeypatch.setattr("sending.finish.PATIENCE_SECONDS", 0.0)

    def ok_while_draining(*_: object) -> str:
        draining.begin()
        return "250 2.0.0 Ok"

    with receiving(Script(dot=ok_while_draining)) as receiver:
        settings.SMTP_PORT = receiver.port
        assert send(cut(mailing, now=now, size=50), now=now, connections=1) == []
    here.close()
    wait_for(lambda: kinds(mailing)["accepted"] == 1)
    Batch.objects.update(owner=None, lease_until=now - timedelta(days=3650))
    assert takeover.take_over(now=now) == 1

    assert kinds(mailing) == {"accepted": 1}
    assert set(Requeue.objects.values_list("attempt", "counted")) == {(1, 0)} and Requeue.objects.count() == 4
    assert_books_balance(mailing)


def test_what_all_batches_write_is_written_last_and_in_one_trip(now: datetime, settings) -> None:
    """Each waits for whoever wrote these rows until that one commits."""
    budget = Budget.objects.create(kind="ip", scope="127.0.1.1", provider="microsoft")
    (batch,) = cut(mailing_to(3, now=now, domain="hotmail.com"), now=now, budget_ids=[budget.pk])
    with receiving() as receiver, CaptureQueriesContext(connection) as seen:
        settings.SMTP_PORT = receiver.port
        assert transmit(now=now, batch_id=batch.pk)

    said = [query["sql"] for query in seen]
    (place,) = [n for n, sql in enumerate(said) if "INSERT INTO sending_mailingcount" in sql]
    assert "reputation_daytally" in said[place] and "last_dot_at" in said[place] and "lanespeed" in said[place]
    assert said[place + 1] == "COMMIT"
