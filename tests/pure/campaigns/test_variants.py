"""An A/B test is kept with each version as plain data, and told when versions are compared."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from campaigns.pure.changes import changed_lines
from campaigns.pure.variants import SHARES, AbTest, Variant, from_json
from sending.pure.split import By, Split

HOUR = timedelta(hours=1)
words = st.text(max_size=20)
variants = st.builds(Variant, subject=words, preheader=words, from_name=words, letter=words)
tests = st.builds(
    AbTest,
    st.lists(variants, max_size=3).map(tuple),
    st.builds(
        Split, st.sampled_from(SHARES), st.sampled_from(By), st.integers(1, 168).map(lambda n: timedelta(hours=n))
    ),
)


@dataclass
class Version:
    subject: str = "Hello"
    preheader: str = ""
    letter: str = "Dear reader"
    ab_test: dict[str, Any] = field(default_factory=dict)


@given(tests)
def test_it_comes_back_as_it_was_kept(test: AbTest) -> None:
    assert from_json(test.to_json()) == test
    assert from_json({}) is None


def test_what_changed_in_it_is_shown() -> None:
    one = AbTest((Variant(subject="Good morning"),), Split(20, By.CLICKS, timedelta(hours=4)))
    other = AbTest((Variant(subject="Good evening"),), one.split)
    lines = changed_lines(Version(ab_test=one.to_json()), Version(ab_test=other.to_json()))
    assert lines == [("out", "Variant B: subject “Good morning”"), ("in", "Variant B: subject “Good evening”")]
    assert changed_lines(Version(), Version(ab_test=one.to_json()))[0].text == "A/B test: 20 %, clicked, 4 h"
