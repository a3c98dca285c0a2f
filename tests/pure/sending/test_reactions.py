import pytest

from reputation.pure.reactions import REACTIONS, SUPPRESSING
from sending.pure.reactions import BEFORE_THE_MESSAGE, react

PHASES = ("mail", "rcpt", "data", "dot")


@pytest.mark.parametrize("class_", [*REACTIONS, "a class of the future"])
@pytest.mark.parametrize("phase", [*PHASES, *sorted(BEFORE_THE_MESSAGE)])
def test_a_temporary_answer_is_always_a_deferral(class_: str, phase: str) -> None:
    assert react(code=451, class_=class_, phase=phase).kind == "deferred"


@pytest.mark.parametrize("class_", REACTIONS)
def test_only_an_answer_about_the_mailbox_is_a_hard_bounce(class_: str) -> None:
    for phase in PHASES:
        assert (react(code=550, class_=class_, phase=phase).kind == "bounced_hard") <= (class_ in SUPPRESSING)


@pytest.mark.parametrize("class_", REACTIONS)
@pytest.mark.parametrize("phase", sorted(BEFORE_THE_MESSAGE))
def test_what_is_said_before_the_message_ends_no_message_and_counts_for_none(class_: str, phase: str) -> None:
    reaction = react(code=554, class_=class_, phase=phase)
    assert (reaction.kind, reaction.counts) == ("deferred", False)


@pytest.mark.parametrize("class_", ["reputation", "blocklist", "auth", "tls", "ptr", "config", "smarthost", "bug"])
def test_a_refusal_of_our_name_blocks_tells_the_lane_and_counts_for_nobody(class_: str) -> None:
    reaction = react(code=550, class_=class_, phase="dot")
    assert (reaction.kind, reaction.about_us, reaction.counts) == ("blocked", True, False)


@pytest.mark.parametrize("class_", ["rate", "conn_limit"])
@pytest.mark.parametrize("code", [421, 451, 550])
def test_a_request_to_slow_down_is_a_deferral_whatever_its_code(class_: str, code: int) -> None:
    reaction = react(code=code, class_=class_, phase="rcpt")
    assert (reaction.kind, reaction.about_us, reaction.counts) == ("deferred", True, False)


@pytest.mark.parametrize("class_", ["content", "format", "too_big"])
def test_a_refusal_of_the_campaign_does_not_blame_the_lane(class_: str) -> None:
    reaction = react(code=550, class_=class_, phase="dot")
    assert (reaction.kind, reaction.about_us) == ("blocked", False)


def test_421_and_a_connection_that_has_had_enough_ask_for_a_new_one() -> None:
    assert react(code=421, class_="temp", phase="rcpt").reconnects
    assert react(code=450, class_="msgs_per_conn", phase="mail").reconnects
    assert not react(code=450, class_="temp", phase="rcpt").reconnects


def test_a_yes_is_accepted() -> None:
    assert react(code=250, class_="temp", phase="dot").kind == "accepted"
