"""Words that no rule knows: grouped, read by a person, and a rule from then on; undone when it was wrong."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User

from audiences.models import SoftFailure, Suppression
from reputation.models import ReplyDecision, UnreadReply
from reputation.pure.reactions import REACTIONS, SUPPRESSING
from reputation.pure.replies import normalise_reply
from sending import decisions, hearing
from sending.models import Mailing, Outcome, Reply
from sending.pure.dialogue import SmtpReply
from sending.report_models import AnswerCount
from tests.sending.engine import assert_books_balance, cut, kinds, mailing_to, send
from tests.sending.scripted_receiver import Script, receiving

pytestmark = pytest.mark.usefixtures("engine")

ODD = "550 The harbour is closed to {}, ticket 4fa8c1b2d9e0"


@pytest.fixture(autouse=True)
def _nothing_known():
    hearing.forget()


@pytest.fixture
def odd(now: datetime, settings) -> Mailing:
    """A mailing of six, of whom two were refused in words that no rule knows."""
    mailing = mailing_to(6, now=now, domain="hotmail.com")
    run(mailing, now=now, settings=settings)
    assert kinds(mailing) == {"accepted": 4, "bounced_soft": 2}
    return mailing


def run(mailing: Mailing, *, now: datetime, settings) -> None:
    def rcpt(_, recipient: str) -> str:
        return ODD.format(f"<{recipient}>") if recipient.startswith(("reader1@", "reader2@")) else "250 Ok"

    with receiving(Script(rcpt=rcpt)) as receiver:
        settings.SMTP_PORT = receiver.port
        assert send(cut(mailing, now=now), now=now, connections=1) == []
    assert_books_balance(mailing)


def decide(now: datetime, class_name: str, **changes) -> ReplyDecision | None:
    given = {"everywhere": False, "actor": None, "reason": "I asked their postmaster"} | changes
    return decisions.decide(now=now, reply=UnreadReply.objects.get(), class_name=class_name, **given)


def heard(line: str, *, provider: str = "microsoft", phase: str = "rcpt"):
    code, _, text = line.partition(" ")
    return hearing.hear(SmtpReply(int(code), text), provider=provider, phase=phase)


def test_words_that_differ_in_the_person_only_are_one_group(odd: Mailing, now: datetime) -> None:
    group = UnreadReply.objects.get()
    assert (group.provider, group.code, group.n, group.phase) == ("microsoft", 550, 2, "rcpt")
    assert group.text == "The harbour is closed to <address>, ticket <id>"
    assert "4fa8c1b2d9e0" in group.sample and "reader" not in group.sample
    assert group.first_seen_at <= group.last_seen_at
    assert SoftFailure.objects.filter(kind="unclassified").count() == 2


def test_a_decision_is_a_rule_from_then_on(odd: Mailing, now: datetime) -> None:
    mara = User.objects.create_user("mara", password="x")
    decision = decide(now, "rcpt_policy", actor=mara)
    assert decision is not None
    found = heard(ODD.format("<new@hotmail.com>"))
    assert (found.verdict.class_, found.verdict.scope) == ("rcpt_policy", "rcpt")
    assert found.verdict.rule_id == f"decision {decision.pk}"
    assert found.reaction.kind == "bounced_policy"
    assert heard(ODD.format("<new@x.example>"), provider="yahoo").verdict.class_ == "unclassified"
    assert (decision.decided_by, decision.decided_at, decision.reason) == (mara, now, "I asked their postmaster")


def test_everywhere_is_for_every_provider(odd: Mailing, now: datetime) -> None:
    decide(now, "rcpt_policy", everywhere=True)
    assert heard(ODD.format("<new@x.example>"), provider="yahoo").verdict.class_ == "rcpt_policy"


def test_what_is_not_about_the_mailbox_is_taken_off_their_record(odd: Mailing, now: datetime) -> None:
    decide(now, "blocklist")
    assert not SoftFailure.objects.exists() and not Suppression.objects.exists()
    assert set(Reply.objects.values_list("reply_class", "reply_scope")) == {("blocklist", "ip")}
    assert list(AnswerCount.objects.values_list("reply_class", "n")) == [("blocklist", 2)]


def test_another_soft_class_keeps_the_failure_under_its_name(odd: Mailing, now: datetime) -> None:
    decide(now, "full")
    assert list(SoftFailure.objects.values_list("kind", flat=True)) == ["full", "full"]


def test_mailboxes_that_are_gone_are_suppressed_as_decided_and_freed_when_it_is_undone(
    odd: Mailing, now: datetime
) -> None:
    decision = decide(now, "unknown")
    assert decision is not None
    assert Suppression.objects.filter(reason="bounced").count() == 2
    assert Suppression.objects.all()[0].evidence["rule"] == f"decision {decision.pk}"
    assert heard(ODD.format("<new@hotmail.com>")).reaction.kind == "bounced_hard"

    assert decisions.revoke(now=now, decision=decision, actor=None, reason="They were wrong")
    assert not Suppression.objects.exists()
    assert heard(ODD.format("<new@hotmail.com>")).verdict.class_ == "unclassified"
    assert set(Reply.objects.values_list("reply_class", "rule")) == {("unclassified", "")}
    assert not decisions.revoke(now=now, decision=decision, actor=None, reason="again")
    assert decide(now, "full") is not None


def test_two_people_cannot_decide_the_same_words(odd: Mailing, now: datetime) -> None:
    assert decide(now, "full") is not None
    assert decide(now, "unknown") is None
    with pytest.raises(ValueError, match="no class"):
        decisions.decide(
            now=now,
            reply=UnreadReply.objects.get(),
            class_name="unclassified",
            everywhere=False,
            actor=None,
            reason="x",
        )


def test_other_processes_know_it_within_seconds(odd: Mailing, now: datetime, monkeypatch) -> None:
    assert heard(ODD.format("<a@b.example>")).verdict.class_ == "unclassified"
    ReplyDecision.objects.create(
        reply=UnreadReply.objects.get(), class_name="full", reason="made elsewhere", decided_at=now
    )
    assert heard(ODD.format("<a@b.example>")).verdict.class_ == "unclassified"
    monkeypatch.setattr(decisions, "READ_AGAIN_SECONDS", 0.0)
    assert heard(ODD.format("<a@b.example>")).verdict.class_ == "full"


@pytest.mark.parametrize("phase", ["connect", "ehlo", "starttls", "auth", "mail"])
def test_no_decision_suppresses_anybody_before_the_recipient_was_named(odd: Mailing, now: datetime, phase: str) -> None:
    decide(now, "unknown")
    assert heard(ODD.format("<a@b.example>"), phase=phase).verdict.class_ not in SUPPRESSING


@pytest.mark.parametrize("class_name", decisions.CLASSES)
def test_only_classes_about_the_recipient_touch_the_suppressions(
    odd: Mailing, now: datetime, settings, class_name: str
) -> None:
    decide(now, class_name)
    gone = REACTIONS[class_name].recipient == "gone"
    assert Suppression.objects.exists() is gone
    if gone:
        assert REACTIONS[class_name].scope == "rcpt"


def test_a_temporary_answer_is_never_asked_about(now: datetime) -> None:
    said = normalise_reply("450 The harbour is closed")
    assert heard("450 The harbour is closed").verdict.class_ == "temp"
    assert said.code == 450 and not UnreadReply.objects.exists()


def test_counting_goes_on_with_the_next_mailing(odd: Mailing, now: datetime, settings) -> None:
    later = now + timedelta(days=1)
    again = mailing_to(0, now=later, domain="hotmail.com", key="campaign:2")
    assert again.total == 6
    run(again, now=later, settings=settings)
    group = UnreadReply.objects.get()
    assert (group.n, group.last_seen_at > group.first_seen_at) == (4, True)
    assert Outcome.objects.filter(kind="bounced_soft").count() == 4
