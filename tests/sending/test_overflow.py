"""May the pool's next route take what the first cannot? A mailing says so itself, or it is as the pool has it."""

from datetime import datetime

import pytest

from reputation import budgets
from sending.models import Batch, Mailing, Pool, Route
from sending.plan import plan
from tests.cast import direct_route, newsletter, people, pool_of, pressed

pytestmark = pytest.mark.django_db


@pytest.fixture
def routes(now: datetime) -> tuple[Route, Route]:
    """The first may let nothing go to Gmail today."""
    people(60, on=newsletter(), domain="gmail.com")
    first, second = direct_route(), direct_route("127.0.1.2")
    [full] = budgets.budgets_for(now=now, kind_scopes=[("ip", "127.0.1.1")], provider="google")
    budgets.hold(now=now, budget=full, actor=None, reason="test")
    return first, second


def sending(now: datetime, pool: Pool, overflow: bool | None) -> Mailing:
    return pressed(now, newsletter(), key=f"campaign:{overflow}", pool_id=pool.pk, overflow=overflow)


@pytest.mark.parametrize("of_pool", [True, False])
@pytest.mark.parametrize("own", [True, False, None])
def test_its_own_word_counts_before_that_of_the_pool(
    now: datetime, routes: tuple[Route, Route], of_pool: bool, own: bool | None
) -> None:
    pool = pool_of(*routes)
    Pool.objects.update(overflow=of_pool)
    sending(now, pool, own)
    plan(now=now)
    used = set(Batch.objects.values_list("route_id", flat=True))
    assert used == ({routes[1].pk} if (of_pool if own is None else own) else set())


def test_mailings_of_one_pool_that_say_otherwise_are_planned_beside_each_other(
    now: datetime, routes: tuple[Route, Route]
) -> None:
    pool = pool_of(*routes)
    over = sending(now, pool, True)
    sending(now, pool, None)
    plan(now=now)
    assert set(Batch.objects.values_list("mailing_id", "route_id")) == {(over.pk, routes[1].pk)}
