"""Rows of years lie in partitions of five hundred mailings: what sends one mailing looks into its own only."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from django.db import connection

from reputation.models import RecipientDomain
from sending import placing, settle, takeover
from sending.models import Batch, Mailing, Outcome
from sending.settle import Settled
from tests.cast import newsletter, people, pressed
from tests.sending.engine import cut, kinds, mailing_to, send, send_the_rest, stop_gate
from tests.sending.scripted_receiver import Script, receiving

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def mailing(now: datetime) -> Mailing:
    """With two partitions of others' rows before it."""
    for number, first in enumerate((1, 600)):
        _next_mailing(first)
        older = pressed_to_many(now, f"campaign:old{number}")
        with connection.cursor() as cursor:
            cursor.execute(
                """INSERT INTO sending_outcome (mailing_id, delivery, attempt, kind, provider, at)
                   SELECT mailing_id, id, 1, 'accepted', provider, now() FROM sending_delivery WHERE mailing_id = %s""",
                [older.pk],
            )
    Mailing.objects.update(state="done")
    _next_mailing(1100)
    mailing = mailing_to(40, now=now, key="campaign:new")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return mailing


def pressed_to_many(now: datetime, key: str) -> Mailing:
    readers = newsletter(key)
    people(2000, on=readers, domain="gmx.de", prefix=key)
    return pressed(now, readers, key=key)


def _next_mailing(pk: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(pg_get_serial_sequence('sending_mailing', 'id'), %s)", [pk])


@contextmanager
def nobody_looks_into_older_partitions() -> Iterator[None]:
    before = _scans()
    yield
    stop_gate()  # what a session did is counted at its end
    assert {name: n - before[name] for name, n in _scans().items() if n != before[name]} == {}


def _scans() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            """SELECT relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables
               WHERE relname ~ '^sending_(delivery|outcome)_p(0|500)$'"""
        )
        return dict(cursor.fetchall())


def test_the_counters_see_who_looks_everywhere(mailing: Mailing) -> None:
    with pytest.raises(AssertionError), nobody_looks_into_older_partitions():
        assert Outcome.objects.filter(delivery=1).count() == 2


def test_a_mailing_that_is_sent_and_deferred_and_sent_again(now: datetime, settings, mailing: Mailing) -> None:
    answers = iter(["451 4.3.0 later"] * 5)
    later = now + timedelta(hours=2)
    script = Script(dot=lambda *_: next(answers, "250 2.0.0 Ok"))
    with nobody_looks_into_older_partitions(), receiving(script) as receiver:
        settings.SMTP_PORT = receiver.port
        assert send(cut(mailing, now=now, size=10), now=now) == []
        send_the_rest(mailing, now=later)
    assert kinds(mailing) == {"accepted": 40, "deferred": 5}


def test_a_takeover_and_the_evidence_that_comes_late(now: datetime, mailing: Mailing) -> None:
    [batch] = cut(mailing, now=now, size=40)
    Batch.objects.filter(pk=batch.pk).update(
        state="running", epoch=1, owner=4711, intent=5, intent_attempt=1, intent_token=5, lease_until=now
    )
    late = Settled(
        mailing=mailing.pk, delivery=5, attempt=1, kind="accepted", provider="google", batch=batch.pk, at=now
    )
    with nobody_looks_into_older_partitions():
        assert takeover.take_over(now=now) == 1
        with connection.cursor() as cursor:
            settle.record(cursor, [late])
    assert kinds(mailing) == {"accepted": 1}


@pytest.mark.parametrize("known", [{"state": "ok", "provider": "google"}, {"state": "not_found", "bad": True}])
def test_people_of_an_unknown_domain_find_their_lane_or_their_end(now: datetime, mailing: Mailing, known) -> None:
    _next_mailing(1200)
    readers = newsletter("unknown")
    people(30, on=readers, domain="nobody-knows.example")
    pressed(now, readers, key="campaign:unknown")
    bad_since = now - timedelta(days=2) if known.pop("bad", False) else None
    with nobody_looks_into_older_partitions():
        placing.place(now=now)
        RecipientDomain.objects.create(domain="nobody-knows.example", bad_since=bad_since, expires_at=now, **known)
        assert placing.place(now=now) == 30
