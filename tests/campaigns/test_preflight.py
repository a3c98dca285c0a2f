from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from audiences.models import Subscriber, Subscription
from campaigns import standing
from campaigns.launch import launch
from campaigns.models import Campaign, Remark
from campaigns.preflight import must_fix, preflight, stops_a_test
from campaigns.pure.findings import Level
from campaigns.standing import watch_links
from reputation.models import DkimKey, Finding, LinkHost, SendingAddress, SendingDomain, Workspace
from sending.models import Route
from tests.campaigns.world import LETTER, ready_campaign, write

pytestmark = pytest.mark.django_db

Change = Callable[[datetime, Campaign], object]


def update(**fields: object) -> Change:
    def act(now: datetime, campaign: Campaign) -> None:
        Campaign.objects.filter(pk=campaign.pk).update(**fields)

    return act


def letter(**words: str) -> Change:
    return lambda now, campaign: write(now, campaign, **words)


def more(text: str) -> Change:
    return letter(letter=LETTER + "\n" + text)


def launched_yesterday(now: datetime, campaign: Campaign) -> None:
    other = ready_campaign(now, name="Yesterday’s")
    at = now - timedelta(hours=20)
    Campaign.objects.filter(pk=other.pk).update(state="scheduled", scheduled_for=at, undo_until=at)
    launch(now=at, campaign_id=other.pk)


def somebody_without_a_name(now: datetime, campaign: Campaign) -> None:
    Subscriber.objects.filter(email="reader3@gmx.de").update(fields={})
    write(now, campaign, subject="{{ contact.first_name }}")


def workspace(**fields: object) -> Change:
    return lambda now, campaign: Workspace.objects.update(**fields)


def domain(**fields: object) -> Change:
    return lambda now, campaign: SendingDomain.objects.update(**fields)


def reverse_name(**fields: object) -> Change:
    return lambda now, campaign: Finding.objects.update(**fields)


def listing(about: str, **fields: object) -> Change:
    """A blocklist's finding about the address, the domain or a link's host."""

    def act(now: datetime, campaign: Campaign) -> None:
        owners: dict[str, dict[str, object]] = {
            "address": {"address": SendingAddress.objects.get()},
            "domain": {"domain": SendingDomain.objects.get()},
            "host": {"host": LinkHost.objects.get_or_create(name="www.harbour.example", wanted_until=now)[0]},
        }
        known = {"check_name": "list_zen", "result": "fail", "required": False, "checked_at": now}
        Finding.objects.create(**{**owners[about], **known, "failing_since": now, "confirmed": True, **fields})

    return act


MUST: dict[str, Change] = {
    "footer.address": workspace(postal_address=" "),
    "sending.stopped": lambda now, campaign: Workspace.objects.update(sending_stopped_at=now),
    "sender.domain": update(sending_domain=None),
    "sender.not_verified": domain(state="new"),
    "sender.unsigned": lambda now, campaign: DkimKey.objects.all().delete(),
    "sender.empty": update(from_address=""),
    "sender.free_mail": update(from_address="mara@gmail.com"),
    "sender.not_aligned": update(from_address="mara@elsewhere.example"),
    "route.none": update(pool=None),
    "route.inactive": lambda now, campaign: Route.objects.update(active=False),
    "route.reverse_name": reverse_name(result="fail", detail="There is no PTR record."),
    "route.listed": listing("address"),
    "sender.listed": listing("domain"),
    "link.listed": listing("host"),
    "audience.none": lambda now, campaign: campaign.included_lists.clear(),
    "ground.unnamed": lambda now, campaign: campaign.included_lists.update(ground="sale", occasion=" "),
    "audience.empty": lambda now, campaign: Subscription.objects.update(state="unsubscribed"),
    "subject.empty": letter(subject=" "),
    "content.empty": letter(letter="  \n"),
    "content.body": more("Dear {{ contact.frist_name }}"),
    "content.subject": letter(subject="Hello {{ contact.frist_name }}"),
    "content.from": update(from_name="Mara\nBcc: all"),
    "copies.broken": lambda now, campaign: somebody_without_a_name(now, campaign),
    "size.clipped": letter(letter=LETTER + "word " * 24_000),
    "link.local": more("[Look at this](http://localhost:8000/page)"),
}
SHOULD: dict[str, Change] = {
    "unsubscribe.https": lambda now, campaign: None,
    "sender.unsure": lambda now, campaign: SendingDomain.objects.update(state="unsure", last_pass_at=now),
    "sender.noreply": update(reply_to="noreply@news.harbour.example"),
    "route.reverse_name_unknown": lambda now, campaign: Finding.objects.all().delete(),
    "ground.inquiry": lambda now, campaign: campaign.included_lists.update(ground="inquiry", occasion="A stall"),
    "audience.again": launched_yesterday,
    "subject.long": letter(subject="A very long subject " * 6),
    "subject.short": letter(subject="Books"),
    "subject.thread": letter(subject="Re: your order of books"),
    "subject.shouting": letter(subject="BUY ALL OUR BOOKS NOW"),
    "preheader.empty": letter(preheader=""),
    "image.alt": more("![](https://www.harbour.example/wall.jpg)"),
    "content.image_only": letter(letter="![A wall](https://www.harbour.example/wall.jpg)"),
    "link.shortener": more("[A book](https://bit.ly/abc)"),
    "link.insecure": more("[A book](http://www.harbour.example/)"),
    "link.vague": more("[click here](https://www.harbour.example/)"),
    "size.nearly_clipped": letter(letter=LETTER + "word " * 19_000),
    "personal.missing": lambda now, campaign: Subscriber.objects.update(fields={}),
}
LISTED_AND_NO_MUST: dict[str, Change] = {
    "route.listed": listing("address", confirmed=False),
    "sender.listed": listing("domain", weight="should"),
    "link.listed": listing("host", confirmed=False, result="unknown"),
    "lists.unknown": listing("address", result="unknown", failing_since=None, confirmed=False),
}
FINE = {
    "sender.verified", "sender.own_name", "sender.aligned",
    "route.reverse_name_ok", "audience.counted", "ground.consent", "size.ok", "copies.ok", "link.waiting",
}  # fmt: skip


def ids(now: datetime, campaign: Campaign, level: Level) -> set[str]:
    campaign = Campaign.objects.get(pk=campaign.pk)
    return {row.id for row in preflight(now=now, campaign=campaign) if row.level is level}


def test_a_campaign_that_is_ready_has_nothing_to_fix(now: datetime) -> None:
    campaign = ready_campaign(now)
    assert ids(now, campaign, Level.MUST_FIX) == set()
    assert ids(now, campaign, Level.SHOULD_LOOK) == {"unsubscribe.https"}
    assert ids(now, campaign, Level.FINE) == FINE


@pytest.mark.parametrize("rule", MUST)
def test_what_must_be_fixed_is_found_and_blocks(now: datetime, rule: str) -> None:
    campaign = ready_campaign(now)
    MUST[rule](now, campaign)
    assert rule in ids(now, campaign, Level.MUST_FIX)
    assert must_fix(now=now, campaign=Campaign.objects.get(pk=campaign.pk))


@pytest.mark.parametrize("rule", SHOULD)
def test_what_should_be_looked_at_is_found_and_does_not_block(now: datetime, rule: str) -> None:
    campaign = ready_campaign(now)
    SHOULD[rule](now, campaign)
    assert rule in ids(now, campaign, Level.SHOULD_LOOK)
    assert ids(now, campaign, Level.MUST_FIX) == set()


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("harbour.example", "sender.shared_name"),
        ("harbour.co.uk", "sender.shared_name"),
        ("news.harbour.example", "sender.own_name"),
        ("news.harbour.co.uk", "sender.own_name"),
    ],
)
def test_marketing_mail_is_advised_to_have_a_name_of_its_own(name: str, rule: str) -> None:
    assert [row.id for row in standing.of_stream(SendingDomain(name=name))] == [rule]


def test_outside_the_lab_one_click_needs_https(now: datetime, settings) -> None:
    campaign = ready_campaign(now)
    settings.DEBUG = settings.LAB = False
    assert "unsubscribe.https" in ids(now, campaign, Level.MUST_FIX)
    settings.PUBLIC_URL = "https://mail.harbour.example"
    assert "unsubscribe.one_click" in ids(now, campaign, Level.FINE)


def test_every_finding_of_a_letter_points_to_its_line_and_is_said_once(now: datetime) -> None:
    campaign = ready_campaign(now)
    write(now, campaign, letter="Hello there, dear reader.\n\n![](https://www.harbour.example/wall.jpg)\n" + LETTER)
    rows = [row for row in preflight(now=now, campaign=campaign) if "picture" in row.sentence.lower()]
    assert [(row.id, row.line) for row in rows] == [("image.alt", 3)]


@pytest.mark.parametrize("rule", LISTED_AND_NO_MUST)
def test_a_listing_seen_once_or_on_a_lesser_list_only_warns(now: datetime, rule: str) -> None:
    campaign = ready_campaign(now)
    LISTED_AND_NO_MUST[rule](now, campaign)
    assert rule in ids(now, campaign, Level.SHOULD_LOOK)
    assert ids(now, campaign, Level.MUST_FIX) == set()


def test_lists_that_know_nothing_bad_and_lists_for_information_stop_nobody(now: datetime) -> None:
    campaign = ready_campaign(now)
    listing("address", result="pass", failing_since=None, confirmed=False)(now, campaign)
    listing("address", check_name="list_psbl", weight="tell")(now, campaign)
    assert ids(now, campaign, Level.FINE) == FINE | {"lists.clean"}


def test_a_listed_domain_may_still_send_a_test_mail(now: datetime) -> None:
    campaign = ready_campaign(now)
    listing("domain")(now, campaign)
    assert stops_a_test(now=now, campaign=campaign) == []


def test_the_hosts_of_drafts_and_scheduled_letters_are_watched(now: datetime) -> None:
    campaign = ready_campaign(now)
    links = (
        "[a](https://shop.example/x) ![b](https://img.example/b.png) <https://bare.example> https://{{ x }}.example/"
    )
    write(now, campaign, letter=LETTER + links)
    old = ready_campaign(now, name="Old")
    write(now, old, letter="[c](https://old.example)")
    Campaign.objects.filter(pk=old.pk).update(updated_at=now - timedelta(days=31))
    watch_links(now=now)
    assert set(LinkHost.objects.values_list("name", flat=True)) == {
        "www.harbour.example", "shop.example", "img.example", "bare.example",
    }  # fmt: skip
    watch_links(now=now + timedelta(hours=1))
    assert set(LinkHost.objects.values_list("wanted_until", flat=True)) == {now + timedelta(days=2, hours=1)}


@pytest.mark.parametrize(("hour", "is_night"), [(20, False), (21, True), (4, True), (5, False)])
def test_a_start_at_night_by_the_workspaces_clock_is_worth_a_look(now: datetime, hour: int, is_night: bool) -> None:
    campaign = ready_campaign(now)
    starts_at = now.replace(hour=hour, minute=0).astimezone(ZoneInfo("Europe/Warsaw"))
    found = [row for row in preflight(now=now, campaign=campaign, starts_at=starts_at) if row.id == "when.quiet"]
    assert bool(found) is is_night
    assert not [row for row in preflight(now=now, campaign=campaign) if row.id == "when.quiet"]


def test_words_that_are_hard_to_read_for_their_colours_are_told_with_their_line(now: datetime) -> None:
    campaign = ready_campaign(now)
    write(now, campaign, letter='<p>\n<b style="color:#bbbbbb">Faint</b></p>', kind="html")
    [found] = [row for row in preflight(now=now, campaign=campaign) if row.id == "content.contrast"]
    assert (found.line, found.level) == (2, "should")
    assert found.sentence == "Words in #bbbbbb on #ffffff are hard to read: 1.9 to 1, and 4.5 are needed."


@pytest.mark.parametrize(
    ("change", "id"),
    [
        (letter(preheader="For {{ contact.nobody_has_this }}"), "content.preheader"),
        (update(reply_to="nobody at all"), "content.reply_to"),
    ],
)
def test_a_field_or_address_that_cannot_be_written_names_its_place(now: datetime, change: Change, id: str) -> None:
    campaign = ready_campaign(now)
    change(now, campaign)
    campaign.refresh_from_db()
    assert id in {row.id for row in preflight(now=now, campaign=campaign)}


def test_what_was_sent_back_is_stopped(now: datetime) -> None:
    campaign = ready_campaign(now)
    Remark.objects.create(campaign=campaign, kind=Remark.Kind.REJECTED, rev=campaign.rev, words="Wrong price", at=now)
    Campaign.objects.filter(pk=campaign.pk).update(review=Campaign.Review.REJECTED)
    campaign.refresh_from_db()
    assert [row.id for row in must_fix(now=now, campaign=campaign)] == ["review.rejected"]
