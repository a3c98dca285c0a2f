"""A test's parts add up, its winner follows the stated rule, and its figures are those of the textbooks."""

from collections import Counter
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sending.pure.split import (
    MOST_VARIANTS,
    REST,
    By,
    Tally,
    Why,
    choose,
    detectable,
    gap,
    in_test,
    name_of,
    variant_at,
    wilson,
)

variants = st.integers(2, MOST_VARIANTS)


@given(people=st.integers(0, 3000), share=st.integers(1, 100), variants=variants)
def test_everybody_is_in_one_part_the_variants_are_even_and_the_share_is_kept(
    people: int, share: int, variants: int
) -> None:
    n = in_test(people, share=share, variants=variants)
    parts = Counter(variant_at(rank, in_test=n, variants=variants) for rank in range(1, people + 1))
    sizes = [parts[variant] for variant in range(variants)]
    assert sum(sizes) == n and n + parts[REST] == people
    assert max(sizes) - min(sizes) <= 1
    assert abs(n - people * share / 100) <= max(0.5, variants)
    assert share < 100 or not parts[REST]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=4), st.sampled_from(By))
def test_the_winner_is_the_first_with_the_highest_rate(rows: list[tuple[int, int]], by: By) -> None:
    tallies = [Tally(n, n, min(hits, n), min(hits, n)) for n, hits in rows]
    winner, why = choose(tallies, by)
    rates = [tally.rate(by) for tally in tallies]
    assert winner == rates.index(max(rates))
    assert (why is Why.NOTHING) == (max(rates) == 0)
    assert (why is Why.TIE) == (max(rates) > 0 and rates.count(max(rates)) > 1)


def test_a_lead_is_clear_only_beyond_chance() -> None:
    few, many = [Tally(50, 50, 0, 3), Tally(50, 50, 0, 5)], [Tally(5000, 5000, 0, 300), Tally(5000, 5000, 0, 500)]
    assert choose(few, By.CLICKS) == (1, Why.AHEAD)
    assert choose(many, By.CLICKS) == (1, Why.CLEAR)
    assert choose([Tally(10, 0), Tally(10, 0)], By.CLICKS) == (0, Why.NOTHING)


def test_with_more_variants_each_lead_has_to_be_larger() -> None:
    tallies = [Tally(1000, 1000, 0, hits) for hits in (40, 60, 38, 41)]
    assert gap(tallies[1], tallies[0], By.CLICKS).is_clear
    assert choose(tallies[:2], By.CLICKS)[1] is Why.CLEAR
    assert choose(tallies, By.CLICKS)[1] is Why.AHEAD


def test_the_intervals_are_those_newcombe_printed() -> None:
    """Statistics in Medicine 17, 873–890, table II, method 10: 56/70 against 48/80, and 9/10 against 3/10."""
    large = gap(Tally(70, 70, 0, 56), Tally(80, 80, 0, 48), By.CLICKS)
    assert (round(large.low, 4), round(large.value, 4), round(large.high, 4)) == (0.0524, 0.2, 0.3339)
    small = gap(Tally(10, 10, 0, 9), Tally(10, 10, 0, 3), By.CLICKS)
    assert (round(small.low, 4), round(small.high, 4)) == (0.1705, 0.8090)
    assert gap(Tally(1, 0), Tally(5, 5), By.CLICKS).is_clear is False


@given(st.integers(0, 200), st.integers(1, 200))
def test_a_rate_lies_within_its_bounds(hits: int, n: int) -> None:
    low, high = wilson(min(hits, n), n)
    assert 0 <= low <= min(hits, n) / n + 1e-12 and min(hits, n) / n - 1e-12 <= high <= 1


def test_the_difference_that_would_show_is_fleisss() -> None:
    """80 % power at 5 %, two-sided: 0.25 against 0.40 takes 152 people in each group (Fleiss, Levin and Paik, 2003,
    table A.3, without the correction for continuity)."""
    found = detectable(152, 0.25)
    assert found is not None and isclose(found, 0.40, abs_tol=0.002)


@given(st.integers(20, 100_000), st.floats(0.001, 0.5))
def test_more_people_show_smaller_differences(n: int, rate: float) -> None:
    fewer, more = detectable(n, rate), detectable(2 * n, rate)
    assert more is not None or fewer is None
    assert fewer is None or (more is not None and rate < more <= fewer)


def test_too_few_people_show_nothing() -> None:
    assert detectable(2, 0.02) is None


@pytest.mark.parametrize(("variant", "name"), [(0, "A"), (3, "D")])
def test_variants_are_letters(variant: int, name: str) -> None:
    assert name_of(variant) == name
