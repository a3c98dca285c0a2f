"""Reports about letters that really left: what each changes, and what none may change."""

from datetime import datetime, timedelta

import pytest

from audiences.models import SoftFailure, Subscription, Suppression
from lab.arf import STYLES as FEEDBACK_LOOPS
from lab.dsn import STYLES as MAILERS
from reputation.models import Budget, DayTally
from sending import hearing
from sending.inbound import reading
from sending.models import Batch, Delivery, Event, Inbound, MailingCount, Outcome, Reply, Route
from tests.cast import newsletter, pressed
from tests.sending.engine import letter as compiled
from tests.sending.inbox import (
    BAD_NAME,
    LATER,
    UNKNOWN_USER,
    accepted,
    bounce_of,
    campaign,
    complaint_of,
    header,
    take_in,
    written,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_replies_remembered():
    """The dictionary of another test was rolled back."""
    hearing.forget()


@pytest.fixture
def sent(now):
    """One letter that was taken half an hour ago: (mailing, delivery, letter)."""
    mailing = campaign(now)
    (delivery,) = accepted(mailing, at=now - LATER)
    return mailing, delivery, written(mailing, delivery, now=now)


def spent_from(budget: Budget, mailing, now: datetime) -> None:
    """The mailing's only batch, done, and its outcomes in it."""
    batch = Batch.objects.create(
        mailing=mailing,
        route=Route.objects.latest("pk"),
        provider="google",
        kind="fresh",
        lo=1,
        hi=1,
        gap=0,
        due_at=now,
        deadline=now,
        budget_ids=[budget.pk],
        state="done",
    )
    Outcome.objects.filter(mailing_id=mailing.pk).update(batch_id=batch.pk)


def suppressed() -> list[tuple[str, str]]:
    return list(Suppression.objects.values_list("scope", "reason"))


def count(mailing, kind: str) -> int:
    return sum(MailingCount.objects.filter(mailing=mailing, kind=kind).values_list("n", flat=True))


@pytest.mark.parametrize("style", sorted(MAILERS))
def test_a_late_hard_bounce_of_every_make_suppresses_the_mailbox(sent, style: str, now: datetime) -> None:
    mailing, delivery, letter = sent
    row = take_in(bounce_of(letter, style=style, now=now), rcpt=letter.mail_from, now=now)

    assert (row.kind, row.state) == ("bounce", "done")
    assert suppressed() == [("*", "bounced")]
    assert Event.objects.get().kind == "bounced" and Event.objects.get().delivery == delivery.id
    assert count(mailing, "bounced") == 1
    # The outcome stays: the receiver did take it. The sums of the mailing do not move.
    assert Outcome.objects.get().kind == "accepted"


def test_evidence_is_kept_with_the_suppression_and_the_text_without_the_address(sent, now: datetime) -> None:
    mailing, _, letter = sent
    take_in(bounce_of(letter, now=now), rcpt=letter.mail_from, now=now)
    evidence = Suppression.objects.get().evidence
    assert evidence["mailing"] == mailing.pk and evidence["class"] == "unknown" and "5.1.1" in evidence["reply"]
    assert letter.rcpt_to not in Reply.objects.get().text
    assert Event.objects.get().reply_id == Reply.objects.get().pk


def test_the_same_report_told_three_times_counts_once(sent, now: datetime) -> None:
    mailing, _, letter = sent
    for style in ("postfix", "gmail", "exchange"):
        take_in(bounce_of(letter, style=style, now=now), rcpt=letter.mail_from, now=now)
    assert (Event.objects.count(), count(mailing, "bounced"), Suppression.objects.count()) == (1, 1, 1)
    assert Inbound.objects.filter(note__startswith="Told before").count() == 2


def test_a_reply_about_us_never_counts_against_the_person(sent, now: datetime) -> None:
    mailing, _, letter = sent
    take_in(bounce_of(letter, reply=BAD_NAME, now=now), rcpt=letter.mail_from, now=now)
    assert (Suppression.objects.count(), SoftFailure.objects.count()) == (0, 0)
    assert count(mailing, "bounced") == 1


def test_a_full_mailbox_counts_as_soft(now: datetime) -> None:
    mailing = campaign(now, domain="gmx.de")
    (delivery,) = accepted(mailing, at=now - LATER)
    letter = written(mailing, delivery, now=now)
    take_in(bounce_of(letter, reply="552 5.2.2 Mailbox full", now=now), rcpt=letter.mail_from, now=now)
    assert suppressed() == []
    assert SoftFailure.objects.get().kind == "full"


def test_a_bounce_from_where_the_mailbox_forwards_to_is_soft(sent, now: datetime) -> None:
    """The mailbox that we write to took the letter; the one behind it is not ours to judge."""
    _, _, letter = sent
    raw = bounce_of(letter, recipient="somebody@elsewhere.example", now=now)
    take_in(raw, rcpt=letter.mail_from, now=now)
    assert suppressed() == []
    assert SoftFailure.objects.get().kind == "misroute"


def test_an_unknown_outcome_is_resolved_by_the_bounce(now: datetime) -> None:
    """Whoever bounces it had taken it: the sums stay right."""
    mailing = campaign(now)
    (delivery,) = accepted(mailing, at=now - LATER, kind="unknown")
    MailingCount.objects.create(mailing=mailing, provider="google", kind="unknown", n=1)
    letter = written(mailing, delivery, now=now)
    take_in(bounce_of(letter, now=now), rcpt=letter.mail_from, now=now)
    assert Outcome.objects.get().kind == "accepted"
    assert (count(mailing, "unknown"), count(mailing, "accepted"), count(mailing, "bounced")) == (0, 1, 1)


def test_a_delay_changes_nothing(sent, now: datetime) -> None:
    _, _, letter = sent
    raw = bounce_of(letter, reply="451 4.4.1 No answer yet", now=now).replace(b"Action: failed", b"Action: delayed")
    raw = raw.replace(b"Status: 5.4.1", b"Status: 4.4.1")
    row = take_in(raw, rcpt=letter.mail_from, now=now)
    assert row.kind == "delayed"
    assert (Event.objects.count(), Suppression.objects.count(), SoftFailure.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize("loop", sorted(FEEDBACK_LOOPS))
def test_a_complaint_by_every_loop_suppresses_everywhere(sent, loop: str, now: datetime) -> None:
    """JMRP names nobody any more: the tokens in the quoted header lines do."""
    mailing, _, letter = sent
    row = take_in(complaint_of(letter, style=loop, now=now), rcpt="fbl@bounce.news.harbour.example", now=now)
    assert row.kind == "complaint"
    assert suppressed() == [("*", "complained")]
    assert (Event.objects.get().kind, count(mailing, "complained")) == ("complained", 1)


def test_a_complaint_is_found_by_the_unsubscribe_link_alone(sent, now: datetime) -> None:
    _, _, letter = sent
    raw = complaint_of(letter, style="jmrp", now=now).replace(
        header(letter, "Message-ID").encode(), b"<gone@x.example>"
    )
    take_in(raw, rcpt="fbl@bounce.news.harbour.example", now=now)
    assert suppressed() == [("*", "complained")]


def test_complaints_and_bounces_reach_the_budgets_of_the_lane(sent, now: datetime) -> None:
    mailing, _, letter = sent
    budget = Budget.objects.create(kind="ip", scope="127.0.1.1", provider="google")
    spent_from(budget, mailing, now)
    take_in(complaint_of(letter, now=now), rcpt="fbl@bounce.news.harbour.example", now=now)
    take_in(bounce_of(letter, now=now), rcpt=letter.mail_from, now=now)
    day = DayTally.objects.get()
    assert (day.complained, day.bounced, day.unknown_users, day.sent) == (1, 1, 1, 0)


@pytest.mark.parametrize(("kind", "state"), [("relay", "held"), ("direct", "open")])
def test_a_report_about_us_slows_only_a_route_that_somebody_else_sends_for(
    now: datetime, kind: str, state: str
) -> None:
    """Behind a relay the receivers' words come by mail alone; behind our own address they speak of a third party."""
    mailing = campaign(now)
    route = Route.objects.create(name="out", kind="relay", host="relay.example") if kind == "relay" else None
    (delivery,) = accepted(mailing, at=now - LATER, route=route)
    budget = Budget.objects.create(kind="account", scope="relay", provider="google")
    spent_from(budget, mailing, now)
    letter = written(mailing, delivery, now=now)
    take_in(bounce_of(letter, reply=BAD_NAME, now=now), rcpt=letter.mail_from, now=now)
    budget.refresh_from_db()
    assert budget.state == state


def test_the_list_of_the_letter_is_left_by_mail(sent, now: datetime) -> None:
    mailing, _, letter = sent
    address = header(letter, "List-Unsubscribe").partition("mailto:")[2].partition(">")[0].partition("?")[0]
    raw = b"From: a@gmail.com\r\nTo: " + address.encode() + b"\r\nSubject: unsubscribe\r\n\r\nplease\r\n"
    row = take_in(raw, rcpt=address, sender="a@gmail.com", now=now)
    assert row.kind == "unsubscribe"
    assert suppressed() == [(f"list:{mailing.included_lists[0]}", "unsubscribed")]
    assert Subscription.objects.get().state == "unsubscribed"
    assert (Event.objects.get().kind, count(mailing, "unsubscribed")) == ("unsubscribed", 1)


def test_an_opt_out_report_is_no_complaint(sent, now: datetime) -> None:
    _, _, letter = sent
    raw = complaint_of(letter, now=now).replace(b"Feedback-Type: abuse", b"Feedback-Type: opt-out")
    take_in(raw, rcpt="fbl@bounce.news.harbour.example", now=now)
    assert [reason for _, reason in suppressed()] == ["unsubscribed"]


def test_an_automatic_answer_is_noted_once(sent, now: datetime) -> None:
    mailing, _, letter = sent
    for n in range(2):
        raw = (
            f"From: {letter.rcpt_to}\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\nX-Number: {n}\r\n"
            f"In-Reply-To: {header(letter, 'Message-ID')}\r\n\r\nI am away.\r\n"
        ).encode()
        row = take_in(raw, rcpt="hello@news.harbour.example", now=now)
        assert row.kind == "auto_reply"
    assert (Event.objects.get().kind, count(mailing, "auto_replied"), suppressed()) == ("auto_replied", 1, [])


# -- Who may not be believed -------------------------------------------------------------------------------------------


def nothing_happened() -> bool:
    return not (Event.objects.exists() or Suppression.objects.exists() or SoftFailure.objects.exists())


def flipped(address: str) -> str:
    """The same return path with one letter of its signature changed."""
    local, _, host = address.partition("@")
    return f"{local[:-8]}{'a' if local[-8] != 'a' else 'b'}{local[-7:]}@{host}"


def test_a_forged_report_with_the_victims_address_acts_on_nobody(sent, now: datetime) -> None:
    """Original-Recipient alone never suffices: anybody can write it."""
    _, _, letter = sent
    forged = bounce_of(letter, now=now)
    for token in (letter.mail_from, header(letter, "Message-ID").strip("<>")):
        forged = forged.replace(token.encode(), flipped(token).encode())
    forged = forged.replace(b"/u/", b"/x/").replace(b"mailto:u-", b"mailto:x-")
    for rcpt in (flipped(letter.mail_from), "bounce@bounce.news.harbour.example"):
        row = take_in(forged + b"\r\n", rcpt=rcpt, now=now)
        assert (row.kind, row.state) == ("unverified", "done")
    assert nothing_happened()


def test_a_return_path_of_one_person_around_the_letter_of_another_acts_on_nobody(now: datetime) -> None:
    mailing = campaign(now, 2)
    first, second = (written(mailing, each, now=now) for each in accepted(mailing, at=now - LATER))
    row = take_in(bounce_of(first, now=now), rcpt=second.mail_from, now=now)
    assert row.kind == "unverified"
    assert nothing_happened()


@pytest.mark.parametrize("kind", ["skipped", "refused", "blocked", "bounced_hard"])
def test_a_report_about_a_letter_that_never_left_changes_nothing(now: datetime, kind: str) -> None:
    mailing = campaign(now)
    (delivery,) = accepted(mailing, at=now - LATER, kind=kind)
    letter = written(mailing, delivery, now=now)
    row = take_in(bounce_of(letter, now=now), rcpt=letter.mail_from, now=now)
    assert row.state == "new"
    reading.read(now=now + LATER, inbound_id=row.pk)
    row.refresh_from_db()
    assert (row.kind, row.state) == ("not_sent", "done")
    assert nothing_happened()


def test_a_report_about_an_old_letter_changes_nothing(now: datetime) -> None:
    mailing = campaign(now)
    (delivery,) = accepted(mailing, at=now - timedelta(days=91))
    letter = written(mailing, delivery, now=now)
    assert take_in(bounce_of(letter, now=now), rcpt=letter.mail_from, now=now).kind == "too_old"
    assert nothing_happened()


def test_a_report_counts_for_ninety_days(now: datetime) -> None:
    mailing = campaign(now)
    (delivery,) = accepted(mailing, at=now - timedelta(days=89))
    letter = written(mailing, delivery, now=now)
    assert take_in(bounce_of(letter, now=now), rcpt=letter.mail_from, now=now).kind == "bounce"
    assert Event.objects.get(kind="bounced").delivery == delivery.id
    assert MailingCount.objects.get(mailing=mailing, kind="bounced").n == 1


def test_a_report_that_is_quicker_than_the_outcome_waits_for_it(now: datetime) -> None:
    mailing = campaign(now)
    delivery = Delivery.objects.get(mailing_id=mailing.pk)
    letter = written(mailing, delivery, now=now)
    row = take_in(bounce_of(letter, now=now), rcpt=letter.mail_from, now=now)
    assert (row.state, row.attempts, nothing_happened()) == ("new", 0, True)

    accepted(mailing, at=now)
    assert reading.sweep(now=now + timedelta(minutes=1)) == 1
    assert suppressed() == [("*", "bounced")]


def test_a_report_about_a_test_changes_nothing(now: datetime) -> None:
    mailing = campaign(now, is_test=True)
    (delivery,) = accepted(mailing, at=now - LATER)
    letter = written(mailing, delivery, now=now)
    assert take_in(bounce_of(letter, now=now), rcpt=letter.mail_from, now=now).kind == "test"
    assert nothing_happened()


def test_by_the_return_path_alone_it_is_the_newest_letter_before(now: datetime) -> None:
    older = campaign(now)
    accepted(older, at=now - timedelta(days=3))
    newer = pressed(now, newsletter(), key="campaign:2", messages=[compiled()])
    (delivery,) = accepted(newer, at=now - timedelta(days=1))
    letter = written(newer, delivery, now=now)
    raw = (
        f"From: MAILER-DAEMON@mx.example\r\nSubject: failure notice\r\n\r\nCould not be delivered:\r\n\r\n"
        f"<{letter.rcpt_to}>:\r\n{UNKNOWN_USER.splitlines()[1]}\r\n"
    ).encode()
    take_in(raw, rcpt=letter.mail_from, now=now)
    assert Event.objects.get().mailing_id == newer.pk
