"""What one recipient domain may get in an hour or a day, however many batches meet it at once."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reputation import budgets, plans, warmup
from reputation.models import Budget, DayTally, RecipientDomain, Tally
from reputation.workspace import zone
from sending import sites, takeover
from sending.claim import Claimed, claim
from sending.loading import load
from sending.models import Batch, Delivery, Mailing, MailingLane, Outcome, Requeue, SiteShare
from tests.cast import EPOCH, newsletter, people, pressed
from tests.sending.engine import assert_books_balance, batch_of, kinds, letter, send, sign_with_a_key, take_due
from tests.sending.scripted_receiver import Script, receiving

pytestmark = pytest.mark.usefixtures("engine")

MINUTE = timedelta(minutes=1)
HOUR = 61 * MINUTE


def mailing_to(companies: dict[str, int], *, now: datetime, provider: str = "m365", key: str = "campaign:1") -> Mailing:
    """A mailing to so many people at each of these domains, all with one provider."""
    readers = newsletter(key)
    for domain, n in companies.items():
        known = {"provider": provider, "site": f"site of {domain}", "mx": ["127.0.0.1"], "state": "ok"}
        times = {"checked_at": EPOCH, "expires_at": EPOCH + timedelta(days=3650)}
        RecipientDomain.objects.update_or_create(domain=domain, defaults=known | times)
        people(n, on=readers, domain=domain)
    sign_with_a_key(now)
    return pressed(now, readers, key=key, messages=[letter()])


def cut(mailing: Mailing, *, now: datetime, size: int = 50, **fields) -> list[Batch]:
    batches = []
    for lane in MailingLane.objects.filter(mailing=mailing):
        starts = range(lane.next_seq, lane.release_seq + 1, size)
        batches += [
            batch_of(mailing, lane, lo, min(lo + size - 1, lane.release_seq), now=now, **fields) for lo in starts
        ]
        MailingLane.objects.filter(pk=lane.pk).update(next_seq=lane.release_seq + 1)
    return batches


def limit(domain: str, *, now: datetime, provider: str = "m365", **limits: int) -> Budget:
    [budget] = budgets.budgets_for(now=now, kind_scopes=[("recipient_domain", domain)], provider=provider)
    budgets.edit(now=now, budget=budget, actor=None, reason="They asked for it", **limits)
    return budget


def new_here(*, now: datetime, provider: str = "m365") -> int:
    """The budget of our address, on the first day of a warm-up at this provider."""
    [budget] = budgets.budgets_for(now=now, kind_scopes=[("ip", "127.0.1.1")], provider=provider)
    plan = plans.make(name="First weeks", preset=next(iter(plans.presets())))
    warmup.start(now=now, zone=zone(), kind="ip", scope="127.0.1.1", plan=plan)
    return budget.pk


def accepted_at(mailing: Mailing) -> Counter[str]:
    sent = Outcome.objects.filter(mailing_id=mailing.pk, kind="accepted").values_list("delivery", flat=True)
    return Counter(Delivery.objects.filter(mailing_id=mailing.pk, id__in=sent).values_list("domain", flat=True))


def spent(domain: str) -> int:
    return sum(Tally.objects.filter(budget__scope=domain).values_list("sent", flat=True))


@pytest.fixture
def deliver(settings):
    """Send batches to a receiver that takes everything, and look at the books."""

    def run(batches: Sequence[Batch | None], *, now: datetime, connections: int = 1, script: Script | None = None):
        with receiving(script) as receiver:
            settings.SMTP_PORT = receiver.port
            assert send([batch for batch in batches if batch], now=now, connections=connections) == []
        assert not SiteShare.objects.exists()

    return run


def test_a_new_sender_gives_a_company_five_an_hour_and_the_others_wait_their_turn(deliver, now) -> None:
    mailing = mailing_to({"acme.example": 12, "bolt.example": 3}, now=now)
    deliver(cut(mailing, now=now, budget_ids=[new_here(now=now)]), now=now)

    assert accepted_at(mailing) == {"acme.example": 5, "bolt.example": 3}
    assert (spent("acme.example"), spent("bolt.example")) == (5, 3)
    back = Requeue.objects.all()
    assert set(back.values_list("reason", "attempt", "counted", "first_tried_at")) == {("domain_cap", 1, 0, None)}
    turns = Counter(round((row.due_at - now) / HOUR) for row in back)
    assert turns == {1: 5, 2: 2}
    assert_books_balance(mailing)


def test_a_known_sender_may_send_more(deliver, now) -> None:
    mailing = mailing_to({"acme.example": 12}, now=now)
    deliver(cut(mailing, now=now), now=now)

    assert kinds(mailing) == {"accepted": 12} and spent("acme.example") == 12


def test_a_new_sender_gives_a_small_site_of_the_tail_five_a_day(deliver, now) -> None:
    mailing = mailing_to({"tiny.example": 7}, now=now, provider="other:tiny.example")
    assert set(mailing.lanes.values_list("provider", flat=True)) == {"tail"}
    deliver(cut(mailing, now=now, budget_ids=[new_here(now=now, provider="tail")]), now=now)

    assert accepted_at(mailing) == {"tiny.example": 5}
    midnight_in_warsaw = datetime(2026, 3, 10, 23, 0, tzinfo=UTC)
    assert [abs(row.due_at - midnight_in_warsaw) < MINUTE for row in Requeue.objects.all()] == [True, True]
    assert DayTally.objects.get(budget__scope="tiny.example", budget__provider="other:tiny.example").sent == 5


def test_batches_that_meet_a_domain_at_once_never_exceed_its_limit(deliver, now) -> None:
    mailing = mailing_to({"acme.example": 40, "bolt.example": 40}, now=now)
    limit("acme.example", now=now, per_hour=7)
    limit("bolt.example", now=now, per_day=9)
    deliver(cut(mailing, now=now, size=5), now=now, connections=16, script=Script(dot_delay=0.02))

    assert accepted_at(mailing) == {"acme.example": 7, "bolt.example": 9}
    assert (spent("acme.example"), spent("bolt.example")) == (7, 9)
    assert Requeue.objects.filter(reason="domain_cap").count() == 80 - 16
    assert_books_balance(mailing)


def test_everybody_gets_it_in_the_end_and_no_hour_sees_more_than_the_limit(deliver, now) -> None:
    mailing = mailing_to({"acme.example": 11}, now=now)
    limit("acme.example", now=now, per_hour=3)
    deliver(cut(mailing, now=now, size=4), now=now)
    rounds = 0
    while (due := Requeue.objects.order_by("due_at").first()) is not None:
        deliver([take_due(mailing, now=due.due_at, provider="m365")], now=due.due_at)
        rounds += 1

    assert kinds(mailing) == {"accepted": 11} and rounds <= 6
    times = sorted(Outcome.objects.values_list("at", flat=True))
    assert all(later - first > timedelta(hours=1) for first, later in zip(times, times[3:], strict=False))
    assert_books_balance(mailing)


def test_who_finds_no_room_stands_in_line_behind_those_who_wait_already(deliver, now) -> None:
    mailing = mailing_to({"acme.example": 9}, now=now)
    limit("acme.example", now=now, per_hour=3)
    for batch in cut(mailing, now=now, size=3):
        deliver([batch], now=now)

    assert Counter(round((row.due_at - now) / HOUR) for row in Requeue.objects.all()) == {1: 3, 2: 3}


def test_a_retry_that_finds_no_room_keeps_its_tries_and_its_route(deliver, now) -> None:
    mailing = mailing_to({"acme.example": 1}, now=now)
    budget = limit("acme.example", now=now, per_hour=1)
    Tally.objects.create(budget=budget, minute=now - 10 * MINUTE, sent=1)
    [batch] = cut(mailing, now=now, kind="retry")
    kept = {"attempt": 3, "counted": 2, "pinned_route": batch.route_id, "first_tried_at": now - HOUR}
    Requeue.objects.create(
        mailing=mailing, delivery=1, provider_now="m365", due_at=now, batch=batch.pk, reason="deferred", **kept
    )
    deliver([batch], now=now)

    back = Requeue.objects.get()
    assert {name: getattr(back, name) for name in kept} == kept
    assert (back.reason, back.due_at) == ("domain_cap", now + 51 * MINUTE)


def test_what_was_held_but_not_sent_is_free_again(deliver, now, settings) -> None:
    mailing = mailing_to({"acme.example": 4}, now=now)
    limit("acme.example", now=now, per_hour=3)
    settings.SMTP_PORT = 1
    assert send(cut(mailing, now=now), now=now) == []
    assert (spent("acme.example"), SiteShare.objects.count()) == (0, 0)

    later = now + 10 * MINUTE
    deliver([take_due(mailing, now=later, provider="m365")], now=later)
    assert kinds(mailing)["accepted"] == 3 and spent("acme.example") == 3
    assert_books_balance(mailing)


def test_a_refused_recipient_was_an_offer_too(deliver, now) -> None:
    mailing = mailing_to({"acme.example": 3}, now=now)
    deliver(cut(mailing, now=now), now=now, script=Script(rcpt="550 5.1.1 No such user"))

    tally = Tally.objects.get(budget__scope="acme.example")
    assert (tally.sent, tally.bounced, tally.unknown_users) == (3, 3, 3)


def test_a_held_domain_gets_nothing_until_its_time(deliver, now) -> None:
    mailing = mailing_to({"acme.example": 2, "bolt.example": 1}, now=now)
    until = now + timedelta(hours=7)
    budgets.hold(now=now, budget=limit("acme.example", now=now), actor=None, reason="Their admin called", until=until)
    deliver(cut(mailing, now=now), now=now)

    assert accepted_at(mailing) == {"bolt.example": 1}
    assert [abs(row.due_at - until) < MINUTE for row in Requeue.objects.all()] == [True, True]


def test_a_demo_in_a_hurry_waits_a_fraction(deliver, now, settings) -> None:
    settings.TIME_FACTOR = 60.0
    mailing = mailing_to({"acme.example": 2}, now=now)
    limit("acme.example", now=now, per_hour=1)
    deliver(cut(mailing, now=now), now=now)

    assert MINUTE < Requeue.objects.get().due_at - now < 2 * MINUTE


def test_a_takeover_counts_all_that_a_batch_held_and_gives_it_back(now) -> None:
    mailing = mailing_to({"acme.example": 4, "bolt.example": 2}, now=now)
    limit("acme.example", now=now, per_hour=3)
    [batch] = cut(mailing, now=now)
    _taken(batch, now)
    assert dict(SiteShare.objects.values_list("budget__scope", "n")) == {"acme.example": 3, "bolt.example": 2}
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sending_batch SET lease_until = clock_timestamp() - interval '1 second'")

    assert takeover.take_over(now=now + MINUTE) == 1

    assert (spent("acme.example"), spent("bolt.example")) == (3, 2)
    assert not SiteShare.objects.exists()
    assert_books_balance(mailing)


def test_a_worker_that_wakes_up_too_late_takes_no_share(now) -> None:
    mailing = mailing_to({"acme.example": 2}, now=now)
    [batch] = cut(mailing, now=now)
    shares = _taken(batch, now, epoch_ahead=1)

    assert (shares.people, shares.capped) == ([], []) and not SiteShare.objects.exists()


def test_a_provider_without_limits_of_sites_costs_no_query(now) -> None:
    assert _queries(mailing_to({"gmail.com": 30}, now=now, provider="google"), now) == 0


def test_a_batch_takes_its_shares_in_as_few_queries_for_many_domains_as_for_one(now) -> None:
    one = _queries(mailing_to({"company.example": 30}, now=now), now)
    many = _queries(mailing_to({f"company{n}.example": 2 for n in range(15)}, now=now, key="campaign:2"), now)

    assert many == one <= 16


def _taken(batch: Batch, now: datetime, *, epoch_ahead: int = 0) -> sites.Shares:
    """The batch claimed and its shares taken, as a worker does; somebody else's epoch when that is ahead."""
    claimed = claim(now=now, batch_id=batch.pk, owner=4711)
    assert claimed is not None
    Batch.objects.filter(pk=batch.pk).update(epoch=claimed.epoch + epoch_ahead)
    return _shares(claimed, now)


def _shares(claimed: Claimed, now: datetime) -> sites.Shares:
    found = load(now=now, claimed=claimed, requires_tls=False)
    return sites.take(now=now, claimed=claimed, people=found.people, cold=False)


def _queries(mailing: Mailing, now: datetime) -> int:
    """Statements that take the shares of the mailing's one batch, whose domains nobody has written to yet."""
    [batch] = cut(mailing, now=now)
    claimed = claim(now=now, batch_id=batch.pk, owner=4711)
    assert claimed is not None
    with CaptureQueriesContext(connection) as loading:
        load(now=now, claimed=claimed, requires_tls=False)
    with CaptureQueriesContext(connection) as both:
        _shares(claimed, now)
    return len(both) - len(loading)
