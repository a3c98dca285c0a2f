from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from campaigns.pure.arrival_words import Arrival, ending
from campaigns.pure.lane_words import Facts, say

NOW = datetime(2026, 11, 24, 13, 5, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Warsaw")
ASKED = "Gmail asked us to slow down at 14:02; next try 14:12"


def said(**facts: Any) -> tuple[str, str]:
    known = {"who": "Gmail", "provider": "google", "mailing_state": "running", "waiting": 9, **facts}
    words = say(Facts(**known), now=NOW, zone=ZONE)
    return words.word, words.sentence


def at(hour: int, minute: int = 0, day: int = 24) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("facts", "word", "sentence"),
    [
        (
            {"closed": True, "closed_until": at(14, 12), "reason": ASKED},
            "Slowing down",
            "Gmail asked us to slow down at 14:02; next try 14:12, then faster step by step.",
        ),
        (
            {"closed": True, "closed_until": at(9, day=25), "by_hand": True, "reason": "Their help desk asked us to"},
            "Held",
            "Until Wed 25 Nov, 09:00. Their help desk asked us to.",
        ),
        ({"for_winner": 9}, "A/B test", "9 wait for the winner."),
        ({"for_winner": 8, "connections": 1}, "Sending", "Over 1 connection."),
        ({"for_winner": 8, "retrying": 0}, "Waiting for its turn", ""),
        ({"closed": True, "reason": "Blocklisted"}, "Held", "Until an admin opens it again. Blocklisted."),
        (
            {"share": 0.5, "reason": ASKED, "connections": 1},
            "Slowed down",
            "Gmail asked us to slow down at 14:02. Now at 50% of the normal pace, faster step by step.",
        ),
        (
            {"day_used": 1600, "warmup_day": 16},
            "Tomorrow",
            "Today’s 1,600 are used up (warm-up day 16). It goes on at 00:00, Wed 25 Nov.",
        ),
        (
            {"connections": 2, "retrying": 3, "next_retry_at": at(15, 30)},
            "Sending",
            "Over 2 connections. 3 are tried again from 15:30.",
        ),
        (
            {"waiting": 1, "retrying": 1, "next_retry_at": at(15, 30)},
            "Trying again",
            "Everyone was tried once. 1 is tried again from 15:30.",
        ),
        ({"mailing_state": "paused", "connections": 1}, "Pausing", "The last messages under way are finished."),
        ({"all_stopped": True}, "All stopped", "All sending is stopped, until an admin lets it go on."),
        ({"all_stopped": True, "waiting": 0}, "Done", ""),
    ],
)
def test_a_lane_says_what_holds_it_and_until_when(facts: dict[str, Any], word: str, sentence: str) -> None:
    assert said(**facts) == (word, sentence)


def test_the_rest_is_promised_by_one_time_where_all_lanes_end_about_then() -> None:
    lanes = [Arrival("Gmail", 900, at(16)), Arrival("Yahoo", 100, at(16, 20)), Arrival("GMX", 0, None)]
    assert ending(lanes, now=NOW, zone=ZONE) == ("The rest should follow by 16:20.", "")


def test_the_few_who_wait_longest_are_told_apart_with_their_providers() -> None:
    lanes = [Arrival("Gmail", 900, at(16)), Arrival("GMX", 100, at(9, 30, day=25)), Arrival("Orange", 5, at(9, day=25))]
    assert ending(lanes, now=NOW, zone=ZONE) == (
        "Most of the rest should follow by 16:00.",
        "The last 105, at Orange and GMX, should follow by Wed 25 Nov, 09:30.",
    )


def test_nothing_is_promised_where_no_end_is_in_sight() -> None:
    lanes = [Arrival("Gmail", 900, at(16)), Arrival("GMX", 1000, None)]
    assert ending(lanes, now=NOW, zone=ZONE) == (
        "Most of the rest should follow by 16:00.",
        "No end is in sight for 1,000 at GMX.",
    )
    assert ending([], now=NOW + timedelta(days=1), zone=ZONE) == ("", "")
