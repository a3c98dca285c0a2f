from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier

import pytest
from django.db import connection

from sending.doors import leaving
from sending.models import Event, MailingCount
from sending.pure.tokens import Unsubscribe
from tests.cast import deliveries, newsletter
from tests.sending.engine import mailing_to

pytestmark = pytest.mark.usefixtures("engine")


def two_at_once(act, monkeypatch, module) -> None:
    """Both have read everything before either writes."""
    both = Barrier(2, timeout=10)
    real = module.count_once

    def count_once(fact):
        both.wait()
        return real(fact)

    def run(_number: int) -> None:
        try:
            act()
        finally:
            connection.close()

    monkeypatch.setattr(module, "count_once", count_once)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, range(2)))


def test_leaving_twice_at_the_same_moment_counts_once(now: datetime, monkeypatch) -> None:
    mailing = mailing_to(1, now=now)
    [delivery] = deliveries(mailing)
    asked = Unsubscribe(delivery.subscriber_id, mailing.pk, delivery.id, (newsletter().pk,))
    evidence = leaving.Evidence(ip=None, user_agent="")

    def leave() -> None:
        leaving.leave(now=now, asked=asked, everything=False, source="page", evidence=evidence)

    two_at_once(leave, monkeypatch, leaving)

    assert Event.objects.filter(kind="unsubscribed").count() == 1
    assert MailingCount.objects.get(mailing=mailing, kind="unsubscribed").n == 1
