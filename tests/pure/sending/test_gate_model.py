"""All interleavings of the gate's protocol: nobody is mailed twice, nobody is lost, and each safeguard is needed."""

import pytest

from tests.pure.sending.gate_model import Rules, search


def test_no_interleaving_mails_anybody_twice_or_loses_anybody() -> None:
    found = search(Rules())
    assert found.damage == ""
    assert found.states > 10_000


def test_neither_does_one_with_three_messages() -> None:
    found = search(Rules(messages=3, kills=1, takeovers=2))
    assert found.damage == ""
    assert found.states > 10_000


@pytest.mark.parametrize(
    ("left_out", "damage"),
    [
        ("fence", "duplicate"),
        ("durable_intent", "duplicate"),
        ("raise_first", "duplicate"),
        ("growing_token", "duplicate"),
        ("hand_back", "lost"),
    ],
)
def test_the_search_finds_the_damage_when_a_safeguard_is_left_out(left_out: str, damage: str) -> None:
    rules = Rules(messages=3 if left_out == "growing_token" else 2)._replace(**{left_out: False})
    assert search(rules).damage == damage
