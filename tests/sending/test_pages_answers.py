"""/answers/: read by everybody, decided by admins, undone with a reason."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client

from audiences.models import Suppression
from reputation.models import MailboxVerdict, ReplyDecision, Storm, UnreadReply
from sending import storms
from sending.decisions import Words, meet
from sending.models import Inbound
from tests import visitors

pytestmark = pytest.mark.django_db
ADMIN = "admin@harbour.example"


@pytest.fixture
def admin() -> Client:
    return visitors.admin()


@pytest.fixture
def colleague() -> Client:
    return visitors.colleague()


@pytest.fixture
def group(now: datetime) -> UnreadReply:
    words = Words("google", 550, "", "The harbour is closed to <address>")
    meet(now=now, words=words, sample="550 The harbour is closed to <address>", phase="rcpt")
    UnreadReply.objects.update(n=7)
    return UnreadReply.objects.get()


@pytest.fixture
def storm(now: datetime) -> Storm:
    row = Storm.objects.create(
        provider="google", began_at=now, until=now + timedelta(days=1), why="60 of 120 within 15 minutes."
    )
    MailboxVerdict.objects.create(
        provider="google", domain="gmail.com", address_key="0" * 32, mailing_ref=1, at=now, source="mailing 1",
        state="held", storm=row,
    )  # fmt: skip
    return row


def email_of(user: User | None) -> str:
    return user.email if user else ""


def test_groups_are_listed_with_what_is_known_of_them(colleague: Client, group: UnreadReply, storm: Storm) -> None:
    text = colleague.get("/answers/").text
    assert "The harbour is closed to &lt;address&gt;" in text and "Gmail" in text and ">7<" in text
    assert "refuses too many mailboxes at once" in text and f"/answers/storms/{storm.pk}/" in text


def test_an_empty_page_says_that_all_is_understood(colleague: Client) -> None:
    assert "Every answer is understood" in colleague.get("/answers/").text


def test_an_admin_decides_and_undoes(admin: Client, group: UnreadReply) -> None:
    page = f"/answers/{group.pk}/"
    assert "Say what it means" in admin.get(page).text
    assert admin.post(page, {"meaning": "", "reason": "x"}).status_code == 422
    assert admin.post(page, {"meaning": "full", "everywhere": "on", "reason": "I asked them"}).status_code == 302
    decision = ReplyDecision.objects.get()
    assert (decision.class_name, decision.everywhere, email_of(decision.decided_by)) == ("full", True, ADMIN)
    told = admin.get(page).text
    assert "I asked them" in told and "Say what it means" not in told
    assert admin.post(page, {"meaning": "unknown", "reason": "no"}).status_code == 200
    assert ReplyDecision.objects.count() == 1

    admin.post(f"{page}undo/", {"reason": ""})
    assert ReplyDecision.objects.get().revoked_at is None
    admin.post(f"{page}undo/", {"reason": "It was wrong"})
    assert ReplyDecision.objects.get().revoked_reason == "It was wrong"
    assert "Undone decisions" in admin.get(page).text
    assert "Not classified yet" in admin.get("/answers/").text


def test_colleagues_read_and_do_not_decide(colleague: Client, group: UnreadReply, storm: Storm) -> None:
    for page in (f"/answers/{group.pk}/", f"/answers/storms/{storm.pk}/"):
        answer = colleague.get(page)
        assert answer.status_code == 200 and 'name="reason"' not in answer.text
        assert colleague.post(page, {"meaning": "full", "verdict": "believed", "reason": "x"}).status_code == 403
    assert colleague.post(f"/answers/{group.pk}/undo/", {"reason": "x"}).status_code == 403
    assert not ReplyDecision.objects.exists() and Storm.objects.get().state == "open"


@pytest.mark.parametrize(("verdict", "suppressed"), [("believed", 1), ("dismissed", 0)])
def test_an_admin_ends_a_storm(admin: Client, storm: Storm, verdict: str, suppressed: int) -> None:
    page = f"/answers/storms/{storm.pk}/"
    assert "60 of 120" in admin.get(page).text
    assert admin.post(page, {"reason": "x"}).status_code == 422
    assert admin.post(page, {"verdict": verdict, "reason": "Their status page says so"}).status_code == 302
    storm.refresh_from_db()
    assert (storm.state, email_of(storm.decided_by)) == (verdict, ADMIN)
    assert Suppression.objects.count() == suppressed
    assert "Their status page says so" in admin.get(page).text
    assert "Earlier storms" in admin.get("/answers/").text


def test_whoever_comes_second_is_told(admin: Client, storm: Storm, now: datetime) -> None:
    storms.decide(now=now, storm=storm, believed=False, actor=None, reason="Nobody decided in 24 hours.")
    page = f"/answers/storms/{storm.pk}/"
    assert "decided already" in admin.post(page, {"verdict": "believed", "reason": "x"}, follow=True).text
    assert "by the time" in admin.get(page).text


def test_mail_that_could_not_be_read_is_listed_for_a_person(colleague: Client, now: datetime) -> None:
    Inbound.objects.create(
        source="smtp",
        mail_from="mailer@odd.example",
        rcpt_to="b@bounce.example",
        headers={"subject": "Your message"},
        raw=b"?",
        digest=uuid4(),
        received_at=now,
        state=Inbound.State.FAILED,
        note="ValueError: no report in it",
    )

    page = colleague.get("/answers/").content.decode()

    assert "mailer@odd.example" in page
    assert "no report in it" in page
