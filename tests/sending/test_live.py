"""What the planner counts as not yet over."""

from datetime import datetime, timedelta

import pytest

from sending import live
from sending.live import live_batches
from sending.models import Batch
from sending.one_trip import ask
from sending.plan import plan
from tests.cast import newsletter, people, pressed

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(now: datetime) -> Batch:
    """A paced one."""
    readers = newsletter()
    people(40, on=readers, domain="gmail.com")
    pressed(now, readers)
    plan(now=now)
    return Batch.objects.filter(gap__gt=0).order_by("pk")[0]


def ended(now: datetime) -> set[tuple[tuple[int, ...], float, int, datetime, datetime | None]]:
    return {(one.budgets, one.gap, one.sent, one.not_before, one.ended_at) for one in live_batches(now=now).ended}


def test_a_batch_that_ended_is_counted_as_it_was_for_a_minute_and_read_once(
    now: datetime, batch: Batch, django_assert_num_queries
) -> None:
    assert ended(now) == set()
    Batch.objects.filter(pk=batch.pk).update(state="done", ended_at=now, n_sent=7, end_reason="sent")

    # What `ask` asks every time is not Django's, and not counted here.
    with django_assert_num_queries(1):
        (one,) = ended(now + timedelta(seconds=1))
    assert one == (tuple(batch.budget_ids), batch.gap, 7, batch.due_at, now)
    with django_assert_num_queries(0):
        assert ended(now + timedelta(seconds=60)) == {one}

    assert ended(now + live.IN_THE_WINDOW) == set()
    assert live._met == {}


def test_one_that_ends_while_the_rows_are_read_counts_twice_and_is_not_missed(
    now: datetime, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end is written between the two statements, as another session's commit would be seen."""
    ends = f"""UPDATE sending_batch SET state = 'done', ended_at = due_at, n_sent = 7, end_reason = 'sent'
               WHERE id = {batch.pk} RETURNING 1"""
    monkeypatch.setattr(
        live, "ask", lambda statements, asked: _without(1, ask([statements[0], ends, *statements[1:]], asked))
    )

    found = live_batches(now=now)

    assert batch.pk in {row[0] for row in found.rows}
    assert [one.sent for one in found.ended] == [7]


def _without(place: int, rows: list[list[object]]) -> list[list[object]]:
    return rows[:place] + rows[place + 1 :]
