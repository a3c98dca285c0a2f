"""Whom a note or a decision about a campaign concerns is told by mail, with a link and without what was written."""

from datetime import datetime, timedelta
from email import message_from_bytes, policy

import pytest

from campaigns import remarks
from campaigns.models import Campaign, Remark
from config.roles import Role
from config.team import notices
from sending.models import Route
from tests.cast import shop, verified_domain
from tests.sending.scripted_receiver import receiving
from tests.visitors import member

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "Jane Doe has complained"


@pytest.fixture
def campaign(settings) -> Campaign:
    settings.SMTP_COMMAND_TIMEOUT = settings.SMTP_CONNECT_TIMEOUT = settings.SMTP_DOT_TIMEOUT = 2.0
    settings.PUBLIC_URL = "https://mail.harbour.example"
    shop()
    verified_domain()
    for name, role in (("mara", Role.MARKETER), ("ola", Role.APPROVER), ("ines", Role.ADMIN), ("vera", Role.VIEWER)):
        member(name, role)
    return Campaign.objects.create(name="Winter reading list")


def told(now: datetime) -> dict[str, tuple[str, str]]:
    """Address → subject and text of all that was mailed; told twice, it is mailed once."""
    with receiving() as receiver:
        Route.objects.create(name="relay", kind="relay", host="127.0.0.1", port=receiver.port, security="none")
        notices.tell(now=now)
        notices.tell(now=now + timedelta(minutes=10))
    Route.objects.all().delete()
    found = {}
    assert set(receiver.accepted.values()) <= {1}
    for address, letter in receiver.messages.items():
        mail = message_from_bytes(letter, policy=policy.default)
        body = mail.get_body()
        assert body is not None
        found[address.partition("@")[0]] = (str(mail["Subject"]), body.get_content().replace("\r\n", "\n"))
    return found


def test_who_may_approve_is_told_that_somebody_asks_and_by_a_link(now: datetime, campaign: Campaign) -> None:
    assert remarks.ask(now=now, campaign=campaign, by=member("mara", Role.MARKETER), words=SECRET)
    found = told(now)
    assert set(found) == {"ola", "ines"}
    subject, text = found["ola"]
    assert subject == "Mara asks you to approve “Winter reading list”"
    assert f"https://mail.harbour.example/campaigns/{campaign.pk}/review/" in text
    assert SECRET not in text


def test_who_asked_is_told_what_was_decided(now: datetime, campaign: Campaign) -> None:
    mara, ola = member("mara", Role.MARKETER), member("ola", Role.APPROVER)
    remarks.ask(now=now, campaign=campaign, by=mara, words="")
    told(now)
    campaign.refresh_from_db()
    remarks.decide(now=now, campaign=campaign, by=ola, approve=False, words=SECRET, seen=remarks.stamp(campaign))
    assert told(now) == {"mara": ("Ola has sent “Winter reading list” back", told_text(campaign, "Ola has sent"))}


def told_text(campaign: Campaign, begin: str) -> str:
    page = f"https://mail.harbour.example/campaigns/{campaign.pk}/review/"
    return f"{begin} “Winter reading list” back.\n\nWhat was written stands there:\n{page}\n"


def test_who_is_mentioned_in_a_note_is_told_and_nobody_else(now: datetime, campaign: Campaign) -> None:
    mara = member("mara", Role.MARKETER)
    remarks.say(now=now, campaign=campaign, by=mara, words=f"@vera, @Ines and @mara: {SECRET}, jane@vera.example")
    found = told(now)
    assert set(found) == {"vera", "ines"}
    assert found["vera"][0] == "Mara mentions you in a note on “Winter reading list”"
    assert SECRET not in found["vera"][1]


def test_a_note_that_mentions_nobody_is_mailed_to_nobody(now: datetime, campaign: Campaign) -> None:
    mara = member("mara", Role.MARKETER)
    remarks.say(now=now, campaign=campaign, by=mara, words="Ready.")
    remarks.say(now=now, campaign=campaign, by=mara, words="Ask jane@reader.example.")
    assert told(now) == {}
    assert not Remark.objects.exclude(mail_due_at=None).exists()


def test_what_reached_nobody_is_tried_again_for_a_day(now: datetime, campaign: Campaign, settings) -> None:
    settings.LAB = True
    Route.objects.create(name="relay", kind="relay", host="127.0.0.1", port=9, security="none")
    remarks.ask(now=now, campaign=campaign, by=member("mara", Role.MARKETER), words="")
    notices.tell(now=now)
    assert Remark.objects.get().mail_due_at == now + notices.AGAIN_AFTER
    Route.objects.all().delete()
    assert set(told(now + timedelta(minutes=6))) == {"ola", "ines"}


def test_after_a_day_nobody_is_told_any_more(now: datetime, campaign: Campaign, settings) -> None:
    settings.LAB = True
    Route.objects.create(name="relay", kind="relay", host="127.0.0.1", port=9, security="none")
    remarks.ask(now=now, campaign=campaign, by=member("mara", Role.MARKETER), words="")
    notices.tell(now=now + timedelta(days=1))
    assert Remark.objects.get().mail_due_at is None
