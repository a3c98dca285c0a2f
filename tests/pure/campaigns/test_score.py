"""The deliverability score's arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.pure.next_steps import WORDS
from campaigns.pure.score import BY_KEY, ENOUGH, FACTORS, Counts, goodness, limits_of, score_of

STOCK = limits_of({})


def counts(**changed: int) -> Counts:
    """A month in which all went well."""
    well = {"accepted": 10_000, "told": 10_000, "attempts": 10_000}
    seen = {"click_counted": 10_000, "clicked": 400, "open_counted": 10_000, "opened": 3000}
    return Counts(**{**well, **seen, **changed})


def score(month: Counts, **others: float | None):
    found = score_of(month, limits=STOCK, **{"authenticated": 100.0, "quiet": 5.0, **others})
    assert found is not None
    return found


def test_the_weights_are_a_hundred_and_opens_weigh_little():
    assert sum(factor.weight for factor in FACTORS) == 100
    assert BY_KEY["opened"].weight <= 5


def test_every_factor_has_words_for_what_to_do():
    assert set(WORDS) == set(BY_KEY)


def test_a_month_without_fault_has_all_points():
    assert score(counts()).value == 100
    assert score(counts()).word == "Healthy"


@pytest.mark.parametrize("messages", [0, 1, ENOUGH - 1])
def test_there_is_no_score_of_too_few_messages(messages):
    assert score_of(counts(accepted=messages), limits=STOCK) is None


def test_there_is_one_from_a_thousand_on_and_bounces_count_among_them():
    assert score_of(counts(accepted=ENOUGH - 10, bounced=10), limits=STOCK) is not None


@pytest.mark.parametrize(("complained", "points"), [(0, 25), (10, 25), (20, 12.5), (30, 0), (90, 0)])
def test_between_good_and_bad_points_go_in_proportion(complained, points):
    part = next(part for part in score(counts(told_complained=complained)).parts if part.factor.key == "complained")
    assert part.points == pytest.approx(points)
    assert part.gain == pytest.approx(25 - points)


def test_nothing_makes_up_for_complaints_that_are_bad():
    found = score(counts(told_complained=30))
    assert (found.value, found.capped_by, found.word) == (59, "Complaints", "Needs attention")


def test_what_is_not_known_takes_no_part():
    found = score(counts(told=0, clicked=0, click_counted=0, opened=0, open_counted=0), quiet=None)
    assert found.value == 100
    unknown = {part.factor.key for part in found.parts if part.points is None}
    assert unknown == {"complained", "clicked", "opened", "quiet"}
    assert sum(part.most for part in found.parts) == pytest.approx(100)


def test_opens_alone_move_the_score_by_three_at_most():
    assert score(counts()).value - score(counts(opened=0)).value == 3


def test_changed_thresholds_count_and_nonsense_does_not():
    changed = limits_of({"bounced": [3, 6], "nothing": [1, 2], "left": "x"})
    assert changed["bounced"] == (3.0, 6.0) and changed["left"] == STOCK["left"] and "nothing" not in changed
    month = counts(bounced=250)
    assert score(month).capped_by == "Hard bounces"
    strict = score_of(month, limits=changed, authenticated=100.0, quiet=5.0)
    assert strict is not None and strict.value == 100


SHARES = st.floats(0, 100)


@given(SHARES, SHARES, st.sampled_from(FACTORS))
def test_a_better_share_never_has_fewer_points(one, other, factor):
    worse, better = sorted((one, other), reverse=factor.good < factor.bad)
    assert goodness(worse, factor.good, factor.bad) <= goodness(better, factor.good, factor.bad)


@given(st.builds(Counts, **{name: st.integers(0, 10**9) for name in ("accepted", "bounced", "complained", "told")}))
def test_a_score_lies_between_nothing_and_a_hundred(month):
    found = score_of(month, limits=STOCK)
    assert found is None or 0 <= found.value <= 100
