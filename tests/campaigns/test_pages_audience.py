"""Choosing whom it goes to: counted while somebody chooses, adding up, nothing saved before they say so."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from audiences.models import Subscriber, Suppression
from campaigns import counting
from campaigns.audience import choice_of, crowd_by
from campaigns.counting import counted, rounded
from campaigns.models import Campaign
from tests.campaigns.world import ready_campaign
from tests.cast import newsletter
from tests.visitors import colleague

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return colleague()


@pytest.fixture
def campaign() -> Campaign:
    """Forty people; ten of them are on a second list too, two of those have left it, one is suppressed."""
    now = timezone.now()
    campaign = ready_campaign(now, readers=40)
    regulars = newsletter("Regulars")
    for number, person in enumerate(Subscriber.objects.order_by("pk")[:10]):
        regulars.subscriptions.create(
            subscriber=person, state="unsubscribed" if number < 2 else "subscribed", since=now
        )
    gone = Subscriber.objects.order_by("pk")[20]
    Suppression.objects.create(address_key=gone.address_key, scope="*", reason="bounced", created_at=now)
    return campaign


def count(client: Client, campaign: Campaign, **ticked: list[int]) -> str:
    answer = client.get(f"/campaigns/{campaign.pk}/audience/count/", ticked, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def figures(seen: str) -> dict[str, int]:
    found = re.findall(r"<dt>([^<]*)</dt><dd>(−?)([\d,]+)</dd>", seen)
    return {words: int(n.replace(",", "")) * (-1 if minus else 1) for words, minus, n in found}


def test_what_is_ticked_is_counted_and_not_saved(client, campaign) -> None:
    [first] = campaign.included_lists.all()
    regulars = newsletter("Regulars")
    seen = count(client, campaign, included=[regulars.pk])
    assert "<b>8 people</b> will get it." in seen and "If you save this" in seen
    assert figures(seen) == {"On these lists": 10, "Unsubscribed": -2, "Will get it": 8}
    assert list(campaign.included_lists.all()) == [first]
    assert "As saved" in count(client, campaign, included=[first.pk])


def test_the_breakdown_sums_and_says_who_is_on_several_lists(client, campaign) -> None:
    lists = [*campaign.included_lists.values_list("pk", flat=True), newsletter("Regulars").pk]
    found = figures(count(client, campaign, included=lists))
    assert found["Entries of these lists"] == 50 and found["On several of them, counted once"] == -10
    will = found.pop("Will get it")
    assert will == sum(found.values()) == 39


def test_five_of_them_are_shown_and_none_who_is_left_out(client, campaign) -> None:
    regulars = newsletter("Regulars")
    left = set(regulars.subscriptions.filter(state="unsubscribed").values_list("subscriber__email", flat=True))
    shown = [set(re.findall(r"reader\d+@[\w.]+", count(client, campaign, included=[regulars.pk]))) for _ in range(8)]
    assert {len(five) for five in shown} == {5} and len(set.union(*shown)) > 5
    assert not left & set.union(*shown)


def test_a_list_chosen_and_left_out_at_once_is_told_instead_of_counted(client, campaign) -> None:
    [first] = campaign.included_lists.all()
    seen = count(client, campaign, included=[first.pk], excluded=[first.pk])
    assert "cannot be sent to and left out at once" in seen and "Will get it" not in seen
    assert "One of these lists is no longer there." in count(client, campaign, included=[10_000_000])


def test_nobody_chosen_is_said(client, campaign) -> None:
    assert "Nobody is chosen yet." in count(client, campaign)


def test_the_page_asks_for_the_count_at_each_tick_and_lets_go_of_the_last_question(client, campaign) -> None:
    page = client.get(f"/campaigns/{campaign.pk}/audience/").content.decode()
    assert f'hx-get="/campaigns/{campaign.pk}/audience/count/"' in page
    assert 'hx-trigger="change delay:300ms"' in page and 'hx-sync="this:replace"' in page


def test_screen_readers_are_told_the_number(client, campaign) -> None:
    answer = client.get(f"/campaigns/{campaign.pk}/audience/count/", {"included": [newsletter("Regulars").pk]})
    assert "8 people will get it" in answer.headers["HX-Trigger"]


# -- Where it takes too long -------------------------------------------------------------------------------------------


def test_what_takes_too_long_is_estimated_and_still_sums(client, campaign, monkeypatch) -> None:
    """PostgreSQL ends the exact question; the estimate looks at everybody whose key is in the lower half."""
    monkeypatch.setattr(counting, "_people", lambda: 40)
    monkeypatch.setattr(counting, "LOOKED_AT", 20)
    asked = crowd_by

    def slow(audience):
        if "audience_among" not in audience.params:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(5)")
        return asked(audience)

    monkeypatch.setattr(counting, "crowd_by", slow)
    monkeypatch.setattr(counting, "AT_ONCE_MS", 200)
    found = counted(choice_of(campaign), now=timezone.now(), within_ms=100)
    assert found is not None and not found.is_exact
    assert found.crowd.recipients + sum(found.crowd.left_out.values()) == found.crowd.total
    assert 8 <= found.crowd.recipients <= 76
    monkeypatch.setattr("campaigns.views.drafts.AT_ONCE_MS", 100)
    seen = count(client, campaign, included=[campaign.included_lists.get().pk])
    assert "About <b>" in seen and "the exact number is being counted" in seen
    assert "patiently=1" in seen


def test_where_even_that_takes_too_long_it_says_so(client, campaign, monkeypatch) -> None:
    monkeypatch.setattr("campaigns.views.drafts.counted", lambda *args, **named: None)
    seen = count(client, campaign, included=[campaign.included_lists.get().pk])
    assert "takes too long just now" in seen and "Will get it" not in seen


@pytest.mark.parametrize(
    ("n", "said"), [(0, 0), (7, 7), (99, 99), (412.4, 410), (41_237, 41_000), (1_261_000, 1_300_000)]
)
def test_an_estimate_has_two_digits_that_mean_something(n: float, said: int) -> None:
    assert rounded(n) == said
