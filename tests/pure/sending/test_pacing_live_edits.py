"""Limits that are changed again and again while mail leaves: kept one window after each change, and used."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from sending.pure.lanes import Demand, Lane
from sending.pure.windows import Budget, Limits
from tests.pure.sending.pacing_simulator import Habits, World

IP, DOMAIN = 1, 2
WINDOW = 60.0
RUN = 300.0


def two_mailings(per_minute: int, connections: int, seed: int) -> World:
    """Two mailings of one domain over one address, each with more mail than will leave."""
    lane = Lane(route=1, domain="a.example", provider="google", budgets=(IP, DOMAIN), seconds=0.3)
    budgets = {
        IP: Budget(IP, "ip", Limits(per_minute=per_minute, connections=connections)),
        DOMAIN: Budget(DOMAIN, "dkim_domain", Limits(per_minute=1000)),
    }
    demand = [Demand(mailing=n, provider="google", lanes=(lane,), fresh=100_000) for n in (1, 2)]
    return World(budgets, demand, seed=seed, habits=Habits(seconds=0.3))


edits = st.lists(st.tuples(st.integers(30, 300), st.integers(2, 8)), min_size=2, max_size=4)


@settings(max_examples=15, deadline=None)
@given(edits=edits, seed=st.integers(0, 1000))
def test_every_edit_holds_one_window_later_and_what_it_allows_is_used(edits: list[tuple[int, int]], seed: int) -> None:
    world = two_mailings(*edits[0], seed)
    for n, (per_minute, connections) in enumerate(edits):
        since = n * RUN
        limits = Limits(per_minute=per_minute, connections=connections)
        world.budgets[IP] = replace(world.budgets[IP], limits=limits)
        world.run(since + RUN)
        assert world.worst(IP, WINDOW, since=since + WINDOW) <= per_minute
        assert world.per_minute(IP, since + RUN / 2, since + RUN) >= 0.6 * per_minute
