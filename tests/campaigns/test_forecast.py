from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from campaigns import content
from campaigns.audience import Crowd
from campaigns.forecast import _ladder, ends_of, outlook, with_tail
from campaigns.launch import launch
from campaigns.models import Campaign
from campaigns.pure.variants import AbTest, Variant
from reputation import budgets, plans, warmup
from reputation.budgets import budgets_for, limits_of
from reputation.models import Budget
from sending.models import SplitTest
from sending.pure.split import By, Split
from tests.campaigns.world import ready_campaign
from tests.visitors import colleague

pytestmark = pytest.mark.django_db
ZONE = ZoneInfo("Europe/Warsaw")
HOURS = timedelta(hours=4)


def crowd(**by_provider: int) -> Crowd:
    n = sum(by_provider.values())
    return Crowd(n, n, {}, by_provider)


def limited(now: datetime, provider: str, **limits: float | None) -> None:
    for kind, scope in (("ip", "127.0.1.1"), ("dkim_domain", "news.harbour.example")):
        (budget,) = budgets.budgets_for(now=now, kind_scopes=[(kind, scope)], provider=provider)
        budgets.edit(now=now, budget=budget, actor=None, reason="test", **limits)


def ahead(now: datetime, campaign: Campaign, starts_at: datetime | None = None, **by_provider: int):
    return outlook(now=now, starts_at=starts_at or now, zone=ZONE, campaign=campaign, crowd=crowd(**by_provider))


def test_a_day_s_cap_makes_it_take_days_and_says_how_many_on_each(now: datetime) -> None:
    campaign = ready_campaign(now)
    limited(now, "gmx", per_day=400, per_hour=None)

    (row,) = ahead(now, campaign, gmx=1000).rows

    # A tenth is kept for transactional mail: 360 a day.
    assert [n for _, n in row.days] == [360, 360, 280]
    assert row.finishes_at is not None
    assert row.finishes_at.astimezone(ZONE).date() == (now + timedelta(days=2)).date()
    assert row.total == 1000


def test_an_hour_s_limit_of_the_campaign_itself_is_foreseen(now: datetime) -> None:
    fast = ahead(now, ready_campaign(now, name="Fast"), google=1000)
    slow = ahead(now, ready_campaign(now, name="Slow", per_hour=100), google=1000)
    assert fast.done_at is not None
    assert slow.done_at is not None
    assert slow.done_at - now > timedelta(hours=8) > fast.done_at - now


def test_a_warm_up_s_caps_grow_day_by_day(now: datetime) -> None:
    campaign = ready_campaign(now)
    plan = plans.make(name="Standard", preset="standard")
    warmup.start(now=now, zone=ZONE, kind="ip", scope="127.0.1.1", plan=plan)

    (row,) = ahead(now, campaign, google=5000).rows

    by_day = [n for _, n in row.days]
    assert len(by_day) > 3
    assert by_day[:-1] == sorted(by_day[:-1])


def test_a_provider_held_until_released_never_finishes_and_the_others_do(now: datetime) -> None:
    campaign = ready_campaign(now)
    (budget,) = budgets.budgets_for(now=now, kind_scopes=[("ip", "127.0.1.1")], provider="google")
    budgets.hold(now=now, budget=budget, actor=None, reason="Gmail asked us to stop")

    found = ahead(now, campaign, google=100, yahoo=100)

    assert [row.provider for row in found.stuck] == ["google"]
    assert found.done_at is None
    assert len(found.rows) == 2


def test_a_campaign_under_way_takes_its_share(now: datetime) -> None:
    campaign = ready_campaign(now, readers=400)
    alone = ahead(now, campaign, google=600).done_at
    other = ready_campaign(now, name="Under way")
    Campaign.objects.filter(pk=other.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    launch(now=now, campaign_id=other.pk)

    together = ahead(now, campaign, google=600).done_at
    tomorrow = ahead(now, campaign, starts_at=now + timedelta(days=1), google=600).done_at

    assert alone is not None
    assert together is not None
    assert tomorrow is not None
    assert together > alone
    # By tomorrow the other one is done and out of the way.
    assert abs((tomorrow - timedelta(days=1)) - alone) <= timedelta(minutes=10)


def test_what_was_spent_today_does_not_count_tomorrow(now: datetime) -> None:
    campaign = ready_campaign(now)
    limited(now, "gmx", per_day=400, per_hour=None)
    start = datetime(2026, 3, 10, 22, 0, tzinfo=UTC)
    today = ahead(start, campaign, gmx=300).rows[0]
    assert today.finishes_at is not None
    later = ahead(now, campaign, starts_at=now + timedelta(days=1), gmx=300).rows[0]
    assert [n for _, n in later.days] == [300]


def test_small_sites_share_a_lane_and_nobody_is_lost() -> None:
    found = with_tail({"google": 900, "other:a.example": 49, "other:b.example": 50, "other:c.example": 3})
    assert found == {"google": 900, "tail": 52, "other:b.example": 50}


@pytest.mark.usefixtures("steady")
def test_a_warm_up_that_nobody_uses_until_then_stands_still(now: datetime) -> None:
    campaign = ready_campaign(now)
    plan = plans.make(name="Standard", preset="standard")
    warmup.start(now=now, zone=ZONE, kind="ip", scope="127.0.1.1", plan=plan)
    (today,) = ahead(now, campaign, google=900).rows
    (later,) = ahead(now, campaign, starts_at=now + timedelta(days=7), google=900).rows
    assert [n for _, n in today.days] == [n for _, n in later.days]


def test_it_counts_with_the_very_caps_that_the_planner_will_have(now: datetime) -> None:
    plan = plans.make(name="Standard", preset="standard")
    warmup.start(now=now, zone=ZONE, kind="ip", scope="127.0.1.1", plan=plan, day=4)
    [budget] = budgets_for(now=now, kind_scopes=[("ip", "127.0.1.1")], provider="google")
    row = Budget.objects.select_related("warmup").get(pk=budget.pk)
    ladder = _ladder(row)
    caps = set()
    for hours in range(0, 96, 5):
        at = (now + timedelta(hours=hours)).astimezone(ZONE)
        limits = limits_of(row, now=at, zone=ZONE)
        assert (limits.per_day, limits.per_hour) == (ladder.cap_on(0, at.date()), ladder.hour_at(0, at))
        caps.add(limits.per_day or 0)
    assert len(caps) > 2 and max(caps) <= plan.days["google"][3]


def test_weekends_that_the_plan_skips_are_left_out(now: datetime) -> None:
    campaign = ready_campaign(now)
    plan = plans.make(name="Standard", preset="standard", skips_weekends=True)
    warmup.start(now=now, zone=ZONE, kind="ip", scope="127.0.1.1", plan=plan)
    (row,) = ahead(now, campaign, google=9_000).rows
    assert len(row.days) > 6
    assert not [day for day, _ in row.days if day.weekday() >= 5]


def test_a_large_crowd_waits_for_the_answers_of_its_first_part(now: datetime) -> None:
    campaign = ready_campaign(now, per_hour=None)
    (small,) = ahead(now, campaign, google=1_999).rows
    (large,) = ahead(now, campaign, google=2_000).rows
    assert small.finishes_at is not None
    assert large.finishes_at is not None
    assert timedelta(minutes=4) < large.finishes_at - small.finishes_at < timedelta(minutes=9)


def test_the_audience_s_page_says_when_everyone_would_have_it(now: datetime) -> None:
    campaign = ready_campaign(now)
    page = colleague().get(reverse("campaign-audience", args=[campaign.pk])).content.decode()
    assert "If it began now, everyone would have it about <b>" in page


def test_without_route_or_people_there_is_nothing_to_foresee(now: datetime) -> None:
    assert not ahead(now, Campaign(name="Empty"), google=5).rows
    assert not ahead(now, ready_campaign(now)).rows


def with_ab_test(now: datetime, **split) -> Campaign:
    campaign = ready_campaign(now)
    campaign.refresh_from_db()
    ab_test = AbTest((Variant(subject="Another"),), Split(**{"share": 20, "by": By.CLICKS, "wait": HOURS, **split}))
    content.set_ab_test(now=now, campaign_id=campaign.pk, based_on=campaign.rev, ab_test=ab_test, by=None)
    campaign.refresh_from_db()
    return campaign


def test_the_rest_waits_for_the_winner_of_a_test(now: datetime) -> None:
    found = ahead(now, with_ab_test(now), google=1000)
    assert found.winner_at is not None and found.done_at is not None
    assert HOURS < found.winner_at - now < HOURS + timedelta(hours=1)
    assert found.winner_at < found.done_at < found.winner_at + timedelta(hours=2)
    assert [row.total for row in found.rows] == [1000]
    everybody = ahead(now, with_ab_test(now, share=100), google=1000)
    assert everybody.winner_at is None and everybody.done_at and everybody.done_at - now < timedelta(hours=2)
    by_hand = ahead(now, with_ab_test(now, by=By.HAND), google=1000)
    assert by_hand.by_hand and by_hand.winner_at and by_hand.winner_at - now < timedelta(hours=1)


def test_a_provider_that_takes_few_holds_the_winner_up_for_a_day_at_most(now: datetime) -> None:
    limited(now, "gmx", per_day=40, per_hour=None)
    found = ahead(now, with_ab_test(now), google=1000, gmx=1000)
    assert found.winner_at == now + timedelta(days=1) + HOURS


def test_under_way_the_end_follows_the_choice(now: datetime) -> None:
    campaign = with_ab_test(now, share=50)
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    mailing = launch(now=now, campaign_id=campaign.pk)
    assert mailing is not None
    left = {lane.provider: lane.total for lane in mailing.lanes.all()}

    def ends() -> list[datetime | None]:
        return list(ends_of(now=now, zone=ZONE, mailing=mailing, left=left).values())

    assert all(end and now + HOURS < end < now + 3 * HOURS for end in ends())
    mailing.split_test.tested_at = now - timedelta(hours=3)
    mailing.split_test.save(update_fields=["tested_at"])
    assert any(end and end < now + timedelta(hours=2) for end in ends())
    SplitTest.objects.update(by=By.HAND)
    assert set(ends()) == {None}
