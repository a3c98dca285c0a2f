"""The test that stops a campaign early: how often it is wrong, and how soon it sees a list that is bad."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sending.pure.guard import (
    CANARY_FROM,
    CERTAIN,
    FALSE_STOP,
    SIGNALS,
    WORSE,
    Counts,
    canaries,
    evidence,
    find,
)

BY_NAME = {signal.name: signal for signal in SIGNALS}


def answers_until_stopped(limit: float, share: float, *, at_most: int, chance: random.Random) -> int | None:
    """Answers one by one, each bad with this chance; after how many it was certain. Looked at after every one."""
    step = [(math.log(times), math.log((1 - times * limit) / (1 - limit))) for times in WORSE]
    bets = [1.0] * len(WORSE)
    for n in range(1, at_most + 1):
        bad = chance.random() < share
        bets = [bet * math.exp(up if bad else down) for bet, (up, down) in zip(bets, step, strict=True)]
        if bad and sum(bets) / len(bets) >= math.exp(CERTAIN):
            return n
    return None


def exact_false_stop(limit: float, at_most: int) -> float:
    """The exact chance that a list at its very limit is ever stopped within so many answers, looked at after each."""
    alive, stopped = {0: 1.0}, 0.0
    for n in range(1, at_most + 1):
        following: dict[int, float] = {}
        for bad, p in alive.items():
            for more, weight in ((0, 1 - limit), (1, limit)):
                following[bad + more] = following.get(bad + more, 0.0) + p * weight
        certain = [bad for bad in following if evidence(bad, n, limit) >= CERTAIN]
        stopped += sum(following.pop(bad) for bad in certain)
        alive = {bad: p for bad, p in following.items() if p > 1e-15}
    return stopped


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_a_list_at_its_very_limit_is_stopped_no_more_often_than_stated(signal) -> None:
    wrong = exact_false_stop(signal.limit, 1_500)
    assert wrong <= FALSE_STOP / len(SIGNALS)
    assert wrong > 0, "a test that never stops proves nothing"


def test_all_signals_together_keep_the_rate_that_is_stated() -> None:
    assert sum(exact_false_stop(signal.limit, 600) for signal in SIGNALS) <= FALSE_STOP


@given(signal=st.sampled_from(SIGNALS), good=st.floats(0.0, 1.0), n=st.integers(1, 100_000))
def test_the_bet_never_gains_on_a_list_within_its_limit(signal, good: float, n: int) -> None:
    """One more answer multiplies the evidence by 1 at most, in the mean: what Ville's inequality asks for."""
    share = good * signal.limit
    bad = int(share * n)
    before = evidence(bad, n, signal.limit)
    after = share * math.exp(evidence(bad + 1, n + 1, signal.limit) - before) + (1 - share) * math.exp(
        evidence(bad, n + 1, signal.limit) - before
    )
    assert after <= 1 + 1e-9


@pytest.mark.parametrize(
    ("name", "share", "within"),
    [("unknown", 0.10, 400), ("unknown", 0.05, 1_600), ("bounced", 0.15, 500), ("complained", 0.02, 2_000)],
)
def test_a_bad_list_is_found_within_so_many_answers(name: str, share: float, within: int) -> None:
    chance = random.Random(7)
    found = [
        answers_until_stopped(BY_NAME[name].limit, share, at_most=within, chance=chance) is not None for _ in range(200)
    ]
    assert sum(found) >= 198


@given(st.integers(0, 500), st.integers(0, 5_000), st.sampled_from(SIGNALS))
def test_more_bad_answers_are_more_evidence_and_more_good_ones_are_less(bad: int, good: int, signal) -> None:
    now = evidence(bad, bad + good, signal.limit)
    assert evidence(bad + 1, bad + good + 1, signal.limit) > now
    assert evidence(bad, bad + good + 1, signal.limit) < now


def test_the_evidence_does_not_overflow_for_the_largest_lists() -> None:
    assert evidence(10_000_000, 10_000_000, 0.003) > 1e7
    assert evidence(0, 100_000_000, 0.05) < -1e6


def test_the_clearest_signal_is_named_with_its_numbers() -> None:
    found = find(Counts(answered=120, accepted=106, unknown=14, bounced=14))
    assert found is not None and found.signal.name == "unknown"
    assert found.sentence("Gmail") == (
        "Stopped early at Gmail: 14 of 120 mailboxes do not exist (11.7 %; up to 2 % is let pass). "
        "The list may be old, or bought."
    )


def test_a_good_list_and_a_single_mishap_stop_nothing() -> None:
    assert find(Counts()) is None
    assert find(Counts(answered=1, bounced=1, unknown=1)) is None
    assert find(Counts(answered=10_000, accepted=9_850, unknown=120, bounced=150, complained=8)) is None
    assert find(Counts(complained=2)) is None  # told before the batch has closed its books


def test_a_person_who_went_on_is_not_stopped_for_the_same_again() -> None:
    before = Counts(answered=120, accepted=100, unknown=20, bounced=20)
    after = before + Counts(answered=400, accepted=397, unknown=3, bounced=3)
    assert find(before) is not None
    assert find(after.since(before)) is None


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 5_000_000)))
def test_only_large_lanes_have_a_first_part_and_it_is_one_to_two_per_cent(people: dict[str, int]) -> None:
    bounds = canaries(people)
    assert set(bounds) == {lane for lane, n in people.items() if n >= CANARY_FROM}
    for lane, bound in bounds.items():
        expected = people[lane] * bound.int / 2**128
        assert expected <= 2_001
        assert people[lane] > 133_333 or 0.01 <= expected / people[lane] <= 0.02
