"""Odd receivers over real SMTP. Asserted on their own ledger, and that our books say no more than it.

`docs/scenarios.md` says which of the numbered scenarios each is.
"""

import threading
from datetime import datetime, timedelta

import pytest
from pytest_django import Settings

from audiences.models import Suppression
from lab import ledger
from lab.running import Lab
from reputation.models import Budget
from sending.models import Outcome, Requeue
from tests.cast import newsletter, people
from tests.lab.conftest import OpenLab
from tests.scenarios.conftest import lead
from tests.sending.engine import assert_books_balance, cut, kinds, mailing_to, point, send, send_the_rest
from tests.sending.scripted_receiver import Receiver, Script, receiving

pytestmark = pytest.mark.usefixtures("engine")
FIRST = "127.0.1.1"


def budget(provider: str) -> Budget:
    return Budget.objects.create(kind="ip", scope=FIRST, provider=provider)


def taken(lab: Lab) -> dict[str, str | None]:
    """Who was reached, and by which TLS; nobody twice."""
    rows = list(ledger.rows(lab.ledger, "accepted"))
    found = {row["recipient"]: row["tls"] for row in rows}
    assert len(found) == len(rows)
    return found


# -- A tarpit ----------------------------------------------------------------------------------------------------------


def test_beside_a_tarpit_the_others_mail_all_leaves(now: datetime, settings: Settings) -> None:
    settings.SMTP_COMMAND_TIMEOUT = 90.0
    free = threading.Event()
    readers = newsletter()
    people(6, on=readers, domain="gmail.com", prefix="stuck")
    people(40, on=readers, domain="gmx.de", prefix="free")
    mailing = mailing_to(0, now=now)
    assert mailing.lanes.get(provider="gmx").total == 40

    def wait(_receiver: Receiver, _recipient: str) -> str:
        return "250 2.1.5 Ok" if free.wait(60) else "451 4.3.0 Nobody came"

    def count(receiver: Receiver, _recipient: str) -> str:
        if len(receiver.dots) == 40:
            free.set()
        return "250 2.0.0 Ok"

    with receiving(Script(rcpt=wait)) as tarpit, receiving(Script(dot=count), "127.0.0.2", tarpit.port) as other:
        settings.SMTP_PORT = tarpit.port
        point("gmail.com", "127.0.0.1")
        point("gmx.de", "127.0.0.2")
        # The tarpit's come first, on all connections but one.
        batches = sorted(cut(mailing, now=now, size=2), key=lambda batch: batch.provider != "google")
        assert send(batches, now=now, connections=4) == []
    assert kinds(mailing) == {"accepted": 46}
    assert len(other.accepted) == 40
    assert max(at for at, _to in other.dots) <= min(at for at, _to in tarpit.dots)
    assert_books_balance(mailing)


# -- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["none", "refused", "reset", "stalled"])
def test_where_tls_is_required_and_fails_nothing_is_said_and_all_leaves_when_it_is_mended(
    open_lab: OpenLab, now: datetime, tls: str
) -> None:
    lab = open_lab(google={"tls": tls})
    mailing = mailing_to(3, now=now)
    lead("gmail.com", lab)
    assert send(cut(mailing, now=now, budget_ids=[budget("google").pk]), now=now, connections=1) == []
    assert not list(ledger.rows(lab.ledger, "mail", "rcpt", "accepted"))
    assert not Outcome.objects.exclude(kind="deferred").exists()
    assert not Suppression.objects.exists()
    assert Requeue.objects.filter(mailing=mailing).count() == 3
    lab.call(lambda: lab.receptions["google"].change({"tls": "offered"}))
    send_the_rest(mailing, now=now + timedelta(hours=2))
    assert len(taken(lab)) == 3
    assert all(taken(lab).values())
    assert_books_balance(mailing)


@pytest.mark.parametrize("tls", ["refused", "reset", "stalled"])
def test_where_tls_is_not_required_and_fails_it_leaves_without(open_lab: OpenLab, now: datetime, tls: str) -> None:
    lab = open_lab(yahoo={"tls": tls})
    mailing = mailing_to(3, now=now, domain="yahoo.com")
    lead("yahoo.com", lab)
    assert send(cut(mailing, now=now, budget_ids=[budget("yahoo").pk]), now=now, connections=1) == []
    assert len(taken(lab)) == 3
    assert not any(taken(lab).values())
    assert kinds(mailing) == {"accepted": 3}


def test_a_certificate_nobody_vouches_for_is_better_than_plain_text(open_lab: OpenLab, now: datetime) -> None:
    lab = open_lab()
    mailing = mailing_to(3, now=now)
    lead("gmail.com", lab)
    assert send(cut(mailing, now=now, budget_ids=[budget("google").pk]), now=now, connections=1) == []
    assert len(taken(lab)) == 3
    assert all(taken(lab).values())


# -- Odd replies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("oddity", "outcome", "reached"),
    [
        ("trickle", "accepted", True),
        ("lf-only", "accepted", True),
        # More lines than any answer has: it was taken, but this is not how one says so.
        ("long-reply", "unknown", True),
        ("garbled", "unknown", True),
        ("close-in-reply", "unknown", True),
        ("code-999", "unknown", False),
    ],
)
def test_an_odd_answer_to_the_dot_costs_nobody_else_and_is_never_sent_again(
    open_lab: OpenLab, now: datetime, oddity: str, outcome: str, reached: bool
) -> None:
    lab = open_lab()
    readers = newsletter()
    people(1, on=readers, domain="gmail.com", prefix=f"{oddity}-")
    mailing = mailing_to(4, now=now)
    lead("gmail.com", lab)
    assert send(cut(mailing, now=now), now=now, connections=1) == []
    send_the_rest(mailing, now=now + timedelta(hours=2))
    odd = f"{oddity}-0@gmail.com"
    assert len([row for row in ledger.rows(lab.ledger, "dot_seen") if row["recipient"] == odd]) == 1
    assert set(taken(lab)) == {f"reader{n}@gmail.com" for n in range(4)} | ({odd} if reached else set())
    assert kinds(mailing) == ({"accepted": 5} if outcome == "accepted" else {"accepted": 4, outcome: 1})
    assert not Suppression.objects.exists()
    assert_books_balance(mailing)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        # The code decides over what stands behind it.
        ("250 5.1.1 No such user", "accepted"),
        ("450 5.1.1 No such user", "deferred"),
        ("250 2.0.0 Ok " + "x" * 3_000, "accepted"),
    ],
)
def test_a_code_that_its_words_contradict_is_taken_for_what_it_is(
    now: datetime, settings: Settings, reply: str, kind: str
) -> None:
    mailing = mailing_to(3, now=now)
    with receiving(Script(dot=reply)) as receiver:
        settings.SMTP_PORT = receiver.port
        assert send(cut(mailing, now=now), now=now, connections=1) == []
    assert set(kinds(mailing)) == {kind}
    assert not Suppression.objects.exists()
    assert_books_balance(mailing)
