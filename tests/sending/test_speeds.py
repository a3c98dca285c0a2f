from datetime import datetime

import pytest

from sending.models import Batch, LaneSpeed
from sending.plan import plan
from tests.cast import direct_route, newsletter, people, pressed
from tests.sending.engine import cut, mailing_to, send
from tests.sending.scripted_receiver import receiving

pytestmark = pytest.mark.usefixtures("engine")


def sizes(provider: str) -> list[int]:
    return [batch.hi - batch.lo + 1 for batch in Batch.objects.filter(provider=provider).order_by("lo")]


def test_a_batch_tells_what_its_messages_took_without_the_pauses_of_its_pace(now: datetime, settings) -> None:
    mailing = mailing_to(4, now=now)
    with receiving() as receiver:
        settings.SMTP_PORT = receiver.port
        assert send(cut(mailing, now=now, gap=0.3), now=now) == []

    learnt = LaneSpeed.objects.get(route=direct_route(), provider="google")
    # Half a second is what is believed before anything was sent; four messages a moment long bring it down a little.
    assert 0.46 < learnt.seconds < 0.495


def test_many_quick_messages_are_believed_more_than_few(now: datetime, settings) -> None:
    mailing = mailing_to(100, now=now)
    with receiving() as receiver:
        settings.SMTP_PORT = receiver.port
        assert send(cut(mailing, now=now, size=100), now=now) == []

    assert 0.25 <= LaneSpeed.objects.get(provider="google").seconds < 0.4


def test_a_batch_that_sent_nothing_tells_nothing(now: datetime, settings) -> None:
    mailing = mailing_to(3, now=now)
    mailing.state = "paused"
    mailing.save(update_fields=["state"])
    assert send(cut(mailing, now=now), now=now) == []

    assert not LaneSpeed.objects.exists()


def test_quick_messages_make_large_batches_and_slow_ones_small(now: datetime) -> None:
    readers = newsletter()
    people(400, on=readers)
    pressed(now, readers)
    LaneSpeed.objects.create(route=direct_route(), provider="google", seconds=6.0)
    plan(now=now)

    # A turn of 60 seconds for a lane that nobody else waits for.
    assert sizes("google")[0] == 10
