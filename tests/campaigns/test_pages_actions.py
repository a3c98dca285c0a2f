"""What the buttons do: each by a plain form post, twice where twice must be once."""

from datetime import datetime, timedelta
from io import BytesIO

import pytest
from django.test import Client
from django.utils import timezone
from PIL import Image

from audiences.models import Subscriber
from campaigns.content import current
from campaigns.launch import launch
from campaigns.models import Campaign, Media
from reputation.models import SendingDomain, Workspace
from sending.models import Batch, Mailing, MailingLane
from tests.campaigns.world import LETTER, colleague, ready_campaign
from tests.cast import direct_route, newsletter, pool_of, verified_domain

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(colleague())
    return client


@pytest.fixture
def campaign() -> Campaign:
    """Views read the real clock, so what they judge is made now."""
    return ready_campaign(timezone.now())


@pytest.fixture
def running(campaign: Campaign) -> Campaign:
    now = timezone.now()
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    assert launch(now=now, campaign_id=campaign.pk) is not None
    campaign.refresh_from_db()
    return campaign


def post(client: Client, campaign: Campaign, action: str, data: dict | None = None, headers: dict | None = None):
    return client.post(f"/campaigns/{campaign.pk}/{action}/", data or {}, headers=headers)


def mailing_of(campaign: Campaign) -> Mailing:
    return Mailing.objects.get(pk=campaign.mailing_id or 0)


# -- Drafts ------------------------------------------------------------------------------------------------------------


def test_a_campaign_is_made_with_the_sender_of_the_last_one(client, campaign) -> None:
    answer = client.post("/campaigns/new/", {"name": "Spring"})
    made = Campaign.objects.get(name="Spring")
    assert answer.url == f"/campaigns/{made.pk}/"
    assert (made.from_address, made.pool, made.created_by) == (campaign.from_address, campaign.pool, colleague())
    assert client.post("/campaigns/new/", {"name": " "}).status_code == 422


def test_audience_and_sender_are_saved(client, campaign) -> None:
    partners = newsletter("Partners")
    post(client, campaign, "audience", {"included": [newsletter().pk], "excluded": [partners.pk]})
    assert [one.name for one in campaign.excluded_lists.all()] == ["Partners"]
    sender = {
        "from_name": "Jo",
        "from_address": "jo@news.harbour.example",
        "reply_to": "",
        "sending_domain": verified_domain().pk,
        "pool": pool_of(direct_route()).pk,
    }
    assert post(client, campaign, "sender", sender).status_code == 302
    campaign.refresh_from_db()
    assert (campaign.from_name, campaign.from_address) == ("Jo", "jo@news.harbour.example")

    answer = post(client, campaign, "sender", {**sender, "from_address": "jo@elsewhere.example"})
    assert answer.status_code == 422
    assert b"is not at the sending domain" in answer.content


def test_a_list_cannot_be_sent_to_and_left_out(client, campaign) -> None:
    both = {"included": [newsletter().pk], "excluded": [newsletter().pk]}
    answer = post(client, campaign, "audience", both)
    assert answer.status_code == 422
    assert "cannot be sent to and left out at once" in answer.content.decode()


def test_an_unverified_domain_cannot_be_chosen_and_the_page_says_why(client, campaign) -> None:
    closed = SendingDomain.objects.create(name="new.example", return_path_host="b.new.example")
    page = client.get(f"/campaigns/{campaign.pk}/sender/").content.decode()
    assert "new.example cannot be chosen: it is not verified yet." in page
    answer = post(client, campaign, "sender", {"sending_domain": closed.pk})
    assert answer.status_code == 422


def test_nothing_of_a_scheduled_campaign_can_be_edited(client, campaign) -> None:
    post(client, campaign, "schedule", {"when": "now"})
    post(client, campaign, "audience", {"included": []})
    assert campaign.included_lists.count() == 1
    answer = post(client, campaign, "letter", {"based_on": 1, "letter": "Other"})
    assert answer.status_code == 409
    assert b"Take it back first" in answer.content
    assert b"Other" in answer.content


# -- The letter --------------------------------------------------------------------------------------------------------


def test_a_conflict_shows_both_texts_and_keeping_mine_is_one_more_press(client, campaign) -> None:
    post(client, campaign, "letter", {"based_on": 1, "subject": "Theirs", "letter": "their words"})
    answer = post(client, campaign, "letter", {"based_on": 1, "subject": "Mine", "letter": "my words"})
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "their words" in page
    assert "my words" in page
    assert 'name="based_on" value="2"' in page
    assert current(Campaign.objects.get(pk=campaign.pk)).letter == "their words"

    post(client, campaign, "letter", {"based_on": 2, "subject": "Mine", "letter": "my words"})
    assert current(Campaign.objects.get(pk=campaign.pk)).letter == "my words"
    assert campaign.revisions.count() == 3


def test_line_ends_of_browsers_do_not_change_a_letter(client, campaign) -> None:
    post(client, campaign, "letter", {"based_on": 1, "letter": "\n one\r\n\r\ntwo  \r\n"})
    assert current(Campaign.objects.get(pk=campaign.pk)).letter == "\n one\n\ntwo  \n"
    page = client.get(f"/campaigns/{campaign.pk}/letter/").content.decode()
    # HTML drops one newline after the tag, so there are two.
    assert ">\n\n one\n\ntwo  \n</textarea>" in page


def test_problems_are_listed_with_their_lines(client, campaign) -> None:
    post(client, campaign, "letter", {"based_on": 1, "subject": "S", "letter": "one\ntwo {{ contact.frist_name }}"})
    page = client.get(f"/campaigns/{campaign.pk}/letter/").content.decode()
    assert "Line 2" in page
    assert "frist_name" in page


def test_an_old_version_comes_back_as_the_newest(client, campaign) -> None:
    post(client, campaign, "letter", {"based_on": 1, "letter": "second"})
    post(client, campaign, "letter/versions/1/restore", {"based_on": 2})
    campaign.refresh_from_db()
    assert campaign.rev == 3
    assert current(campaign).letter == LETTER


def test_the_preview_is_a_document_with_its_own_policy(client, campaign) -> None:
    answer = client.get(f"/campaigns/{campaign.pk}/letter/preview/", {"as_email": "reader3@gmx.de"})
    policy = answer["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-same-origin; default-src 'none'")
    assert "script-src" not in policy
    assert "frame-ancestors 'self'" in policy
    assert answer["X-Frame-Options"] == "SAMEORIGIN"


def test_the_preview_shows_the_chosen_person(client, campaign) -> None:
    from audiences.keys import key_of

    person = Subscriber.objects.get(email="reader3@gmx.de")
    Subscriber.objects.filter(pk=person.pk).update(address_key=key_of(person.email), fields={"first_name": "Żaneta"})
    preview = f"/campaigns/{campaign.pk}/letter/preview/"
    assert "Dear Żaneta" in client.get(preview, {"as_email": "Reader3@gmx.de"}).content.decode()
    assert "Dear reader" in client.get(preview).content.decode()
    assert "nobody on your lists" in client.get(preview, {"as_email": "who@gmx.de"}).content.decode()
    text = client.get(preview, {"as_email": person.email, "part": "text"})
    assert text["Content-Type"].startswith("text/plain")
    assert "Dear Żaneta" in text.content.decode()


def test_what_is_typed_can_be_looked_at_before_it_is_saved(client, campaign) -> None:
    answer = post(client, campaign, "letter/preview", {"subject": "S", "letter": "Not saved yet, dear reader."})
    assert b"Not saved yet" in answer.content
    assert campaign.revisions.count() == 1
    broken = post(client, campaign, "letter/preview", {"subject": "S", "letter": "{{ nonsense"})
    assert broken.status_code == 200
    assert b"There is no preview yet" in broken.content


def test_pictures_off_and_both_colour_schemes_can_be_looked_at(client, campaign) -> None:
    preview = f"/campaigns/{campaign.pk}/letter/preview/"
    assert "img-src data:;" in client.get(preview, {"pictures": "off"})["Content-Security-Policy"]
    light, dark = (client.get(preview, {"scheme": scheme}).content.decode() for scheme in ("light", "dark"))
    assert "prefers-color-scheme" not in light + dark
    assert "(max-width: 0)" in light
    assert "(min-width: 0)" in dark


def test_a_picture_is_uploaded_and_offered(client, campaign, settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path
    file = BytesIO()
    Image.new("RGB", (40, 20), "teal").save(file, "PNG")
    file.seek(0)
    file.name = "wall.png"
    answer = post(client, campaign, "letter/pictures", {"file": file})
    assert Media.objects.get().file.url in answer.content.decode()
    bad = BytesIO(b"<svg onload=alert(1)>")
    bad.name = "wall.svg"
    answer = post(client, campaign, "letter/pictures", {"file": bad}, headers=HTMX)
    assert answer.status_code == 422
    assert b"not a picture we can use" in answer.content


# -- Schedule ----------------------------------------------------------------------------------------------------------


def test_send_arms_and_undo_disarms(client, campaign) -> None:
    assert post(client, campaign, "schedule", {"when": "now"}).url == f"/campaigns/{campaign.pk}/review/"
    page = client.get(f"/campaigns/{campaign.pk}/review/").content.decode()
    assert 'id="arming"' in page
    assert "Undo" in page
    post(client, campaign, "unschedule")
    campaign.refresh_from_db()
    assert campaign.state == "draft"
    # The poll of a tab that was left open leads on.
    assert client.get(f"/campaigns/{campaign.pk}/arming/", headers=HTMX)["HX-Redirect"] == f"/campaigns/{campaign.pk}/"


def test_pressing_send_twice_schedules_once(client, campaign) -> None:
    answers = [post(client, campaign, "schedule", {"when": "now"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [302, 302]
    first = Campaign.objects.get(pk=campaign.pk)
    assert first.state == "scheduled"
    assert Mailing.objects.count() == 0


def test_a_wall_time_is_kept_with_its_zone_and_the_speed(client, campaign) -> None:
    day = timezone.now() + timedelta(days=30)
    at = {"when": "at", "wall_time": f"{day:%Y-%m-%d}T09:00", "zone": "Asia/Tokyo", "per_hour": "500"}
    post(client, campaign, "schedule", at)
    campaign.refresh_from_db()
    assert f"{campaign.scheduled_for:%H:%M}" == "00:00"
    assert (campaign.zone, campaign.wall_time, campaign.per_hour) == ("Asia/Tokyo", at["wall_time"], 500)


@pytest.mark.parametrize("wall_time", ["", "soon", "2020-01-01T09:00"])
def test_a_time_that_does_not_do_is_told_on_the_page(client, campaign, wall_time: str) -> None:
    answer = post(client, campaign, "schedule", {"when": "at", "wall_time": wall_time, "zone": "Europe/Warsaw"})
    assert answer.status_code == 422
    assert Campaign.objects.get(pk=campaign.pk).state == "draft"


def test_what_must_be_fixed_blocks_on_the_server_too(client, campaign) -> None:
    Workspace.objects.update(postal_address="")
    answer = post(client, campaign, "schedule", {"when": "now"})
    assert answer.status_code == 422
    assert b"postal address" in answer.content
    assert Campaign.objects.get(pk=campaign.pk).state == "draft"


def test_very_many_people_want_their_number_typed(client, campaign, monkeypatch) -> None:
    from campaigns import forms

    monkeypatch.setattr(forms, "TYPE_THE_NUMBER_ABOVE", 10)
    assert post(client, campaign, "schedule", {"when": "now"}).status_code == 422
    assert post(client, campaign, "schedule", {"when": "now", "confirm": "11"}).status_code == 422
    assert post(client, campaign, "schedule", {"when": "now", "confirm": "12"}).status_code == 302


def test_the_odd_hour_of_spring_is_explained(client, campaign) -> None:
    asked = {"when": "at", "wall_time": "2027-03-28T02:30", "zone": "Europe/Warsaw"}
    page = client.get(f"/campaigns/{campaign.pk}/review/", asked).content.decode()
    assert "The clocks jump over this time" in page


# -- Monitor -----------------------------------------------------------------------------------------------------------


def test_pause_go_on_and_stop_are_idempotent(client, running) -> None:
    for action, state in (("pause", "paused"), ("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
        assert post(client, running, action).url == f"/campaigns/{running.pk}/monitor/"
        assert mailing_of(running).state == state
    page = client.get(f"/campaigns/{running.pk}/monitor/").content.decode()
    assert "Send to the 12 not yet mailed" in page
    assert "Stopped by mara" in page
    post(client, running, "resume")
    assert mailing_of(running).state == "running"


def test_an_action_by_htmx_answers_with_the_live_part(client, running) -> None:
    answer = post(client, running, "pause", headers=HTMX)
    assert answer.status_code == 200
    assert answer.content.decode().lstrip().startswith('<div id="live"')
    assert "Paused" in answer.content.decode()


def test_one_provider_can_be_paused_alone(client, running) -> None:
    post(client, running, "lane-pause", {"provider": "google"})
    paused = MailingLane.objects.filter(state="paused").values_list("provider", flat=True)
    assert list(paused) == ["google"]
    assert "By hand, for this provider only" in client.get(f"/campaigns/{running.pk}/monitor/").content.decode()
    post(client, running, "lane-resume", {"provider": "google"})
    assert not MailingLane.objects.filter(state="paused").exists()


def test_the_speed_can_be_changed_under_way(client, running) -> None:
    post(client, running, "speed", {"per_hour": "250"})
    assert mailing_of(running).per_hour == 250
    post(client, running, "speed", {"per_hour": "-1"})
    assert mailing_of(running).per_hour == 250
    post(client, running, "speed", {"per_hour": ""})
    assert mailing_of(running).per_hour is None


def test_polling_ends_when_it_is_over_and_tells_every_tenth_only(client, running) -> None:
    poll = f"/campaigns/{running.pk}/progress/"
    assert client.get(poll, {"seen": "0"}, headers=HTMX).status_code == 200
    assert "HX-Trigger" not in client.get(poll, {"seen": "0"}, headers=HTMX)
    assert "HX-Trigger" in client.get(poll, {"seen": "25"}, headers=HTMX)
    Mailing.objects.update(state="done", state_since=timezone.now(), finished_at=timezone.now())
    assert client.get(poll, headers=HTMX).status_code == 286


def test_a_poll_costs_few_queries_whatever_goes_on(client, running, django_assert_max_num_queries) -> None:
    mailing = mailing_of(running)
    for number in range(40):
        Batch.objects.create(
            mailing=mailing,
            route=direct_route(),
            provider="google",
            kind="fresh",
            lo=number,
            hi=number,
            gap=1.0,
            due_at=mailing.launched_at,
            deadline=mailing.launched_at,
        )
    client.get(f"/campaigns/{running.pk}/progress/")
    with django_assert_max_num_queries(20):
        client.get(f"/campaigns/{running.pk}/progress/")


def test_the_list_and_home_cost_few_queries(client, running, django_assert_max_num_queries) -> None:
    now: datetime = timezone.now()
    for number in range(30):
        ready_campaign(now, name=f"Campaign {number}")
    with django_assert_max_num_queries(12):
        page = client.get("/campaigns/").content.decode()
    assert "Older" in page
    client.get("/")
    with django_assert_max_num_queries(45):
        client.get("/")


@pytest.mark.parametrize(("tab", "there"), [("drafts", False), ("sending", True), ("sent", False), ("", True)])
def test_tabs_show_what_is_in_their_state(client, running, tab: str, there: bool) -> None:
    page = client.get("/campaigns/", {"status": tab}).content.decode()
    assert ("Winter reading list" in page) is there


# -- Tests -------------------------------------------------------------------------------------------------------------


def test_a_test_is_sent_from_the_page_and_its_result_polls(client, campaign) -> None:
    asked = {"addresses": "jo@gmail.com, al@gmail.com", "as_email": "", "request_key": "b" * 32}
    answer = post(client, campaign, "test", asked)
    mailing = Mailing.objects.get(is_test=True)
    assert answer.url == f"/campaigns/{campaign.pk}/test/{mailing.pk}/"
    assert post(client, campaign, "test", asked).url == answer.url
    page = client.get(answer.url).content.decode()
    assert "jo@gmail.com" in page
    assert 'hx-trigger="every 2s"' in page
    assert client.get(answer.url, headers=HTMX).status_code == 200


def test_a_test_that_cannot_be_sent_says_so_in_the_form(client, campaign) -> None:
    asked = {"addresses": "nonsense", "as_email": "", "request_key": "b" * 32}
    assert post(client, campaign, "test", asked).status_code == 422
    answer = post(client, campaign, "test", {**asked, "addresses": "jo@gmail.com", "as_email": "who@gmail.com"})
    assert answer.status_code == 422
    assert b"Nobody on your lists" in answer.content
