from typing import Any

import pytest

from campaigns.pure.click_map import link_places, with_numbers
from campaigns.pure.comparison import compared, percent
from campaigns.pure.standing import standing


def went(**people: int) -> tuple[str, str]:
    told: dict[str, Any] = {"accepted": 1000, "no_mailbox": 0, "blocked": 0, "complained": 0, "left": 0, **people}
    found = standing(**told)
    return found.word, found.why


@pytest.mark.parametrize(
    ("people", "word", "why"),
    [
        ({}, "Healthy", ""),
        ({"accepted": 99}, "Too few to say", ""),
        ({"accepted": 90, "no_mailbox": 10}, "Needs attention", "10 % had no mailbox"),
        ({"accepted": 10_000, "complained": 9}, "Healthy", ""),
        ({"accepted": 10_000, "complained": 10}, "Room for improvement", "0.1 % complained"),
        ({"accepted": 10_000, "complained": 30}, "Needs attention", "0.3 % complained"),
        # Two people are an accident, whatever the share.
        ({"accepted": 200, "complained": 2}, "Healthy", ""),
        ({"left": 3}, "Room for improvement", "0.3 % unsubscribed"),
        ({"left": 10}, "Needs attention", "1 % unsubscribed"),
        ({"accepted": 980, "blocked": 20}, "Needs attention", "2 % refused because of us"),
        # The worst of several is told.
        ({"accepted": 985, "no_mailbox": 15, "complained": 4}, "Needs attention", "0.41 % complained"),
    ],
)
def test_how_it_went_at_a_provider_and_why(people: dict[str, int], word: str, why: str) -> None:
    assert went(**people) == (word, why)


def test_a_campaign_is_compared_with_ones_own_last_ones() -> None:
    earlier = [4.1, 3.0, 5.0, 4.6]
    assert compared(4.6, earlier) == "At 4.6 % it did better than 2 of your last 4 campaigns; your median is 4.3 %."
    assert compared(9.0, earlier).startswith("At 9.0 % it did better than all of your last 4 campaigns")
    assert compared(1.0, earlier).startswith("At 1.0 % it did better than none of your last 4 campaigns")
    assert compared(4.6, earlier[:2]) == ""


def test_shares_are_cut_and_never_rounded_up() -> None:
    assert percent(999, 1000) == 99.9
    assert percent(9999, 10_000) == 99.9
    assert percent(1, 0) == 0.0


def test_each_counted_link_gets_its_people_and_leads_nowhere() -> None:
    places = link_places(12)
    html = (
        f'<a style="color:red" href="{places[0]}">one</a> <a href="https://example.org/">free</a>'
        f' <a href="{places[11]}"><img alt="x"></a>'
    )
    seen = with_numbers(html, people={0: 3}, clickers=4)
    assert places[0] not in seen
    assert ">one</a><span" in seen
    assert ">3 · 75 %</span>" in seen
    assert ">0 · 0 %</span>" in seen
    assert seen.count("<span") == 2
    assert '<a href="https://example.org/">free</a>' in seen
