"""What receivers see while our planner, budgets, back-off, guard and nights run on a clock that leaps.

Asserted on the receivers' own record of offers. `docs/scenarios.md` says which of the numbered scenarios each is.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from pytest_django import Settings

from audiences.models import Subscriber, Suppression
from campaigns.forecast import ends_of
from lab.persona import load_personas
from lab.reputation import Opinion, Temper
from reputation import budgets, plans, warmup
from reputation.models import Budget, RecipientDomain
from reputation.pure.warmup import cap_on
from sending.models import Mailing
from tests.cast import direct_route, newsletter, people, pool_of, pressed, shop, verified_domain
from tests.scenarios.virtual import Offer, Post, Receiver, Says
from tests.sending.engine import sign_with_a_key

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Warsaw")
OURS = "news.harbour.example"
FIRST, SECOND, THIRD = "127.0.1.1", "127.0.1.2", "127.0.1.3"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
A_SECOND = timedelta(seconds=1)
# Who minds nothing: what is asserted is what the receiver says, not what it thinks.
PATIENT = Temper(strangers_a_day=10**9, strangers_an_hour=10**9)


@pytest.fixture(autouse=True)
def _real_time(settings: Settings) -> None:
    settings.TIME_FACTOR = 1.0


def world(
    says: Mapping[str, Says] | None = None,
    *,
    temper: Temper = PATIENT,
    tick: timedelta = MINUTE,
    start: datetime = START,
) -> Post:
    """The four receivers; `says` where one answers something else than it thinks."""
    personas = load_personas()
    shop()
    sign_with_a_key(start)
    receivers = {
        provider: Receiver(provider, personas[provider], Opinion(temper), says=(says or {}).get(provider),
                           unknown_share=0.0, complaint_share=0.0, zone=ZONE)
        for provider in ("google", "microsoft", "yahoo", "gmx")
    }  # fmt: skip
    return Post(receivers, ZONE, start, tick=tick)


def paced(per_minute: int, *, provider: str = "google", ip: str = FIRST) -> None:
    """So that few messages are enough to show what happens in many minutes."""
    (budget,) = budgets.budgets_for(now=START, kind_scopes=[("ip", ip)], provider=provider)
    budgets.edit(now=START, budget=budget, actor=None, reason="test", per_minute=per_minute)


def campaign(n: int, *, domain: str, name: str = "one", at: datetime = START, **changes: object) -> Mailing:
    """To `n` people of one mail domain, on a list of their own."""
    on = newsletter(name)
    people(n, on=on, domain=domain, prefix=f"{name}-")
    return pressed(at, on, key=f"campaign:{name}", **changes)


def once(answer: str, *, when: Callable[[Offer], bool]) -> Says:
    """The first offer that fits gets this answer, all others what the receiver thinks."""
    said: list[Offer] = []

    def says(offer: Offer) -> str:
        if not said and when(offer):
            said.append(offer)
            return answer
        return offer.answer

    return says


def after_a_while(offer: Offer) -> bool:
    return offer.at > START + 2 * MINUTE


def test_a_slow_down_for_the_address_is_ten_minutes_of_silence_and_then_one_message() -> None:
    post = world({"google": once("rate_ip", when=after_a_while)}, tick=15 * A_SECOND)
    paced(60)
    campaign(600, domain="gmail.com")
    post.run(START + 20 * MINUTE)
    offers = post.receivers["google"].offers
    told = next(offer.at for offer in offers if offer.answer == "rate_ip")
    # What was on other connections at that instant ends with their batch; nothing new begins.
    later = [offer.at for offer in offers if offer.at > told + MINUTE]
    assert later[0] >= told + 10 * MINUTE
    # The probe: one message, and the next when its answer is known.
    assert len([at for at in later if at < later[0] + 10 * A_SECOND]) == 1
    assert len(later) > 1
    assert {offer.answer for offer in offers if offer.at > told} == {"ok"}


def test_a_slow_down_for_the_domain_silences_every_address_of_it_and_nobody_elses() -> None:
    post = world({"google": once("rate_dkim", when=lambda offer: after_a_while(offer) and offer.domain == OURS)})
    both = pool_of(direct_route(FIRST), direct_route(SECOND))
    both.overflow = True
    both.save(update_fields=["overflow"])
    other = verified_domain("other.harbour.example")
    for ip in (FIRST, SECOND, THIRD):
        paced(30, ip=ip)
    campaign(400, domain="gmail.com", pool_id=both.pk)
    theirs = pool_of(direct_route(THIRD))
    campaign(300, domain="gmail.com", name="other", sending_domain_id=other.pk, pool_id=theirs.pk)
    post.run(START + 12 * MINUTE)
    offers = post.receivers["google"].offers
    told = next(offer for offer in offers if offer.answer == "rate_dkim")
    silence = [offer for offer in offers if told.at + MINUTE < offer.at < told.at + 10 * MINUTE]
    assert {offer.ip for offer in offers if offer.domain == told.domain} == {FIRST, SECOND}
    assert not [offer for offer in silence if offer.domain == told.domain]
    assert [offer for offer in silence if offer.domain != told.domain]


def test_a_list_with_six_in_a_hundred_unknown_is_stopped_early_and_few_are_hit() -> None:
    post = world()
    post.receivers["google"].unknown_share = 0.06
    paced(120)
    mailing = campaign(2_500, domain="gmail.com", first_part=True)
    post.run(START + HOUR)
    assert len(post.receivers["google"].offers) < 1_000
    mailing.refresh_from_db()
    assert mailing.state == "held"


def test_a_rule_about_our_authentication_stops_the_domain_there_and_suppresses_nobody() -> None:
    post = world({"microsoft": lambda offer: "dmarc"})
    campaign(300, domain="hotmail.com")
    campaign(50, domain="gmail.com", name="two")
    post.run(START + 30 * MINUTE)
    assert len(post.receivers["microsoft"].offers) < 10
    assert not Suppression.objects.exists()
    assert len(post.receivers["google"].offers) == 50
    assert Budget.objects.filter(provider="microsoft", kind="dkim_domain", state="held").exists()


def test_a_rule_of_the_recipients_own_admin_slows_nobody() -> None:
    post = world({"google": once("policy", when=lambda offer: True)})
    campaign(100, domain="gmail.com")
    post.run(START + 10 * MINUTE)
    assert not Budget.objects.exclude(state="open").exists()
    assert not Suppression.objects.exists()
    assert len(post.receivers["google"].offers) == 100


def test_a_domain_that_moves_in_mid_campaign_goes_on_at_the_other_provider() -> None:
    post = world(tick=20 * A_SECOND)
    paced(60, provider="gmx")
    campaign(200, domain="gmx.de")
    post.run(START + 2 * MINUTE)
    assert 0 < len(post.receivers["gmx"].offers) < 200
    RecipientDomain.objects.filter(domain="gmx.de").update(provider="yahoo", site="yahoo", mx=["mta5.am0.yahoodns.net"])
    post.run(START + 15 * MINUTE)
    taken = Counter(offer.recipient for one in post.receivers.values() for offer in one.offers)
    assert len(taken) == 200
    assert set(taken.values()) == {1}
    assert len(post.receivers["yahoo"].offers) > 0
    assert Budget.objects.filter(kind="ip", provider="yahoo").exists()


def test_two_campaigns_share_a_route_evenly_and_both_end_as_foreseen() -> None:
    post = world(tick=10 * A_SECOND)
    paced(60)
    mailings = [campaign(300, domain="gmail.com", name=name) for name in ("one", "two")]
    foreseen = [ends_of(now=START, zone=ZONE, mailing=one, left={"google": 300})["google"] for one in mailings]
    post.run(START + 25 * MINUTE)
    offers = post.receivers["google"].offers
    ours = [[offer.at for offer in offers if offer.recipient.startswith(f"{name}-")] for name in ("one", "two")]
    assert [len(found) for found in ours] == [300, 300]
    assert sum(at <= ours[0][150] for at in ours[1]) == pytest.approx(150, abs=60)
    for end, found in zip(foreseen, ours, strict=True):
        assert end is not None
        assert end - START == pytest.approx(found[-1] - START, rel=0.25)


def test_thirty_days_of_warm_up_are_never_blocked_and_end_as_foreseen() -> None:
    """Two letters to everybody, a fortnight apart; a night leads on where the day was used."""
    post = world(temper=Temper(strangers_a_day=250), tick=30 * MINUTE)
    plan = plans.make(name="Cautious", preset="conservative")
    for kind, scope in (("ip", FIRST), ("dkim_domain", OURS)):
        warmup.start(now=START, zone=ZONE, kind=kind, scope=scope, plan=plan)
    first = campaign(400, domain="gmail.com")
    end = ends_of(now=START, zone=ZONE, mailing=first, left={"google": 400})["google"]
    assert end is not None
    post.run(START + 15 * MINUTE)
    warmup.advance(now=post.now, zone=ZONE)
    for day in range(30):
        if day == 14:
            pressed(post.now, newsletter("one"), key="campaign:second")
        midnight = datetime(2026, 3, 3, tzinfo=ZONE) + day * DAY
        post.run(midnight.astimezone(UTC) + 10 * MINUTE)
        warmup.advance(now=post.now, zone=ZONE)
    google = post.receivers["google"]
    assert not google.opinion.blocks
    assert set(google.answers) == {"ok"}
    assert set(Counter(offer.recipient for offer in google.offers).values()) == {2}
    assert len(google.offers) == 2 * Subscriber.objects.count()
    assert end - START == pytest.approx(google.offers[399].at - START, rel=0.15)
    caps = plan.days["google"]
    assert all(n <= cap for n, cap in zip(google.offered.values(), caps, strict=False))


@pytest.mark.parametrize("start", [datetime(2026, 3, 27, 9, tzinfo=UTC), datetime(2026, 10, 23, 9, tzinfo=UTC)])
def test_days_of_twenty_three_and_of_twenty_five_hours_have_their_cap_like_others(start: datetime) -> None:
    post = world(tick=30 * MINUTE, start=start)
    plan = plans.make(name="Cautious", preset="conservative")
    for kind, scope in (("ip", FIRST), ("dkim_domain", OURS)):
        warmup.start(now=start, zone=ZONE, kind=kind, scope=scope, plan=plan)
    campaign(900, domain="gmail.com", at=start)
    post.run(start + 15 * MINUTE)
    warmup.advance(now=post.now, zone=ZONE)
    first = start.astimezone(ZONE).date()
    for day in range(1, 5):
        midnight = datetime.combine(first + day * DAY, time.min, ZONE)
        post.run(midnight.astimezone(UTC) + 10 * MINUTE)
        warmup.advance(now=post.now, zone=ZONE)
    google = post.receivers["google"]
    # A tenth is kept for transactional mail.
    caps = [
        min(cap_on(cap, about=f"{scope} google", day=first + n * DAY) for scope in (FIRST, OURS))
        for n, cap in enumerate(plan.days["google"][:4])
    ]
    assert [google.offered[first + n * DAY] for n in range(4)] == [cap - cap // 10 for cap in caps]
    assert all(cap <= planned for cap, planned in zip(caps, plan.days["google"], strict=False))
    assert set(Counter(offer.recipient for offer in google.offers).values()) == {1}


def test_a_clock_that_jumps_back_or_ahead_exceeds_no_limit_and_doubles_nobody() -> None:
    post = world()
    (budget,) = budgets.budgets_for(now=START, kind_scopes=[("ip", FIRST)], provider="google")
    budgets.edit(now=START, budget=budget, actor=None, reason="test", per_hour=60)
    campaign(400, domain="gmail.com")
    post.run(START + 100 * MINUTE)
    post.now -= HOUR
    post.run(START + 3 * HOUR)
    post.now += 3 * HOUR
    post.run(START + 14 * HOUR)
    offers = sorted(offer.at for offer in post.receivers["google"].offers)
    assert max(sum(at <= one < at + HOUR for one in offers) for at in offers) <= 60
    assert set(Counter(offer.recipient for offer in post.receivers["google"].offers).values()) == {1}
    assert len(offers) == 400
