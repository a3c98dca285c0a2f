"""Somebody leaves while the database is away."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
from django.conf import settings as django_settings
from django.db import OperationalError, connection
from django.test import Client

from audiences.models import ConsentEvidence, Subscription, Suppression
from sending import here, journal, leaving_later
from sending.models import Delivery, Event, Mailing
from sending.plan import plan
from sending.pure import tokens
from tests.cast import newsletter
from tests.sending.engine import cut, kinds, mailing_to, send, wait_for
from tests.sending.scripted_receiver import Script, receiving

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(leaving_later, "_start", lambda: None)
    _forget()
    yield
    _forget()


def _forget() -> None:
    for path in journal.folder().glob("*"):
        path.unlink()


@contextmanager
def no_database() -> Iterator[None]:
    """Its socket is not there: what connects is refused."""
    connection.close()
    host = connection.settings_dict["HOST"]
    connection.settings_dict["HOST"] = "/nowhere"
    try:
        with pytest.raises(OperationalError):
            connection.ensure_connection()
        yield
    finally:
        connection.settings_dict["HOST"] = host


def door(mailing: Mailing, delivery: int) -> str:
    row = Delivery.objects.get(mailing_id=mailing.pk, id=delivery)
    asked = tokens.Unsubscribe(row.subscriber_id, mailing.pk, row.id, (newsletter().pk,))
    return f"/u/{tokens.make('unsubscribe', asked, keys=django_settings.TOKEN_KEYS, key_id=1)}"


ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.mark.parametrize("asked", [ONE_CLICK, {"confirm": "1"}, {"all": "1"}])
def test_it_is_kept_and_carried_out_when_the_database_is_back(now: datetime, asked: dict[str, str]) -> None:
    mailing = mailing_to(3, now=now)
    address = door(mailing, 2)
    with no_database():
        for _ in range(2):
            answer = Client(enforce_csrf_checks=True).post(address, asked, headers={"User-Agent": "a robot"})
            assert answer.status_code == 200
            assert "saved your wish" in answer.content.decode()
        with pytest.raises(OperationalError):
            leaving_later.carry_out()
        assert leaving_later.is_waiting()

    assert leaving_later.carry_out() == 2

    assert Subscription.objects.filter(state="unsubscribed").count() == 1
    assert Suppression.objects.filter(reason="unsubscribed").exists()
    assert {row.user_agent for row in ConsentEvidence.objects.all()} == {"a robot"}
    assert Event.objects.filter(kind="unsubscribed").count() == 1
    assert not leaving_later.is_waiting()


def test_a_kept_connection_that_was_lost_meanwhile_is_made_anew(now: datetime) -> None:
    mailing = mailing_to(3, now=now)
    address = door(mailing, 2)
    connection.ensure_connection()
    with here.connect() as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.connection.info.backend_pid])

    answer = Client().post(address, ONE_CLICK)

    assert answer.content == b"You are unsubscribed.\n"
    assert Subscription.objects.filter(state="unsubscribed").count() == 1
    assert Event.objects.filter(kind="unsubscribed").count() == 1


def test_nothing_is_planned_before_it_is_carried_out(now: datetime) -> None:
    mailing = mailing_to(3, now=now)
    address = door(mailing, 2)
    with no_database():
        assert Client().post(address, ONE_CLICK).status_code == 200

        with pytest.raises(OperationalError):
            plan(now=now)

    assert plan(now=now) > 0
    assert Subscription.objects.filter(state="unsubscribed").count() == 1


def test_a_batch_under_way_grants_nobody_before_it_is_carried_out(now: datetime, settings) -> None:
    mailing = mailing_to(3, now=now)
    address = door(mailing, 2)
    batches = cut(mailing, now=now, size=10)
    with no_database():
        assert Client().post(address, ONE_CLICK).status_code == 200
    with receiving(Script()) as receiver:
        settings.SMTP_PORT = receiver.port
        sending = threading.Thread(target=send, args=(batches,), kwargs={"now": now})
        sending.start()
        wait_for(lambda: here.gate()._failures >= 2)
        assert receiver.dots == []
        assert leaving_later.carry_out() == 1
        sending.join()
    assert kinds(mailing) == {"accepted": 2, "skipped": 1}


def test_after_an_outage_nobody_is_granted_before_other_machines_could_carry_out_theirs(
    now: datetime, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailing = mailing_to(3, now=now)
    address = door(mailing, 2)
    batches = cut(mailing, now=now, size=10)
    here.gate()
    wait_for(lambda: here._was_tried)
    monkeypatch.setattr(here, "HOLD_OFF_SECONDS", 60.0)
    wait_for(lambda: here.gate()._connection is not None)
    connection = here.gate()._connection
    assert connection is not None
    connection.close()
    with receiving(Script()) as receiver:
        settings.SMTP_PORT = receiver.port
        sending = threading.Thread(target=send, args=(batches,), kwargs={"now": now})
        sending.start()
        wait_for(lambda: here.gate()._failures >= 1)
        assert receiver.dots == []
        # Another machine's web process is as late as it may be.
        assert Client().post(address, ONE_CLICK).status_code == 200
        monkeypatch.setattr(here, "HOLD_OFF_SECONDS", 0.0)
        sending.join()
    assert kinds(mailing) == {"accepted": 2, "skipped": 1}


def test_the_process_that_kept_it_carries_it_out_by_itself(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    mailing = mailing_to(3, now=now)
    address = door(mailing, 2)
    with no_database():
        assert Client().post(address, ONE_CLICK).status_code == 200
    wait_for(lambda: not leaving_later.is_waiting())
    assert Subscription.objects.filter(state="unsubscribed").count() == 1


def test_where_nothing_can_be_kept_either_nobody_is_told_that_it_was(now: datetime, settings, tmp_path) -> None:
    mailing = mailing_to(3, now=now)
    address = door(mailing, 2)
    (tmp_path / "journal").write_text("in the way")
    settings.VAR_DIR = tmp_path
    with no_database():
        assert Client().post(address, ONE_CLICK).status_code == 503


def test_a_damaged_link_is_not_kept(now: datetime) -> None:
    mailing = mailing_to(3, now=now)
    address = door(mailing, 2)
    with no_database():
        assert Client().post(address[:-3] + "AAA", ONE_CLICK).status_code == 404
    assert not leaving_later.is_waiting()
