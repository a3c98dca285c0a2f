from datetime import UTC, datetime, timedelta

import pytest

from campaigns.pure.message_words import After, Try, answer, timeline

NOW = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)


def at(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


def once(kind: str, reply_class: str = "", reason: str = "") -> list[Try]:
    return [Try(number=1, kind=kind, at=at(5), reply_class=reply_class, reason=reason, reply="250 OK", route="Main")]


def after(*kinds: str, by_machine: bool = False) -> list[After]:
    return [After(kind=kind, at=at(60), by_machine=by_machine) for kind in kinds]


@pytest.mark.parametrize(
    ("tries", "later", "state", "word", "said"),
    [
        (once("accepted"), [], "done", "Yes", "Gmail took it. Whether it lies in the inbox, nobody can see."),
        (once("accepted"), after("opened", "clicked"), "done", "Yes", "It was opened."),
        (once("accepted"), after("opened", by_machine=True), "done", "Yes", "Gmail took it."),
        (once("unknown", reason="answer_lost"), after("clicked"), "done", "Yes", "A link in it was followed."),
        (once("accepted"), after("complained"), "done", "Yes", "They marked it as spam."),
        (once("accepted"), after("opened", "bounced"), "done", "No", "Gmail took it first, and sent it back later."),
        (once("bounced_hard", "unknown"), [], "done", "No", "This mailbox does not exist at Gmail."),
        (once("skipped", reason="suppressed"), [], "done", "No", "Suppressed or unsubscribed"),
        (once("unknown", reason="answer_lost"), [], "done", "Perhaps", "The connection broke before the answer came."),
        (once("deferred", "rate"), [], "running", "Not yet", "Gmail asks us to slow down."),
        (once("deferred", "rate"), [], "stopped", "No", "The campaign was stopped before it was their turn."),
        ([], [], "running", "Not yet", "It waits for its turn."),
        ([], [], "paused", "Not yet", "The campaign is paused."),
    ],
)
def test_did_jane_get_it(tries: list[Try], later: list[After], state: str, word: str, said: str) -> None:
    found = answer(who="Gmail", tries=tries, later=later, mailing_state=state)
    assert found.word == word
    assert found.sentence.startswith(said)


def test_the_timeline_goes_in_the_order_in_which_it_happened() -> None:
    tries = [
        Try(number=1, kind="deferred", at=at(5), reply_class="greylist", reply="451 later", route="Main"),
        Try(number=2, kind="accepted", at=at(25), reply="250 OK", route="Main"),
    ]
    later = [
        After(kind="clicked", at=at(90), target="https://example.org/a", n=2),
        After(kind="opened", at=at(26), by_machine=True),
    ]
    steps = timeline(who="GMX", chosen_at=NOW, tries=tries, later=later)
    assert [step.words for step in steps] == [
        "Chosen as a recipient",
        "GMX wants us to come back in a few minutes, as it does with everyone new.",
        "Accepted by GMX.",
        "A program opened it",
        "Followed a link, 2 times",
    ]
    assert steps[1].raw == "451 later"
    assert steps[1].detail.startswith("Attempt 1 · Main · ")
    assert steps[4].detail == "https://example.org/a"
