"""The way back after a slow-down, as numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reputation.pure.backoff import CUT, LEAST_SHARE, PROBE, in_one_netblock, share_after, step_up

SHARES = st.floats(LEAST_SHARE, 1.0)


@given(share=SHARES, connections=st.none() | st.integers(1, 100))
def test_every_way_back_begins_with_one_connection_only_grows_and_ends(share: float, connections: int | None) -> None:
    step = step_up(0, share, 1, connections)
    assert step is not None and (step.number, step.connection_cap) == (PROBE, 1)
    steps = [step]
    while (
        following := step_up(steps[-1].number, steps[-1].rate_share, steps[-1].connection_cap, connections)
    ) is not None:
        before = steps[-1]
        assert following.number == before.number + 1
        assert before.rate_share <= following.rate_share <= 1.0
        gained = following.rate_share - before.rate_share
        assert gained <= 0.1 + 1e-6 and (before.number != PROBE or gained == 0)
        if following.connection_cap is not None:
            assert following.connection_cap == (before.connection_cap or 0) + 1
        steps.append(following)
    assert len(steps) <= 2 + max(10, connections or 0)


@given(before=SHARES, window=st.integers(1, 200), heard=st.integers(1, 400))
def test_the_cost_is_divided_by_the_window_and_never_more_than_half(before: float, window: int, heard: int) -> None:
    share = share_after(before=before, heard=heard, window=window)
    assert max(LEAST_SHARE, before * CUT) - 1e-9 <= share < before or share == LEAST_SHARE
    assert share <= share_after(before=before, heard=heard, window=window + 1)
    assert share >= share_after(before=before, heard=heard + 1, window=window)


def test_one_reply_at_twenty_connections_costs_less_than_at_two() -> None:
    costs = [1 - share_after(before=1.0, heard=1, window=window) for window in (1, 2, 20)]
    assert costs == pytest.approx([0.5, 0.25, 0.025])


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("192.0.2.1", "192.0.2.254", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "2001:db8::1", False),
        ("192.0.2.1", "relay-1", False),
    ],
)
def test_a_netblock_is_a_24_or_a_64(one: str, other: str, near: bool) -> None:
    assert in_one_netblock(one, other) is near
