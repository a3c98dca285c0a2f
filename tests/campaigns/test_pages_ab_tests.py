"""The pages of an A/B test: write it, see what it could show, look at each variant, choose the winner."""

from datetime import datetime

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from campaigns.content import current
from campaigns.launch import launch
from campaigns.models import Campaign
from config.roles import Role
from reputation.models import Workspace
from sending.models import Mailing, MailingMessage
from tests.campaigns.world import ready_campaign, write
from tests.visitors import visitor

pytestmark = pytest.mark.django_db
TEST = {"share": "50", "by": "clicked", "hours": "2", "subject_b": "Sit by the window"}


@pytest.fixture
def now() -> datetime:
    """Pages read the real clock."""
    return timezone.now()


@pytest.fixture
def campaign(now: datetime) -> Campaign:
    return ready_campaign(now, readers=40)


@pytest.fixture
def client() -> Client:
    return visitor("mara", Role.MARKETER)


def save(client: Client, campaign: Campaign, **changes: str):
    campaign.refresh_from_db()
    data = {"based_on": str(campaign.rev), **TEST, **changes}
    return client.post(f"/campaigns/{campaign.pk}/variants/", data, follow=True)


def page(client: Client, campaign: Campaign, path: str) -> str:
    return client.get(f"/campaigns/{campaign.pk}/{path}").content.decode()


def launched(client: Client, campaign: Campaign, now: datetime, **changes: str) -> Mailing:
    save(client, campaign, **changes)
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    mailing = launch(now=now, campaign_id=campaign.pk)
    assert mailing is not None
    return mailing


def test_it_is_written_changed_and_taken_away(client: Client, campaign: Campaign) -> None:
    assert "Test another subject (A/B)" in page(client, campaign, "")
    assert save(client, campaign, from_name_c="Mara").status_code == 200
    campaign.refresh_from_db()
    assert current(campaign).ab_test == {
        "others": [{"subject": "Sit by the window"}, {"from_name": "Mara"}], "share": 50, "by": "clicked", "hours": 2,
    }  # fmt: skip
    hub = page(client, campaign, "")
    assert "Sit by the window" in hub and "Change the A/B test" in hub
    assert 'value="Sit by the window"' in page(client, campaign, "variants/")
    save(client, campaign, off="1")
    campaign.refresh_from_db()
    assert current(campaign).ab_test == {}


@pytest.mark.parametrize("based_on", ["", "x", "-1", "9" * 30])
def test_a_version_that_is_no_number_takes_nothing_away(client: Client, campaign: Campaign, based_on: str) -> None:
    save(client, campaign)
    campaign.refresh_from_db()
    before = current(campaign).pk
    asked = {"based_on": based_on}
    assert client.post(f"/campaigns/{campaign.pk}/variants/", {"off": "1", **asked}).status_code == 422
    assert client.post(f"/campaigns/{campaign.pk}/letter/versions/1/restore/", asked).status_code == 302
    campaign.refresh_from_db()
    assert current(campaign).pk == before


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"subject_b": ""}, "Write at least one other subject, preheader, from name or letter."),
        ({"subject_b": "Hello {{ contact.nam }}"}, "`nam` is not a known field."),
        ({"preheader_b": "Hello {{ contact.first_name"}, "lp-error"),
        ({"from_name_b": "Mara\r\nBcc: everybody@example.org"}, "lp-error"),
        ({"hours": "0"}, "greater than or equal to 1"),
        ({"share": "7"}, "7 is not one of the available choices"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_lost(
    client: Client, campaign: Campaign, typed: dict[str, str], said: str
) -> None:
    answer = save(client, campaign, **typed)
    shown = answer.content.decode()
    assert answer.status_code == 422 and said in shown
    assert all(escape(words) in shown for words in typed.values() if "\n" not in words)
    campaign.refresh_from_db()
    assert current(campaign).ab_test == {}


def test_who_saved_meanwhile_loses_nothing_and_neither_does_who_typed(
    client: Client, campaign: Campaign, now: datetime
) -> None:
    before = str(campaign.rev)
    write(now, campaign, subject="Another subject")
    answer = client.post(f"/campaigns/{campaign.pk}/variants/", {**TEST, "based_on": before})
    shown = answer.content.decode()
    assert answer.status_code == 422
    assert "The letter was saved meanwhile" in shown and "Another subject" in shown and "Sit by the window" in shown
    assert f'name="based_on" value="{campaign.rev}"' in shown


def test_a_campaign_on_its_way_is_not_changed(client: Client, campaign: Campaign, now: datetime) -> None:
    launched(client, campaign, now)
    assert "This campaign is" in save(client, campaign, subject_b="Too late").content.decode()
    campaign.refresh_from_db()
    assert current(campaign).ab_test["others"] == [{"subject": "Sit by the window"}]


def test_the_outlook_follows_what_is_typed(client: Client, campaign: Campaign) -> None:
    asked = "variants/outlook/?based_on=1&share=50&by=clicked&hours=4&subject_b=x"
    two, three = page(client, campaign, asked), page(client, campaign, asked + "&subject_c=y")
    assert "<b>20</b> of 40 people are in the test, 10 with each variant." in two
    assert "Below 1,000 people in the test" in two and "In general, about 2.5 % click." in two
    assert "6 with each variant" in three
    assert page(client, campaign, "variants/outlook/?share=x&by=y")


def test_each_variant_can_be_looked_at_and_tested(client: Client, campaign: Campaign, now: datetime) -> None:
    save(client, campaign, from_name_b="Mara", preheader_c="For tea and a blanket")
    assert "For tea and a blanket" in page(client, campaign, "letter/preview/?variant=2")
    assert "For tea and a blanket" not in page(client, campaign, "letter/preview/?variant=7")
    assert "Sit by the window" in page(client, campaign, "review/subjects/?variant=1")
    review = page(client, campaign, "review/")
    assert "Sit by the window" in review and "Only 20 people are in the A/B test." in review
    typed = {"subject": "Typed", "letter": "Hello"}
    checked = client.post(f"/campaigns/{campaign.pk}/letter/check/?of=1", typed).content.decode()
    assert "Typed" in checked and "<b>Mara</b>" in checked
    form = page(client, campaign, "test/")
    assert "B: Sit by the window" in form
    data = {"addresses": "mara@gmail.com", "variant": "1", "request_key": "c" * 32}
    client.post(f"/campaigns/{campaign.pk}/test/", data)
    message = MailingMessage.objects.get(mailing=Mailing.objects.get(is_test=True))
    assert "[Test] Sit by the window" in str(message.compiled["subject"])


def test_the_monitor_tells_it_and_a_person_chooses_once(client: Client, campaign: Campaign, now: datetime) -> None:
    mailing = launched(client, campaign, now, by="hand")
    assert "variants/result/" in page(client, campaign, "monitor/")
    shown = page(client, campaign, "variants/result/")
    assert "2 variants are tested with 20 people. The other 20 people wait for your choice." in shown
    assert shown.count("Choose now") == 2
    here = f"/campaigns/{campaign.pk}/variants/choose/"
    assert client.post(here, {"variant": "x"}).status_code == 404
    answer = client.post(here, {"variant": "1"}, headers={"HX-Request": "true"})
    assert "Variant B was chosen at" in answer.content.decode() and "Choose now" not in answer.content.decode()
    assert "There is nothing to choose any more." in client.post(here, {"variant": "0"}, follow=True).content.decode()
    mailing.refresh_from_db()
    assert mailing.winner == 1
    assert "chose the winner of the test" in page(client, campaign, "pace/")
    assert "variants/result/" in page(client, campaign, "report/")


def test_a_campaign_without_a_test_has_none(client: Client, campaign: Campaign, now: datetime) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    launch(now=now, campaign_id=campaign.pk)
    assert client.get(f"/campaigns/{campaign.pk}/variants/result/").status_code == 404
    assert "variants/result" not in page(client, campaign, "monitor/")


def test_who_only_looks_sees_figures_and_no_buttons(client: Client, campaign: Campaign, now: datetime) -> None:
    mailing = launched(client, campaign, now)
    viewer = visitor("vera", Role.VIEWER)
    assert "Choose now" not in page(viewer, campaign, "variants/result/")
    assert viewer.post(f"/campaigns/{campaign.pk}/variants/choose/", {"variant": "1"}).status_code == 403
    assert viewer.get(f"/campaigns/{campaign.pk}/variants/").status_code == 403
    Workspace.objects.update(second_person_sends=True)
    assert client.post(f"/campaigns/{campaign.pk}/variants/choose/", {"variant": "1"}).status_code == 403
    mailing.refresh_from_db()
    assert mailing.winner is None


def test_a_variant_has_a_letter_of_its_own(client: Client, campaign: Campaign, now: datetime) -> None:
    save(client, campaign, own_letter_b="on")
    campaign.refresh_from_db()
    first = current(campaign).letter
    assert current(campaign).ab_test["others"] == [{"subject": "Sit by the window", "letter": first}]
    here = f"/campaigns/{campaign.pk}/letter/?of=1"
    shown = client.get(here).content.decode()
    assert 'value="Sit by the window"' in shown and "Edit the letter of B" in page(client, campaign, "variants/")

    words = {"subject": "Sit by the window", "preheader": "", "kind": "letter"}
    data = {**words, "based_on": str(campaign.rev), "letter": "Dear reader,\n\n[a lamp](https://lamp.example/)"}
    assert client.post(here, data).headers["Location"].endswith("?of=1")
    campaign.refresh_from_db()
    saved = current(campaign)
    assert saved.letter == first and saved.ab_test["others"][0]["letter"] == data["letter"]
    assert "a lamp" in page(client, campaign, "letter/preview/?variant=1")
    assert "a lamp" not in page(client, campaign, "letter/preview/")
    assert "with a letter of its own" in page(client, campaign, "")

    late = client.post(here, {**data, "letter": "Mine"})
    assert late.status_code == 409 and "Mine" in late.content.decode() and "a lamp" in late.content.decode()
    save(client, campaign)
    campaign.refresh_from_db()
    assert "letter" not in current(campaign).ab_test["others"][0]
