from datetime import UTC, datetime, timedelta

import pytest

from campaigns.launch import launch
from campaigns.models import Campaign
from campaigns.pure.wall_time import BadWallTime
from campaigns.schedule import CannotSchedule, promote_due, schedule, unschedule
from reputation.models import SendingDomain, Workspace
from sending.models import Delivery, Mailing
from tests.campaigns.world import ready_campaign

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


def state_of(campaign: Campaign) -> str:
    return Campaign.objects.get(pk=campaign.pk).state


def test_nothing_leaves_before_the_undo_window_ends(now: datetime) -> None:
    campaign = ready_campaign(now)
    leaves_at = schedule(now=now, campaign_id=campaign.pk, by=None)

    assert leaves_at == now + timedelta(seconds=30)
    assert promote_due(now=leaves_at - SECOND) == 0
    assert not Mailing.objects.exists()
    assert promote_due(now=leaves_at) == 1
    assert state_of(campaign) == "launched"
    assert Delivery.objects.count() == 12


def test_a_wall_time_means_the_clock_on_the_wall_of_its_zone(now: datetime) -> None:
    campaign = ready_campaign(now)
    schedule(now=now, campaign_id=campaign.pk, by=None, wall_time="2026-03-29T09:00", zone="Europe/Warsaw")

    # That Sunday Warsaw has gone over to summer time: 09:00 there is 07:00 UTC, not 08:00.
    campaign.refresh_from_db()
    assert campaign.scheduled_for == datetime(2026, 3, 29, 7, 0, tzinfo=UTC)
    assert promote_due(now=datetime(2026, 3, 29, 6, 59, 59, tzinfo=UTC)) == 0
    assert promote_due(now=datetime(2026, 3, 29, 7, 0, tzinfo=UTC)) == 1


def test_the_same_wall_time_is_another_instant_elsewhere(now: datetime) -> None:
    instants = set()
    for zone in ("Asia/Tokyo", "America/New_York", "UTC"):
        campaign = ready_campaign(now, name=zone)
        schedule(now=now, campaign_id=campaign.pk, by=None, wall_time="2026-03-20T09:00", zone=zone)
        instants.add(Campaign.objects.get(pk=campaign.pk).scheduled_for)
    assert instants == {datetime(2026, 3, 20, hour, tzinfo=UTC) for hour in (0, 13, 9)}


def test_a_time_that_has_passed_is_refused_in_a_sentence(now: datetime) -> None:
    campaign = ready_campaign(now)
    with pytest.raises(CannotSchedule, match="has passed"):
        schedule(now=now, campaign_id=campaign.pk, by=None, wall_time="2026-03-10T09:00", zone="Europe/Warsaw")
    with pytest.raises(BadWallTime, match="Write it as"):
        schedule(now=now, campaign_id=campaign.pk, by=None, wall_time="tomorrow", zone="Europe/Warsaw")
    assert state_of(campaign) == "draft"


def test_undo_makes_it_a_draft_again_and_nothing_leaves(now: datetime) -> None:
    campaign = ready_campaign(now)
    schedule(now=now, campaign_id=campaign.pk, by=None)

    assert unschedule(now=now + SECOND, campaign_id=campaign.pk)
    assert not unschedule(now=now + SECOND, campaign_id=campaign.pk)
    assert promote_due(now=now + timedelta(hours=1)) == 0
    assert state_of(campaign) == "draft"
    assert not Mailing.objects.exists()


def test_undo_after_the_launch_changes_nothing(now: datetime) -> None:
    campaign = ready_campaign(now)
    promote_due(now=schedule(now=now, campaign_id=campaign.pk, by=None))

    assert not unschedule(now=now + timedelta(minutes=1), campaign_id=campaign.pk)
    assert state_of(campaign) == "launched"


def test_scheduling_twice_is_refused(now: datetime) -> None:
    campaign = ready_campaign(now)
    schedule(now=now, campaign_id=campaign.pk, by=None)
    with pytest.raises(CannotSchedule, match="already"):
        schedule(now=now, campaign_id=campaign.pk, by=None)


def test_an_undo_window_of_nothing_leaves_at_once(now: datetime) -> None:
    campaign = ready_campaign(now)
    Workspace.objects.update(undo_seconds=0)
    assert schedule(now=now, campaign_id=campaign.pk, by=None) == now
    assert promote_due(now=now) == 1


@pytest.mark.parametrize(("late", "state"), [(timedelta(minutes=60), "launched"), (timedelta(minutes=61), "missed")])
def test_a_campaign_too_late_asks_a_person_instead_of_firing_by_itself(now: datetime, late, state: str) -> None:
    campaign = ready_campaign(now)
    due = schedule(now=now, campaign_id=campaign.pk, by=None, wall_time="2026-03-10T12:00", zone="Europe/Warsaw")

    promote_due(now=due + late)

    assert state_of(campaign) == state
    assert Mailing.objects.count() == (state == "launched")


def test_a_missed_campaign_can_be_sent_by_a_person(now: datetime) -> None:
    campaign = ready_campaign(now)
    promote_due(now=schedule(now=now, campaign_id=campaign.pk, by=None) + timedelta(hours=5))
    later = now + timedelta(hours=6)

    assert promote_due(now=schedule(now=later, campaign_id=campaign.pk, by=None)) == 1


def test_what_breaks_between_schedule_and_launch_gives_it_back_with_the_reason(now: datetime) -> None:
    campaign = ready_campaign(now)
    due = schedule(now=now, campaign_id=campaign.pk, by=None)
    SendingDomain.objects.update(state=SendingDomain.State.HELD, state_reason="The DKIM record is gone.")

    assert promote_due(now=due) == 0
    campaign.refresh_from_db()
    assert campaign.state == "draft"
    assert "DKIM record is gone" in campaign.problem
    assert not Mailing.objects.exists()


def test_one_campaign_that_cannot_be_launched_does_not_hold_up_the_others(now: datetime, monkeypatch) -> None:
    broken, fine = ready_campaign(now, name="Broken"), ready_campaign(now, name="Fine")
    schedule(now=now, campaign_id=fine.pk, by=None)
    due = schedule(now=now, campaign_id=broken.pk, by=None)

    def fail_once(*, now, campaign_id):
        if campaign_id == broken.pk:
            raise RuntimeError("a bug")
        return launch(now=now, campaign_id=campaign_id)

    monkeypatch.setattr("campaigns.schedule.launch", fail_once)
    assert promote_due(now=due) == 1
    assert (state_of(broken), state_of(fine)) == ("missed", "launched")
