"""A domain changes hands in mid-campaign: who is left waits in the new provider's line, on its budgets."""

from collections import Counter
from datetime import datetime, timedelta

import pytest
from django.db.models import Sum

from reputation import recipients
from reputation.models import RecipientDomain, Tally
from reputation.recipients import Learned
from sending.models import Batch, Mailing, MailingLane, Outcome, Requeue
from sending.plan import plan
from tests.cast import EPOCH
from tests.sending.engine import assert_books_balance, batch_of, kinds, mailing_to, point, send
from tests.sending.scripted_receiver import receiving

pytestmark = pytest.mark.usefixtures("engine")

NOW_AT = {
    "att.net": ("att-smtp.att.example", "mx-att.mail.am0.yahoodns.net"),
    "cox.net": ("mx.cox.example", "mx-cox.mail.am0.yahoodns.net"),
    "comcast.net": ("mx1a1.comcast.net", "mx-comcast.mail.am0.yahoodns.net"),
}


def answered(domain: str, host: str, *, now: datetime, monkeypatch) -> str:
    """DNS says `host` from now on; the tests' receiver stands in for it. Returns the provider it makes."""
    monkeypatch.setattr(recipients, "ask", lambda _: Learned(RecipientDomain.State.OK, mx=(host,), ttl=300))
    recipients.learn(now=now, domains=[domain])
    RecipientDomain.objects.exclude(domain=domain).update(expires_at=EPOCH + timedelta(days=3650))
    assert recipients.refresh(now=now) == 1
    point(domain, "127.0.0.1")
    return RecipientDomain.objects.get(domain=domain).provider


def planned_and_sent(mailing: Mailing, *, now: datetime) -> None:
    """What planner and workers do until nobody is queued any more."""
    for minute in range(1, 60):
        at = now + timedelta(minutes=minute)
        plan(now=at)
        waiting = list(Batch.objects.filter(mailing=mailing, state=Batch.State.PLANNED))
        assert send(waiting, now=at, connections=1) == []
        if not Requeue.objects.filter(mailing=mailing).exists():
            return


@pytest.mark.parametrize("domain", NOW_AT)
def test_whoever_is_left_is_sent_from_the_new_providers_budgets(
    domain: str, now: datetime, settings, monkeypatch
) -> None:
    before, after = NOW_AT[domain]
    old = answered(domain, before, now=now, monkeypatch=monkeypatch)
    mailing = mailing_to(12, now=now, domain=domain)
    lane = MailingLane.objects.get(mailing=mailing)
    assert lane.total == 12
    MailingLane.objects.filter(pk=lane.pk).update(next_seq=13)

    with receiving() as receiver:
        settings.SMTP_PORT = receiver.port
        assert send([batch_of(mailing, lane, 1, 4, now=now)], now=now, connections=1) == []
        later = now + timedelta(hours=1)
        assert answered(domain, after, now=later, monkeypatch=monkeypatch) == "yahoo" != old
        assert send([batch_of(mailing, lane, 5, 12, now=later)], now=later, connections=1) == []
        assert len(receiver.messages) == 4
        assert set(Requeue.objects.values_list("provider_now", "reason", "attempt")) == {("yahoo", "provider_moved", 1)}
        planned_and_sent(mailing, now=later)

    assert kinds(mailing) == {"accepted": 12}
    assert len(receiver.messages) == 12
    sent_as = Counter(Outcome.objects.filter(mailing_id=mailing.pk).values_list("provider", flat=True))
    assert sent_as == {lane.provider: 4, "yahoo": 8}
    of_yahoo = Tally.objects.filter(budget__provider="yahoo", budget__kind="ip")
    assert of_yahoo.aggregate(n=Sum("sent"))["n"] == 8
    assert dict(MailingLane.objects.filter(mailing=mailing).values_list("provider", "total")) == {
        lane.provider: 4,
        "yahoo": 8,
    }
    assert_books_balance(mailing)
