"""Going on from a campaign: drafts to those who did something or did not, a shared report, a message as a file."""

import re
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from django.core import signing
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from audiences.models import Subscriber
from campaigns import shared_report
from campaigns.audience import audience_of, headcount_of
from campaigns.follow_up import offers
from campaigns.launch import launch
from campaigns.models import Campaign
from campaigns.report import report_of
from config.roles import Role
from sending.models import Delivery, Event, Mailing
from tests.campaigns.test_pages_report import sent_campaign, visited
from tests.visitors import admin, colleague, visitor

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return colleague()


@pytest.fixture
def campaign() -> Campaign:
    at = timezone.now() - timedelta(days=4)
    made = sent_campaign(at)
    visited(made, at)
    return made


def follow(client: Client, campaign: Campaign, whom: str) -> Campaign:
    answer = client.post(f"/campaigns/{campaign.pk}/report/go-on/", {"whom": whom})
    assert answer.status_code == 302
    return Campaign.objects.get(pk=int(answer.headers["Location"].strip("/").split("/")[-1]))


@pytest.mark.parametrize("whom", ["not_clicked", "not_opened", "clicked", "not_reached"])
def test_a_draft_goes_to_exactly_as_many_as_the_report_offers(client, campaign, now, whom: str) -> None:
    offered = {key: n for key, _words, n in offers(campaign, report_of(Mailing.objects.get(pk=campaign.mailing_id)))}
    made = follow(client, campaign, whom)
    assert headcount_of(audience_of(made, now=now)).recipients == offered[whom] > 0
    assert (made.state, made.scheduled_for) == ("draft", None)
    seen = client.get(f"/campaigns/{campaign.pk}/report/").content.decode()
    assert f'name="whom" value="{whom}"' in seen


def test_who_did_not_click_is_written_to_and_nobody_else(client, campaign) -> None:
    made = follow(client, campaign, "not_clicked")
    now = timezone.now()
    Campaign.objects.filter(pk=made.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    mailing = launch(now=now, campaign_id=made.pk)
    assert mailing is not None
    clicked = Event.objects.filter(mailing_id=campaign.mailing_id, kind="clicked", by_machine=False)
    before = Delivery.objects.filter(mailing_id=campaign.mailing_id)
    clickers = set(before.filter(id__in=clicked.values("delivery")).values_list("address_key", flat=True))
    written_to = set(Delivery.objects.filter(mailing_id=mailing.pk).values_list("address_key", flat=True))
    assert clickers and not clickers & written_to
    assert written_to < set(before.values_list("address_key", flat=True))


def test_the_draft_says_for_whom_it_is_and_can_go_to_everybody_again(client, campaign, now) -> None:
    made = follow(client, campaign, "not_clicked")
    said = "only who did not click “Winter reading list”"
    assert said in client.get(f"/campaigns/{made.pk}/").content.decode()
    assert said in client.get("/campaigns/").content.decode()
    there = f"/campaigns/{made.pk}/audience/"
    lists = [str(one.pk) for one in made.included_lists.all()]
    client.post(there, {"included": lists})
    assert Campaign.objects.get(pk=made.pk).whom == "not_clicked"
    client.post(there, {"included": lists, "everybody": "on"})
    made.refresh_from_db()
    assert (made.whom, made.after) == ("", None) and headcount_of(audience_of(made, now=now)).recipients == 24


def test_what_was_not_counted_is_not_offered(campaign) -> None:
    campaign.track_clicks = campaign.track_opens = False
    found = offers(campaign, report_of(Mailing.objects.get(pk=campaign.mailing_id)))
    assert [whom for whom, _words, _n in found] == ["not_reached"]


def test_nobody_in_particular_is_refused(client, campaign) -> None:
    for whom in ("", "everybody"):
        assert client.post(f"/campaigns/{campaign.pk}/report/go-on/", {"whom": whom}).status_code == 404
    with pytest.raises(IntegrityError), transaction.atomic():
        Campaign.objects.filter(pk=campaign.pk).update(whom="clicked")


def test_the_audience_at_launch_is_told_beside_who_was_left_out(client, campaign) -> None:
    seen = " ".join(client.get(f"/campaigns/{campaign.pk}/report/").content.decode().split())
    assert "Audience at launch</h2>" in seen and "<p>Newsletter.</p>" in seen and "24 chosen, 0 left out." in seen


# -- A link for people without an account ------------------------------------------------------------------------------


def test_a_shared_report_has_the_numbers_and_nobodys_name(client, campaign) -> None:
    share = client.get(f"/campaigns/{campaign.pk}/report/share/").content.decode()
    link = re.search(r"/report/[^/]+/", share.split('id="share-link"')[1])
    assert link is not None
    answer = Client().get(link.group())
    seen = answer.content.decode()
    assert answer.status_code == 200 and "<dt>People</dt><dd>24</dd>" in seen and "harbour.example/autumn" in seen
    assert "reader" not in seen.lower().replace("readers", "") and "/people/" not in seen
    assert answer.headers["Referrer-Policy"] == "no-referrer" and answer.headers["X-Robots-Tag"] == "noindex"


def test_a_forged_or_old_link_shows_nothing(campaign, monkeypatch) -> None:
    forged = signing.dumps(campaign.pk, salt="something else")
    for token in ("x", forged, signing.dumps("1", salt="campaign-report")):
        answer = Client().get(f"/report/{token}/")
        assert answer.status_code == 404 and "This link has ended" in answer.content.decode()
    good = shared_report.link_token(campaign)
    monkeypatch.setattr(shared_report, "LINK_DAYS", -1)
    assert Client().get(f"/report/{good}/").status_code == 404


def test_a_viewer_makes_no_links_and_no_drafts(campaign) -> None:
    watching = visitor("viewer", Role.VIEWER)
    assert watching.get(f"/campaigns/{campaign.pk}/report/share/").status_code == 403
    assert "Make a draft" not in watching.get(f"/campaigns/{campaign.pk}/report/").content.decode()


# -- The message as a file ---------------------------------------------------------------------------------------------


def test_an_admin_gets_the_whole_message_signed_and_with_its_own_ways_out(client, campaign) -> None:
    delivery = Delivery.objects.filter(mailing_id=campaign.mailing_id).latest("id")
    there = f"/messages/{campaign.mailing_id}/{delivery.id}"
    whole = admin().get(f"{there}/letter.eml")
    assert whole.status_code == 200 and whole.headers["Content-Type"] == "message/rfc822"
    read = message_from_bytes(whole.content, policy=policy.default)
    assert read["Subject"] == "Long evenings, good books" and read["To"]
    assert "d=news.harbour.example" in read["DKIM-Signature"].replace(" ", "")
    assert read["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert f'href="{there}/letter.eml"' in admin().get(f"{there}/").content.decode()

    assert client.get(f"{there}/letter.eml").status_code == 403
    assert "letter.eml" not in client.get(f"{there}/").content.decode()


def test_of_an_erased_person_there_is_no_file(campaign) -> None:
    delivery = Delivery.objects.filter(mailing_id=campaign.mailing_id).latest("id")
    Subscriber.objects.filter(pk=delivery.subscriber_id).delete()
    assert admin().get(f"/messages/{campaign.mailing_id}/{delivery.id}/letter.eml").status_code == 404
