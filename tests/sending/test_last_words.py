"""What the record of a dead process proves, and what it does not."""

import mmap
import os
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from sending import crashes, flight_recorder, takeover
from sending.flight_recorder import Recorder, Slot
from sending.models import Batch, Mailing, Requeue
from tests.sending.engine import assert_books_balance, cut, kinds, mailing_to

pytestmark = pytest.mark.usefixtures("engine")


def under_way(mailing: Mailing, now: datetime, *, intent: int) -> Batch:
    """A batch whose owner is gone, with this intent."""
    [batch] = cut(mailing, now=now, size=10)
    lapsed = timezone.now() - timedelta(minutes=1)
    Batch.objects.filter(pk=batch.pk).update(
        state="running", epoch=1, lease_until=lapsed, intent=intent, intent_attempt=1
    )
    return batch


def dies(*steps: Callable[[Slot], None]) -> None:
    """A process has a connection, which does this, and is killed."""
    recorder = Recorder(crashes.folder(), "dead")
    memory = recorder._memory
    assert isinstance(memory, mmap.mmap)
    slot = Slot(memory, flight_recorder._SLOT_SIZE)
    for step in steps:
        step(slot)
    # With both of them goes the lock that a living process holds.
    memory.close()
    os.close(recorder._file)


def takes(batch: Batch, delivery: int) -> Callable[[Slot], None]:
    return lambda slot: slot.takes(mailing=batch.mailing_id, batch=batch.pk, epoch=1, delivery=delivery, attempt=1)


def hears(code: int) -> Callable[[Slot], None]:
    return lambda slot: slot.hears(code)


def handed_back() -> list[int]:
    return sorted(Requeue.objects.values_list("delivery", flat=True))


def test_whose_dot_was_never_written_goes_back_instead_of_being_unknown(now: datetime) -> None:
    mailing = mailing_to(4, now=now)
    batch = under_way(mailing, now, intent=2)
    dies(takes(batch, 1), Slot.writes_dot, hears(250), takes(batch, 2))
    crashes.count(now=now)
    takeover.take_over(now=now)
    assert kinds(mailing) == {}
    assert handed_back() == [1, 2, 3, 4]


@pytest.mark.parametrize("steps", [[], [2]], ids=["while it was still in hand", "when the next was in hand"])
def test_who_was_answered_and_not_settled_was_accepted(now: datetime, steps: list[int]) -> None:
    mailing = mailing_to(4, now=now)
    batch = under_way(mailing, now, intent=1)
    dies(takes(batch, 1), Slot.writes_dot, hears(250), *(takes(batch, delivery) for delivery in steps))
    crashes.count(now=now)
    takeover.take_over(now=now)
    assert kinds(mailing) == {"accepted": 1}
    assert handed_back() == [2, 3, 4]
    assert_books_balance(mailing)


@pytest.mark.parametrize("rest", [[], [hears(451)]], ids=["no answer", "an answer whose words are lost"])
def test_whose_dot_was_written_stays_unknown_without_a_yes(now: datetime, rest: list[Callable[[Slot], None]]) -> None:
    mailing = mailing_to(4, now=now)
    batch = under_way(mailing, now, intent=1)
    dies(takes(batch, 1), Slot.writes_dot, *rest)
    crashes.count(now=now)
    takeover.take_over(now=now)
    assert kinds(mailing) == {"unknown": 1}
    assert handed_back() == [2, 3, 4]


def test_a_record_that_is_found_after_the_takeover_resolves_the_answered_one(now: datetime) -> None:
    mailing = mailing_to(4, now=now)
    batch = under_way(mailing, now, intent=1)
    dies(takes(batch, 1), Slot.writes_dot, hears(250))
    takeover.take_over(now=now)
    assert kinds(mailing) == {"unknown": 1}
    crashes.count(now=now)
    assert kinds(mailing) == {"accepted": 1}
    assert handed_back() == [2, 3, 4]
    assert_books_balance(mailing)


def test_a_record_of_an_earlier_epoch_withdraws_nothing(now: datetime) -> None:
    mailing = mailing_to(4, now=now)
    batch = under_way(mailing, now, intent=2)
    Batch.objects.filter(pk=batch.pk).update(epoch=2)
    dies(takes(batch, 2))
    crashes.count(now=now)
    takeover.take_over(now=now)
    assert kinds(mailing) == {"unknown": 1}
