import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiences.pure.field_values import TEXT_MAX, BadValue, value_of

WINES = ["Red", "White", "Rosé"]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("text", "Gdańsk", "Gdańsk"),
        ("number", "12", 12),
        ("number", "-12,5", -12.5),
        ("date", "2026-03-10", "2026-03-10"),
        ("date", "2026-03-10T09:00:00Z", "2026-03-10"),
        ("date", "10.3.2026", "2026-03-10"),
        ("date", "31/12/2026", "2026-12-31"),
        ("date", "12/31/2026", "2026-12-31"),
        ("date", "04/04/2026", "2026-04-04"),
        ("yes_no", "Ja", True),
        ("yes_no", "0", False),
        ("url", "https://example.org/a?b=1", "https://example.org/a?b=1"),
        ("url", "www.example.org", "https://www.example.org"),
        ("time_zone", "america/new york", "America/New_York"),
        ("time_zone", "Europe/Warsaw", "Europe/Warsaw"),
        ("choice", "RED", "Red"),
        ("multi_choice", "white; red;red", ["Red", "White"]),
        ("multi_choice", "Rosé|White", ["White", "Rosé"]),
    ],
)
def test_values_are_read_as_people_write_them(kind, text, value):
    found = value_of(kind, text, WINES)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("number", "twelve"),
        ("number", "1e999"),
        ("number", "NaN"),
        ("number", "9" * 40),
        ("date", "03/04/2026"),
        ("date", "30.2.2026"),
        ("date", "yesterday"),
        ("yes_no", "perhaps"),
        ("text", "x" * (TEXT_MAX + 1)),
        ("url", "javascript:alert(1)"),
        ("url", "ftp://example.org"),
        ("url", "https://user:pass@example.org"),
        ("url", "https://exa mple.org"),
        ("url", "https://localhost"),
        ("url", "https://[::1"),
        ("url", "somewhere"),
        ("time_zone", "Mars/Olympus"),
        ("time_zone", "CET+1"),
        ("choice", "Green"),
        ("multi_choice", "Red, Green"),
    ],
)
def test_what_is_no_value_or_could_be_two_is_refused(kind, text):
    with pytest.raises(BadValue):
        value_of(kind, text, WINES)


def test_a_wrong_choice_is_told_with_what_can_be_chosen():
    with pytest.raises(BadValue, match="“Green” is none of: Red, White, Rosé"):
        value_of("multi_choice", "Red, Green", WINES)


@given(st.sampled_from("text number date yes_no choice multi_choice url time_zone".split()), st.text(max_size=30))
def test_nothing_else_is_raised(kind, text):
    try:
        value_of(kind, text, WINES)
    except BadValue:
        pass
