"""Floods, hostile messages, and real bounces of other people's mail."""

import random
import time
from datetime import datetime
from pathlib import Path

import pytest

from audiences.models import SoftFailure, Suppression
from sending import hearing
from sending.inbound import breaker, reading
from sending.models import Event, Inbound
from tests.cast import verified_domain
from tests.sending.inbox import LATER, accepted, bounce_of, campaign, take_in, written

pytestmark = pytest.mark.django_db
CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpora" / "bounces"
OURS = "bounce@bounce.news.harbour.example"


@pytest.fixture(autouse=True)
def _no_replies_remembered():
    hearing.forget()


def nothing_happened() -> bool:
    return not (Event.objects.exists() or Suppression.objects.exists() or SoftFailure.objects.exists())


def test_more_than_so_many_reports_a_minute_are_held_until_somebody_has_looked(now: datetime, monkeypatch) -> None:
    monkeypatch.setattr(breaker, "AT_LEAST", 5)
    mailing = campaign(now, 8)
    for delivery in accepted(mailing, at=now - LATER):
        letter = written(mailing, delivery, now=now)
        take_in(bounce_of(letter, now=now), rcpt=letter.mail_from, now=now)
    held = Inbound.objects.filter(kind="held")
    assert (Suppression.objects.count(), held.count()) == (5, 3)
    assert {row.state for row in held} == {"new"} and "Held" in held[0].note
    assert reading.sweep(now=now + LATER) == 0

    released = breaker.release(mailing_id=mailing.pk)
    assert len(released) == 3
    assert reading.sweep(now=now + LATER) == 3
    assert Suppression.objects.count() == 8
    assert set(Inbound.objects.values_list("kind", "state")) == {("bounce", "done")}


def test_another_campaign_is_not_held_with_it(now: datetime, monkeypatch) -> None:
    monkeypatch.setattr(breaker, "AT_LEAST", 2)
    flooded, quiet = campaign(now, 4), campaign(now, 1, key="campaign:2", domain="gmx.de")
    for mailing, n in ((flooded, 4), (quiet, 2)):
        for delivery in accepted(mailing, at=now - LATER)[:n]:
            letter = written(mailing, delivery, now=now)
            take_in(bounce_of(letter, now=now), rcpt=letter.mail_from, now=now)
    assert Event.objects.filter(mailing=quiet).count() == 2
    assert Inbound.objects.filter(kind="held").count() == 2


@pytest.mark.skipif(not CORPUS.exists(), reason="the collection of bounces is not at hand")
def test_bounces_of_other_peoples_mail_act_on_nobody(now: datetime) -> None:
    mailing = campaign(now, 3)
    accepted(mailing, at=now - LATER)
    for path in sorted(CORPUS.glob("*.eml"))[::4]:
        row = take_in(path.read_bytes(), rcpt=OURS, now=now)
        assert row.state == "done", f"{path.name}: {row.note}"
    assert nothing_happened()


@pytest.mark.parametrize("seed", range(6))
def test_a_genuine_report_cut_and_torn_never_breaks_the_reader_nor_hurts_a_stranger(now: datetime, seed: int) -> None:
    chance = random.Random(seed)
    mailing = campaign(now, 2)
    deliveries = accepted(mailing, at=now - LATER)
    letter = written(mailing, deliveries[0], now=now)
    for style in ("postfix", "exim", "gmail", "m365"):
        raw = bytearray(bounce_of(letter, style=style, now=now))
        for _ in range(20):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        del raw[chance.randrange(len(raw)) :]
        row = take_in(bytes(raw), rcpt=letter.mail_from if seed % 2 else OURS, now=now)
        assert row.state in ("done", "new") and row.attempts <= 1, row.note
    assert not Suppression.objects.filter(address_key=deliveries[1].address_key).exists()
    assert not Event.objects.exclude(delivery=deliveries[0].id).exists()


def hostile() -> dict[str, bytes]:
    return {
        "nested": b"Content-Type: multipart/mixed; boundary=a\r\n\r\n"
        + b"--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n" * 5_000,
        "header": b"X: " + b"a" * 900_000 + b"\r\n\r\nhello",
        "headers": b"".join(b"X-%d: y\r\n" % n for n in range(60_000)) + b"\r\nhello",
        "parts": b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\n\r\nx\r\n" * 60_000,
        "tokens": b"Subject: x\r\nIn-Reply-To: " + b"<m-aaaaaaaaaaaaaaaaaaaaaaaa@x> " * 2_000 + b"\r\n\r\nx",
        "links": b"Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\r\n" + b"/u/" + b"a" * 900_000,
        "nul": b"From: \0\r\nSubject: \0\0\r\n\r\n\0\0\0",
        "bytes": bytes(range(256)) * 2_000,
        "empty": b"\r\n\r\n",
    }


@pytest.mark.parametrize("name", sorted(hostile()))
def test_a_hostile_message_is_read_quickly_and_changes_nothing(now: datetime, name: str) -> None:
    verified_domain()
    began = time.perf_counter()
    row = take_in(hostile()[name], rcpt=OURS, now=now)
    assert time.perf_counter() - began < 3.0
    assert row.state == "done" and nothing_happened()
