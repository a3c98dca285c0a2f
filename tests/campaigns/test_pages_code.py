"""Writing as HTML or MJML: nothing is changed, nothing is lost, and what is wrong is said while it is written."""

import re
from datetime import datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from audiences.keys import key_of
from audiences.models import Subscriber
from campaigns.content import begin_as, current, duplicate, restore
from campaigns.models import Campaign
from campaigns.preflight import preflight
from campaigns.pure.advice import of_letter
from campaigns.samples import cast_of
from tests.campaigns.world import LETTER, colleague, ready_campaign, write

pytestmark = pytest.mark.django_db
PAGE = "<!DOCTYPE html>\r\n<body bgcolor=#fff>\r\n\t<p>Café  &amp; tea </p>\r\n\r\n</body>\r\n\r\n".encode()
QUIET = {"HX-Request": "true"}


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(colleague())
    return client


@pytest.fixture
def campaign() -> Campaign:
    return ready_campaign(timezone.now())


@pytest.fixture
def real_now() -> datetime:
    return timezone.now()


def post(client: Client, campaign: Campaign, action: str, data: dict, **headers: str):
    return client.post(f"/campaigns/{campaign.pk}/letter/{action}", data, headers=headers)


def take(client: Client, campaign: Campaign, raw: bytes, name: str = "page.html", based_on: int | None = None):
    campaign.refresh_from_db()
    file = SimpleUploadedFile(name, raw)
    return post(client, campaign, "file/", {"based_on": based_on or campaign.rev, "file": file})


def source(client: Client, campaign: Campaign) -> bytes:
    return bytes(client.get(f"/campaigns/{campaign.pk}/letter/source/").content)


def shown(client: Client, campaign: Campaign) -> str:
    return str(client.get(f"/campaigns/{campaign.pk}/letter/").content.decode())


# -- Nothing is changed ----------------------------------------------------------------------------------------------


def test_a_page_made_elsewhere_comes_back_byte_for_byte_also_after_a_browser_saved_it(client, campaign) -> None:
    assert take(client, campaign, PAGE).status_code == 302
    assert source(client, campaign) == PAGE

    # A browser shows every line end as LF and sends it as CRLF.
    as_a_browser = PAGE.decode().replace("\r\n", "\n").replace("\n", "\r\n")
    post(client, campaign, "", {"based_on": 2, "subject": "New", "letter": as_a_browser, "kind": "html"})
    assert source(client, campaign) == PAGE
    campaign.refresh_from_db()
    assert (current(campaign).subject, current(campaign).kind) == ("New", "html")


def test_pasted_html_is_shown_in_the_textarea_as_it_is(client, campaign) -> None:
    post(client, campaign, "", {"based_on": 1, "kind": "html", "letter": '\n<p title="a&amp;b">1 &lt; 2</p>\n\n'})
    area = re.search(r'<textarea id="letter"[^>]*>\n(.*?)</textarea>', shown(client, campaign), re.DOTALL)
    assert area is not None
    assert area.group(1) == "\n&lt;p title=&quot;a&amp;amp;b&quot;&gt;1 &amp;lt; 2&lt;/p&gt;\n\n"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"PK\x03\x04\x00\x00<", "The ZIP file cannot be opened."),
        ("<p>Café</p>".encode("latin-1"), "not UTF-8"),
        (b"<p>" + b"x" * 200_001, "larger than 200 KB"),
        (b"just words", "neither HTML nor MJML"),
    ],
)
def test_a_file_that_does_not_do_is_refused_in_a_sentence(client, campaign, raw: bytes, words: str) -> None:
    answer = take(client, campaign, raw)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    campaign.refresh_from_db()
    assert campaign.rev == 1


def test_a_file_based_on_an_old_version_overwrites_nothing(client, campaign, real_now: datetime) -> None:
    write(real_now, campaign, letter="newer")
    answer = take(client, campaign, PAGE, based_on=1)
    assert answer.status_code == 422
    assert "saved by somebody else" in answer.content.decode()
    assert current(campaign).letter == "newer"


# -- One way of writing never turns into another by itself -----------------------------------------------------------


def test_another_way_of_writing_begins_a_fresh_page_and_can_be_undone(client, campaign) -> None:
    post(client, campaign, "kind/", {"kind": "mjml", "based_on": 1})
    campaign.refresh_from_db()
    assert (current(campaign).kind, current(campaign).subject) == ("mjml", "Long evenings, good books")
    assert current(campaign).letter.startswith("<mjml>")

    post(client, campaign, "versions/1/restore/", {"based_on": 2})
    campaign.refresh_from_db()
    assert (current(campaign).kind, current(campaign).letter) == ("letter", LETTER)


def test_saving_copying_and_restoring_keep_the_kind(campaign, real_now: datetime) -> None:
    begin_as(now=real_now, campaign_id=campaign.pk, kind="html", based_on=1, by=None)
    campaign.refresh_from_db()
    write(real_now, campaign, letter="<p>Hello</p>")
    assert current(campaign).kind == "html"
    assert current(duplicate(now=real_now, campaign=campaign, by=None)).kind == "html"
    assert restore(now=real_now, campaign_id=campaign.pk, number=1, based_on=3, by=None).kind == "letter"


def test_keeping_mine_keeps_my_way_of_writing(client, campaign) -> None:
    post(client, campaign, "kind/", {"kind": "html", "based_on": 1})
    answer = post(client, campaign, "", {"based_on": 1, "kind": "letter", "subject": "Mine", "letter": "my words"})
    assert answer.status_code == 409
    page = answer.content.decode()
    assert 'name="kind" value="letter"' in page
    assert "my words" in page


def test_a_scheduled_campaign_keeps_its_kind(client, campaign) -> None:
    now = timezone.now()
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    answer = client.post(f"/campaigns/{campaign.pk}/letter/kind/", {"kind": "html", "based_on": 1}, follow=True)
    assert "scheduled or sent" in answer.content.decode()
    assert current(Campaign.objects.get(pk=campaign.pk)).kind == "letter"


# -- Saving without leaving ------------------------------------------------------------------------------------------


def test_a_quiet_save_tells_the_version_the_next_one_is_based_on(client, campaign) -> None:
    answer = post(client, campaign, "", {"based_on": 1, "subject": "S", "letter": "one"}, **QUIET)
    assert (answer.status_code, answer["X-Version"]) == (200, "2")
    assert "Version 2 saved" in answer.content.decode()


def test_a_quiet_save_that_comes_second_is_refused_with_both_texts(client, campaign) -> None:
    post(client, campaign, "", {"based_on": 1, "letter": "theirs"}, **QUIET)
    answer = post(client, campaign, "", {"based_on": 1, "letter": "mine"}, **QUIET)
    assert answer.status_code == 409
    assert "X-Version" not in answer
    assert "theirs" in answer.content.decode()
    assert current(Campaign.objects.get(pk=campaign.pk)).letter == "theirs"


# -- While it is written ---------------------------------------------------------------------------------------------


def test_what_is_typed_is_judged_and_shown_as_an_inbox_would_and_changes_nothing(client, campaign) -> None:
    typed = {
        "kind": "mjml",
        "subject": 'Hi {{ contact.first_name | default: "you" }}',
        "preheader": "For {{ contact.first_name }}",
        "letter": "<mjml><mj-body>\n<mj-section><mj-text>x</mj-text></mj-section></mj-body></mjml>",
        "as_email": "reader3@gmx.de",
    }
    page = post(client, campaign, "check/", typed).content.decode()
    assert "Line 2:" in page
    assert "cannot stand inside `&lt;mj-section&gt;`" in page

    Subscriber.objects.filter(email="reader3@gmx.de").update(
        address_key=key_of("reader3@gmx.de"), fields={"first_name": "Ewa"}
    )
    good = typed["letter"].replace("<mj-text>", "<mj-column><mj-text>").replace("</mj-text>", "</mj-text></mj-column>")
    page = post(client, campaign, "check/", {**typed, "letter": good}).content.decode()
    assert "Hi Ewa" in page
    assert "For Ewa" in page
    assert "of 102 KB" in page
    campaign.refresh_from_db()
    assert campaign.rev == 1


def test_a_letter_can_be_looked_at_before_anything_else_is_chosen(client, real_now: datetime) -> None:
    empty = Campaign.objects.create(name="New")
    answer = post(client, empty, "preview/", {"letter": "# Hello", "subject": ""})
    assert "<h1" in answer.content.decode()


def test_html_is_shown_as_sent_and_its_scripts_have_no_leave_to_run(client, campaign) -> None:
    answer = post(client, campaign, "preview/", {"kind": "html", "subject": "S", "letter": "<body><p>Hello</p></body>"})
    assert "<p>Hello</p>" in answer.content.decode()
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert policy.startswith("sandbox allow-same-origin;")


def test_forced_dark_turns_the_light_page_and_not_its_pictures(client, campaign) -> None:
    page = client.get(f"/campaigns/{campaign.pk}/letter/preview/", {"scheme": "forced"}).content.decode()
    assert "html{background:#fff;filter:invert" in page
    assert "img,[background]{filter:invert" in page


def test_the_page_with_the_code_editor_lets_in_its_one_style_element(client, campaign) -> None:
    write(timezone.now(), campaign, letter="<p>Hello</p>", kind="html")
    answer = client.get(f"/campaigns/{campaign.pk}/letter/")
    nonce = re.search(r'data-nonce="([^"]+)"', answer.content.decode())
    assert nonce is not None
    assert f"style-src 'self' 'nonce-{nonce.group(1)}'" in answer["Content-Security-Policy"]
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert "nonce" not in client.get(f"/campaigns/{campaign.pk}/")["Content-Security-Policy"]


def test_people_who_put_a_letter_to_the_test_are_at_hand(campaign) -> None:
    first, second, third, *_others = Subscriber.objects.order_by("pk")
    Subscriber.objects.exclude(pk=first.pk).update(fields={"first_name": "Jo"})
    Subscriber.objects.filter(pk=first.pk).update(fields={})
    Subscriber.objects.filter(pk=second.pk).update(fields={"first_name": "Maximiliane-Charlotte"})
    Subscriber.objects.filter(pk=third.pk).update(fields={"first_name": "ליאור"})
    assert dict(cast_of(campaign).roles) == {"No first name": first, "Longest name": second, "Right to left": third}


# -- Before it is sent -----------------------------------------------------------------------------------------------


def test_a_campaign_in_html_or_mjml_passes_preflight(campaign, real_now: datetime) -> None:
    for kind in ("html", "mjml"):
        begin_as(now=real_now, campaign_id=campaign.pk, kind=kind, based_on=campaign.rev, by=None)
        campaign.refresh_from_db()
        assert [row for row in preflight(now=real_now, campaign=campaign) if row.level == "must"] == []


def test_advice_on_links_and_pictures_has_lines_in_code_too() -> None:
    page = '<body>\n<a href="https://bit.ly/x">click <b>here</b></a>\n<img src="https://e.example/a.png" alt=""></body>'
    assert [(row.id, row.line) for row in of_letter(page, "html")] == [
        ("link.shortener", 2),
        ("link.vague", 2),
        ("content.image_only", None),
    ]


def test_html_pasted_into_a_letter_is_noticed(client, campaign) -> None:
    page = post(client, campaign, "check/", {"kind": "letter", "subject": "S", "letter": "<table><tr><td>"}).content
    assert "This looks like HTML or MJML" in page.decode()
