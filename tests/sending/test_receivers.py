"""What receivers do to us, phase by phase, and what becomes of the message, the batch, the person and the lane."""

import time
from datetime import datetime, timedelta

import pytest

from audiences.models import SoftFailure, Subscriber, Suppression
from audiences.suppress import suppress
from reputation.models import Budget, RecipientDomain, Tally
from sending.models import Batch, Delivery, Mailing, Outcome, Reply, Requeue, Route
from sending.pure.message import Envelope, build_message
from sending.smtp import SmtpSession
from sending.transports import Letter
from tests.sending.engine import assert_books_balance, cut, kinds, mailing_to, send, send_the_rest
from tests.sending.scripted_receiver import Receiver, Script, receiving

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def mailing(now: datetime) -> Mailing:
    return mailing_to(4, now=now, domain="hotmail.com")


@pytest.fixture
def deliver(mailing: Mailing, now: datetime, settings):
    """Send the mailing over one connection to a receiver of this script."""

    def run(script: Script, **batch) -> Receiver:
        with receiving(script) as receiver:
            settings.SMTP_PORT = receiver.port
            assert send(cut(mailing, now=now, size=50, **batch), now=now, connections=1) == []
        assert_books_balance(mailing)
        return receiver

    return run


def only(email: str, reply: str | None, otherwise: str):
    return lambda _, recipient: reply if recipient.startswith(email) else otherwise


def end_reason() -> str:
    return Batch.objects.latest("id").end_reason


def test_an_unknown_user_bounces_hard_and_is_suppressed_with_the_evidence(mailing: Mailing, deliver) -> None:
    deliver(Script(rcpt=only("reader1@", "550 5.1.1 The email account does not exist", "250 Ok")))

    assert kinds(mailing) == {"accepted": 3, "bounced_hard": 1}
    suppression = Suppression.objects.get()
    assert (suppression.scope, suppression.reason) == ("*", "bounced")
    assert suppression.evidence["mailing"] == mailing.pk and "5.1.1" not in Reply.objects.get().text
    assert Reply.objects.get().phase == "rcpt"


def test_a_refusal_nobody_understands_is_a_soft_bounce_and_no_suppression(mailing: Mailing, deliver) -> None:
    deliver(Script(rcpt=only("reader2@", "550 5.0.0 The harbour is closed", "250 Ok")))

    assert kinds(mailing) == {"accepted": 3, "bounced_soft": 1}
    assert SoftFailure.objects.get().kind == "unclassified" and not Suppression.objects.exists()


def test_a_deferral_comes_back_as_the_next_attempt(mailing: Mailing, deliver, now: datetime, settings) -> None:
    deliver(Script(rcpt=only("reader0@", "451 4.3.0 Temporary local problem", "250 Ok")))

    waiting = Requeue.objects.get()
    assert (waiting.attempt, waiting.counted, waiting.reason) == (2, 1, "deferred")
    assert now + timedelta(minutes=1) < waiting.due_at < now + timedelta(hours=1)

    with receiving() as receiver:
        settings.SMTP_PORT = receiver.port
        send_the_rest(mailing, now=now + timedelta(hours=1), provider=mailing.lanes.get().provider)
    assert kinds(mailing) == {"accepted": 4, "deferred": 1}
    assert_books_balance(mailing)


def test_greylisting_is_a_try_and_keeps_to_the_route(mailing: Mailing, deliver) -> None:
    deliver(Script(rcpt="450 4.2.0 Greylisted, please try again in 5 minutes"))

    assert kinds(mailing) == {"deferred": 4}
    assert set(Requeue.objects.values_list("attempt", "counted")) == {(2, 1)}
    assert None not in set(Requeue.objects.values_list("pinned_route", flat=True))


def test_a_refusal_by_the_recipients_admin_is_neither_hard_nor_ours(mailing: Mailing, deliver) -> None:
    deliver(Script(dot="550 5.7.1 Message rejected due to recipient's organization policy. gcdp"))

    assert set(kinds(mailing)) <= {"bounced_policy", "blocked", "bounced_soft"}
    assert not Suppression.objects.exists()


def test_a_rate_limit_ends_the_batch_tells_the_lane_and_counts_for_nobody(mailing: Mailing, deliver) -> None:
    ip = Budget.objects.create(kind="ip", scope="127.0.1.1", provider="microsoft")
    other = Budget.objects.create(kind="ip", scope="127.0.1.2", provider="microsoft")
    limited = "451 4.7.650 The mail server [127.0.1.1] has been temporarily rate limited due to IP reputation."
    deliver(Script(dot=only("reader1@", limited, "250 Ok")), budget_ids=[ip.pk])

    assert kinds(mailing) == {"accepted": 1, "deferred": 1}
    assert end_reason().startswith("receiver: ")
    assert dict(Requeue.objects.values_list("reason", "counted")) == {"deferred": 0, "handed_back": 0}
    assert Requeue.objects.filter(reason="handed_back", attempt=1).count() == 2
    ip.refresh_from_db()
    other.refresh_from_db()
    assert (ip.state, other.state) != ("open", "open") and other.state == "open"


def test_a_block_of_our_name_blocks_and_never_suppresses(mailing: Mailing, deliver) -> None:
    text = "550-5.7.1 Our system has detected that this message is likely suspicious due to the very low reputation "
    deliver(Script(dot=text + "of the sending IP address.\r\n550 5.7.1 gsmtp"))

    assert kinds(mailing)["blocked"] >= 1
    assert not Suppression.objects.exists() and not SoftFailure.objects.exists()


@pytest.mark.parametrize("phase", ["greeting", "mail", "rcpt", "data"])
def test_a_connection_that_breaks_before_the_dot_loses_and_doubles_nothing(
    mailing: Mailing, deliver, now: datetime, settings, phase: str
) -> None:
    deliver(Script(close_in=frozenset({phase})))

    assert "unknown" not in kinds(mailing) and "accepted" not in kinds(mailing)
    with receiving() as receiver:
        settings.SMTP_PORT = receiver.port
        send_the_rest(mailing, now=now + timedelta(hours=1), provider=mailing.lanes.get().provider)
    assert kinds(mailing)["accepted"] == 4 and set(receiver.accepted.values()) == {1}
    assert_books_balance(mailing)


def test_one_lost_answer_is_one_unknown_and_the_next_goes_on(mailing: Mailing, deliver) -> None:
    receiver = deliver(Script(dot=only("reader1@", None, "250 Ok"), dot_delay=0))

    assert kinds(mailing) == {"accepted": 3, "unknown": 1}
    assert receiver.connections == 2


@pytest.mark.parametrize("answer", ["what?", "25", "250-half", "250-a\r\n550 b", "\x00\x01\x02", "9" * 5000])
def test_garbled_answers_to_the_dot_are_unknown_and_two_in_a_row_end_the_batch(
    mailing: Mailing, deliver, answer: str
) -> None:
    deliver(Script(dot=answer))

    assert kinds(mailing) == {"unknown": 2}
    assert end_reason() == "no answers"
    assert Requeue.objects.filter(reason="handed_back").count() == 2


@pytest.mark.parametrize("answer", ["354 Go ahead", "334 More, please", "354-a\r\n354 b"])
def test_an_answer_to_the_dot_that_is_no_yes_and_no_refusal_is_unknown(mailing: Mailing, deliver, answer: str) -> None:
    deliver(Script(dot=only("reader1@", answer, "250 Ok")))

    assert kinds(mailing) == {"accepted": 3, "unknown": 1}


@pytest.mark.parametrize(
    "script",
    [Script(data="250 Ok"), Script(rcpt="354 Go ahead"), Script(mail="334 "), Script(greeting="354 Hello")],
    ids=["data", "rcpt", "mail", "greeting"],
)
def test_a_yes_out_of_place_accepts_nothing(mailing: Mailing, deliver, script: Script) -> None:
    receiver = deliver(script)

    assert kinds(mailing) == {"deferred": 1} and not receiver.accepted
    assert Outcome.objects.get().reason == "unreachable"
    assert Requeue.objects.count() == 4


def test_an_inactive_mailbox_is_a_soft_failure_even_when_its_words_could_not_be_kept(
    mailing: Mailing, deliver, monkeypatch
) -> None:
    monkeypatch.setattr("sending.hearing.remember", lambda *_args, **_kwargs: None)
    deliver(Script(rcpt=only("reader1@", "550 5.2.1 The email account that you tried to reach is inactive", "250 Ok")))

    assert Outcome.objects.get(kind="bounced_hard").reason == "inactive"
    assert SoftFailure.objects.get().kind == "inactive" and not Suppression.objects.exists()


def test_an_answer_in_strange_octets_is_still_an_answer(mailing: Mailing, deliver) -> None:
    deliver(Script(dot="250 2.0.0 queued as caf\x00\xe9\x07"))

    assert kinds(mailing) == {"accepted": 4}


def test_transactional_mail_whose_answer_was_lost_goes_again_with_the_same_message_id(now: datetime, settings) -> None:
    mailing = mailing_to(1, now=now, stream="transactional")
    ids: list[list[bytes]] = []
    for script in (Script(close_in=frozenset({"dot"})), Script()):
        with receiving(script) as receiver:
            settings.SMTP_PORT = receiver.port
            if not ids:
                send(cut(mailing, now=now), now=now)
            else:
                send_the_rest(mailing, now=now + timedelta(hours=1), provider=mailing.lanes.get().provider)
            [message] = receiver.messages.values()
            ids.append([line for line in message.splitlines() if line.startswith(b"Message-ID:")])
    assert ids[0] == ids[1]
    assert kinds(mailing) == {"deferred": 1, "accepted": 1}


def test_a_refused_connection_puts_one_off_and_its_neighbours_wait_untried(
    mailing: Mailing, now: datetime, settings
) -> None:
    settings.SMTP_PORT = 1
    send(cut(mailing, now=now), now=now)

    assert kinds(mailing) == {"deferred": 1}
    assert Requeue.objects.filter(reason="handed_back", attempt=1, due_at__gt=now).count() == 3
    assert Outcome.objects.get().reason == "unreachable"
    assert_books_balance(mailing)


def test_a_refusal_at_the_greeting_is_about_us_and_ends_nobodys_message(mailing: Mailing, deliver) -> None:
    deliver(Script(greeting="554 5.7.1 Service unavailable; client host blocked using zen.spamhaus.org"))

    assert kinds(mailing) == {"deferred": 1}
    assert end_reason() == "receiver: blocklist"


def test_every_offer_is_in_the_tally_and_budget_of_its_lane(mailing: Mailing, deliver) -> None:
    budget = Budget.objects.create(kind="ip", scope="127.0.1.1", provider="microsoft")
    deliver(Script(rcpt=only("reader1@", "550 5.1.1 No such user", "250 Ok")), budget_ids=[budget.pk])

    tally = Tally.objects.get(budget=budget)
    assert (tally.sent, tally.accepted, tally.bounced, tally.unknown_users) == (4, 3, 1, 1)


def test_without_pipelining_it_is_asked_step_by_step(mailing: Mailing, deliver) -> None:
    deliver(Script(pipelining=False))

    assert kinds(mailing) == {"accepted": 4}


def test_messages_arrive_whole_signed_and_with_our_return_path(mailing: Mailing, deliver) -> None:
    import dkim

    from reputation.models import DkimKey

    receiver = deliver(Script())
    key = DkimKey.objects.get()
    record = key.public_key if "p=" in key.public_key else f"v=DKIM1; k=rsa; p={key.public_key}"

    for email, message in receiver.messages.items():
        assert f"To: {email}".encode() in message
        assert dkim.verify(message, dnsfunc=lambda *_args, **_kwargs: record.encode())
    assert any("@bounce.news.harbour.example>" in line for line in receiver.commands if line.startswith("MAIL"))
    assert receiver.sources == {"127.0.1.1"}


def test_a_receiver_that_never_answers_costs_two_unknowns_a_connection_and_the_lane_is_slowed(
    now: datetime, settings
) -> None:
    mailing = mailing_to(60, now=now, domain="hotmail.com")
    ip = Budget.objects.create(kind="ip", scope="127.0.1.1", provider="microsoft")
    batches = cut(mailing, now=now, size=20, budget_ids=[ip.pk])
    with receiving(Script(close_in=frozenset({"dot"}))) as receiver:
        settings.SMTP_PORT = receiver.port
        assert send(batches, now=now, connections=3) == []

    assert kinds(mailing) == {"unknown": 6}
    ip.refresh_from_db()
    assert (ip.state, ip.ladder_step, ip.connection_cap) == ("slowed", 0, 1)
    assert ip.state_until is not None
    assert ip.state_until > now
    assert_books_balance(mailing)


def test_one_lost_answer_slows_nobody_down(mailing: Mailing, deliver) -> None:
    ip = Budget.objects.create(kind="ip", scope="127.0.1.1", provider="microsoft")
    deliver(Script(dot=only("reader1@", None, "250 Ok")), budget_ids=[ip.pk])

    ip.refresh_from_db()
    assert ip.state == "open"


def test_a_large_letters_dot_leaves_on_a_fresh_grant_only(now: datetime, settings, monkeypatch) -> None:
    """The content took longer than a grant lives, and meanwhile the person asked not to be written to."""
    mailing = mailing_to(1, now=now, domain="hotmail.com")
    large(mailing)
    monkeypatch.setattr("sending.smtp.GOES_IN_ONE_WRITE", 1000)
    send_ahead = SmtpSession.send_ahead

    def slowly(session: SmtpSession, letter: Letter) -> None:
        send_ahead(session, letter)
        time.sleep(1.1)
        key = Delivery.objects.get(mailing_id=mailing.pk).address_key
        suppress(now=now, address_key=key, scope="*", reason="unsubscribed", source="test")

    monkeypatch.setattr(SmtpSession, "send_ahead", slowly)
    with receiving() as receiver:
        settings.SMTP_PORT = receiver.port
        assert send(cut(mailing, now=now), now=now, connections=1) == []

    assert kinds(mailing) == {"skipped": 1} and not receiver.dots
    assert_books_balance(mailing)


def test_a_large_letter_arrives_whole(now: datetime, settings) -> None:
    mailing = mailing_to(2, now=now, domain="hotmail.com")
    large(mailing)
    with receiving() as receiver:
        settings.SMTP_PORT = receiver.port
        assert send(cut(mailing, now=now), now=now, connections=1) == []

    assert kinds(mailing) == {"accepted": 2} and receiver.connections == 1
    assert all(len(message) > 200_000 and message.endswith(b"\r\n") for message in receiver.messages.values())


def large(mailing: Mailing) -> None:
    compiled = build_message(
        envelope=Envelope(from_name="Harbour Books", from_address="hello@news.harbour.example"),
        subject="A long letter",
        text=".A line that begins with a dot, and is long enough.\n" * 2000 + "\nleave: {{ unsubscribe_url }}\n",
        html="<html><body>" + "<p>A paragraph of some length</p>\n" * 4000 + "</body></html>",
    )
    mailing.messages.update(compiled=compiled.to_json())


def through_a_relay(now: datetime, n: int, port: int) -> tuple[Mailing, list[Batch]]:
    relay = Route.objects.create(name="relay", kind="relay", host="127.0.0.1", security="none", port=port)
    mailing = mailing_to(n, now=now, domain="hotmail.com")
    elsewhere = RecipientDomain.objects.get(domain="hotmail.com")
    for number, delivery in enumerate(Delivery.objects.filter(mailing_id=mailing.pk)):
        elsewhere.pk, elsewhere.domain, elsewhere.site = None, f"d{number}.example", f"site {number}"
        elsewhere.save(force_insert=True)
        Subscriber.objects.filter(pk=delivery.subscriber_id).update(
            domain=elsewhere.domain, email=f"reader{number}@{elsewhere.domain}"
        )
    return mailing, cut(mailing, now=now, route=relay)


def test_a_relays_connection_serves_all_domains(now: datetime) -> None:
    with receiving() as receiver:
        mailing, batches = through_a_relay(now, 5, receiver.port)
        assert send(batches, now=now, connections=1) == []

    assert kinds(mailing) == {"accepted": 5}
    assert receiver.connections == 1


def test_a_relay_that_cant_be_reached_is_no_try_of_anybodys(now: datetime) -> None:
    mailing, batches = through_a_relay(now, 5, 1)
    assert send(batches, now=now, connections=1) == []

    assert kinds(mailing) == {}
    assert set(Requeue.objects.values_list("reason", "attempt", "counted")) == {("handed_back", 1, 0)}
    assert Requeue.objects.filter(due_at__gt=now).count() == 5
    assert end_reason().startswith("way out not reached: ")
    assert_books_balance(mailing)
