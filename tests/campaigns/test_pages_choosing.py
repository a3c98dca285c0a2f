"""Whom, how and when: what the pages of audience, subject and time tell before anything is sent."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audiences.models import Subscriber
from campaigns.launch import launch
from campaigns.models import Campaign
from campaigns.preflight import preflight
from campaigns.pure.advice import wrong_in_subject
from reputation.budgets import budgets_for
from reputation.budgets import edit as edit_budget
from tests.campaigns.world import ready_campaign, write
from tests.cast import direct_route, newsletter, people, pool_of
from tests.visitors import colleague

pytestmark = pytest.mark.django_db
LONG_AGO = timedelta(days=500)


@pytest.fixture
def client() -> Client:
    return colleague()


@pytest.fixture
def campaign() -> Campaign:
    return ready_campaign(timezone.now(), readers=40)


def page(client: Client, campaign: Campaign, name: str, **query: str) -> str:
    return " ".join(client.get(f"/campaigns/{campaign.pk}/{name}/", query).content.decode().split())


def schedule(client: Client, campaign: Campaign, **data: str):
    return client.post(f"/campaigns/{campaign.pk}/schedule/", {"when": "now", **data})


# -- Audience ----------------------------------------------------------------------------------------------------------


def test_a_person_in_many_lists_is_counted_once(client, campaign) -> None:
    other = newsletter("Regulars")
    for person in Subscriber.objects.all()[:10]:
        other.subscriptions.create(subscriber=person, state="subscribed", since=timezone.now())
    campaign.included_lists.add(other)
    assert "<dt>Will get it</dt><dd>40</dd>" in page(client, campaign, "audience")


def test_five_random_recipients_are_shown_and_others_at_the_next_look(client, campaign) -> None:
    shown = [frozenset(re.findall(r"reader\d+@[\w.]+", page(client, campaign, "audience"))) for _ in range(12)]
    assert {len(five) for five in shown} == {5}
    assert len(set(shown)) > 1


def test_the_page_says_how_long_it_takes_at_todays_limits(client, campaign) -> None:
    assert "If it began now, everyone would have it about" in page(client, campaign, "audience")


@pytest.mark.parametrize(("sleepers", "warned"), [(7, False), (8, True)])
def test_a_fifth_or_more_who_have_not_clicked_for_a_year_is_warned_of(client, campaign, sleepers, warned) -> None:
    now = timezone.now()
    Subscriber.objects.update(created_at=now - LONG_AGO, last_engaged_at=now)
    some = Subscriber.objects.order_by("pk").values("pk")[:sleepers]
    Subscriber.objects.filter(pk__in=some).update(last_engaged_at=now - LONG_AGO)
    found = [row.sentence for row in preflight(now=now, campaign=campaign) if row.id == "audience.asleep"]
    assert bool(found) is warned
    assert not warned or found[0].startswith("8 people have neither clicked nor opened anything for a year.")


def test_newcomers_do_not_sleep_and_nothing_is_said_where_nothing_was_ever_counted(campaign) -> None:
    now = timezone.now()
    Subscriber.objects.update(created_at=now - LONG_AGO, last_engaged_at=None)
    assert not [row for row in preflight(now=now, campaign=campaign) if row.id == "audience.asleep"]
    Subscriber.objects.update(created_at=now)
    Subscriber.objects.filter(pk=Subscriber.objects.earliest("pk").pk).update(last_engaged_at=now)
    assert not [row for row in preflight(now=now, campaign=campaign) if row.id == "audience.asleep"]


def test_an_audience_that_grew_by_more_than_a_twentieth_is_shown_before_it_is_sent(client, campaign) -> None:
    assert 'name="counted" value="40"' in page(client, campaign, "review")
    people(2, on=newsletter(), prefix="more")
    assert schedule(client, campaign, counted="40").status_code == 302
    client.post(f"/campaigns/{campaign.pk}/unschedule/")
    people(1, on=newsletter(), prefix="another")
    answer = schedule(client, campaign, counted="40")
    assert answer.status_code == 422
    assert "It was for 40 people when you looked, and is for 43 now." in answer.content.decode()
    assert schedule(client, campaign, counted="43").status_code == 302


# -- Subject -----------------------------------------------------------------------------------------------------------


def test_the_subject_of_twenty_people_has_no_tag_no_line_break_and_is_never_empty(client, campaign) -> None:
    people(3, on=newsletter(), prefix="nameless")
    Subscriber.objects.filter(email__startswith="nameless").update(fields={})
    write(timezone.now(), campaign, subject='{{ contact.first_name | default: "Reader" }}, the boxes are unpacked 📚')
    seen = client.get(f"/campaigns/{campaign.pk}/review/subjects/").content.decode()
    subjects = re.findall(r'<span class="lp-break">(.*?)</span>', seen, re.DOTALL)
    assert len(subjects) == 20
    assert [one for one in subjects if wrong_in_subject(one) or not one.endswith(", the boxes are unpacked 📚")] == []
    assert f'hx-get="/campaigns/{campaign.pk}/review/subjects/"' in page(client, campaign, "review")


@pytest.mark.parametrize(
    ("subject", "wrong"),
    [(" ", "is empty"), ("Dear {{ name }}", "a tag"), ("one\ntwo", "a line break"), ("Fine {really}", "")],
)
def test_a_subject_that_came_out_wrong_is_told(subject: str, wrong: str) -> None:
    assert wrong in wrong_in_subject(subject) and bool(wrong_in_subject(subject)) is bool(wrong)


def test_a_subject_that_cannot_be_written_says_why_instead(client, campaign) -> None:
    write(timezone.now(), campaign, subject="{{ contact.nobody_has_this }}")
    assert "nobody_has_this" in client.get(f"/campaigns/{campaign.pk}/review/subjects/").content.decode()


def test_a_line_break_in_the_sender_is_refused(client, campaign) -> None:
    data = {
        "from_name": "Mara\r\nBcc: everybody@example.org",
        "sending_domain": str(campaign.sending_domain_id),
        "pool": str(campaign.pool_id),
        "from_address": campaign.from_address,
    }
    answer = client.post(f"/campaigns/{campaign.pk}/sender/", data)
    assert answer.status_code == 422 and "This has to be one line." in answer.content.decode()


def test_fields_and_emoji_can_be_put_into_subject_and_preheader_too(client, campaign) -> None:
    seen = page(client, campaign, "letter")
    assert 'id="emoji"' in seen and "📚 books" in seen and 'data-insert-field="letter"' in seen


# -- When --------------------------------------------------------------------------------------------------------------


def test_it_is_spread_evenly_over_so_many_hours(client, campaign) -> None:
    asked = page(client, campaign, "review", when="now", spread_hours="3")
    assert "at most <b>14 an hour</b>" in asked
    assert schedule(client, campaign, spread_hours="3").status_code == 302
    campaign.refresh_from_db()
    assert campaign.per_hour == 14


def test_a_rate_and_a_spread_at_once_are_refused(client, campaign) -> None:
    answer = schedule(client, campaign, spread_hours="3", per_hour="100")
    assert answer.status_code == 422 and "not both" in answer.content.decode()


def test_whether_the_next_route_takes_over_is_chosen_foreseen_and_frozen(client, campaign) -> None:
    assert "When the first route is full" not in page(client, campaign, "review")
    Campaign.objects.filter(pk=campaign.pk).update(pool=pool_of(direct_route(), direct_route("127.0.1.2")))
    now = timezone.now()
    for kind, scope in (("ip", "127.0.1.1"), ("ip", "127.0.1.2")):
        for provider in ("google", "yahoo", "microsoft"):
            (budget,) = budgets_for(now=now, kind_scopes=[(kind, scope)], provider=provider)
            edit_budget(now=now, budget=budget, actor=None, reason="test", per_day=5 if scope.endswith("1.1") else 900)
    alone = page(client, campaign, "review")
    assert ("By the first route alone" in alone and "… " in alone) or "on " in alone
    both = page(client, campaign, "review", when="now", overflow="yes")
    assert "By 2 routes: the next takes over" in both and both.count("in one go") > alone.count("in one go")
    assert schedule(client, campaign, overflow="yes").status_code == 302
    campaign.refresh_from_db()
    assert campaign.overflow is True
    launched = launch(now=now + timedelta(minutes=5), campaign_id=campaign.pk)
    assert launched is not None and launched.overflow is True


def test_without_a_choice_it_is_as_the_pool_has_it(client, campaign) -> None:
    assert schedule(client, campaign).status_code == 302
    campaign.refresh_from_db()
    assert campaign.overflow is None


def test_a_campaign_that_missed_its_time_asks_send_now_or_reschedule(client, campaign) -> None:
    due = timezone.now() - timedelta(hours=5)
    Campaign.objects.filter(pk=campaign.pk).update(
        state="missed", scheduled_for=due, problem="The system was down when it was due."
    )
    hub = " ".join(client.get(f"/campaigns/{campaign.pk}/").content.decode().split())
    for seen in (hub, page(client, campaign, "review")):
        assert "It missed its time, " in seen and "Send it now, or choose a new one?" in seen
        assert "It does not go by itself." in seen
    assert f'href="/campaigns/{campaign.pk}/review/?when=now"' in hub
    assert f'href="/campaigns/{campaign.pk}/review/?when=at"' in hub
    assert schedule(client, campaign).status_code == 302


def test_paused_and_scheduled_campaigns_say_exactly_what_may_still_be_edited(client, campaign) -> None:
    now = timezone.now()
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    scheduled = client.get(f"/campaigns/{campaign.pk}/").content.decode()
    assert "Until then you can take it back; before that, only its name and tags can be changed." in scheduled
    assert launch(now=now, campaign_id=campaign.pk) is not None
    client.post(f"/campaigns/{campaign.pk}/pause/")
    assert "Name, tags and speed can be changed now; the letter, the sender and the people are as they were" in page(
        client, campaign, "monitor"
    )


def test_the_tick_of_a_card_is_what_preflight_says(client, campaign, settings) -> None:
    settings.PUBLIC_URL = "https://letters.harbour.example"

    def marks() -> list[str]:
        seen = " ".join(client.get(f"/campaigns/{campaign.pk}/").content.decode().split())
        return re.findall(r'<span class="visually-hidden">(Ready|Have a look|Must be fixed):</span>', seen)

    assert marks() == ["Ready", "Ready", "Ready"]
    write(timezone.now(), campaign, subject="", preheader="x")
    campaign.included_lists.clear()
    assert marks() == ["Must be fixed", "Ready", "Must be fixed"]
