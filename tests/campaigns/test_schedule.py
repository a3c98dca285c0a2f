from datetime import UTC, datetime, timedelta
from operator import attrgetter
from unittest import mock

import pytest
from django.db import OperationalError, connection
from psycopg.errors import LockNotAvailable, QueryCanceled

from campaigns import launch as launching
from campaigns.launch import NotReady, decision_of, launch
from campaigns.models import Campaign
from campaigns.pure.wall_time import BadWallTime
from campaigns.schedule import CannotSchedule, promote_due, schedule, unschedule
from reputation.models import SendingDomain, Workspace
from sending.models import Delivery, Mailing
from sending.press import press
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

    def fail_once(*, campaign_id, **asked):
        if campaign_id == broken.pk:
            raise RuntimeError("a bug")
        return launch(campaign_id=campaign_id, **asked)

    monkeypatch.setattr("campaigns.schedule.launch", fail_once)
    assert promote_due(now=due) == 1
    assert (state_of(broken), state_of(fine)) == ("missed", "launched")


@pytest.mark.parametrize(("cause", "state"), [(QueryCanceled, "missed"), (LockNotAvailable, "scheduled")])
def test_a_statement_that_the_database_refuses_does_not_hold_up_the_others(
    now: datetime, monkeypatch, cause: type[Exception], state: str
) -> None:
    slow, fine = ready_campaign(now, name="Slow"), ready_campaign(now, name="Fine")
    schedule(now=now, campaign_id=slow.pk, by=None)
    due = schedule(now=now + SECOND, campaign_id=fine.pk, by=None)

    def refused(*, campaign_id, **asked):
        if campaign_id == slow.pk:
            raise OperationalError("refused") from cause("refused")
        return launch(campaign_id=campaign_id, **asked)

    monkeypatch.setattr("campaigns.schedule.launch", refused)
    assert promote_due(now=due) == 1
    assert (state_of(slow), state_of(fine)) == (state, "launched")
    slow.refresh_from_db()
    assert ("too long" in slow.problem) == (state == "missed")


def test_a_database_that_is_away_is_not_taken_for_the_campaigns_fault(now: datetime, monkeypatch) -> None:
    campaign = ready_campaign(now)
    due = schedule(now=now, campaign_id=campaign.pk, by=None)
    monkeypatch.setattr("campaigns.schedule.launch", mock.Mock(side_effect=OperationalError("gone")))
    monkeypatch.setattr("campaigns.schedule.connection", mock.Mock(is_usable=lambda: False))

    with pytest.raises(OperationalError):
        promote_due(now=due)
    assert state_of(campaign) == "scheduled"


def test_pressing_may_take_longer_than_other_statements(now: datetime, monkeypatch) -> None:
    campaign = ready_campaign(now)
    schedule(now=now, campaign_id=campaign.pk, by=None)
    allowed = []

    def look(**asked):
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            allowed.append(cursor.fetchone()[0])
        return press(**asked)

    monkeypatch.setattr("campaigns.launch.press", look)
    launch(now=now, campaign_id=campaign.pk)
    assert allowed == ["10min"]


@pytest.mark.parametrize("at", ["must_fix", "letters.compiled"])
def test_a_schedule_made_anew_while_it_is_launched_waits_for_its_own_time(now: datetime, monkeypatch, at: str) -> None:
    campaign = ready_campaign(now)
    due = schedule(now=now, campaign_id=campaign.pk, by=None)
    looked = attrgetter(at)(launching)

    def meanwhile(*args, **asked):
        monkeypatch.undo()
        found = looked(*args, **asked)
        unschedule(now=due, campaign_id=campaign.pk)
        schedule(now=due, campaign_id=campaign.pk, by=None)
        return found

    monkeypatch.setattr(f"campaigns.launch.{at}", meanwhile)
    assert promote_due(now=due) == 0
    assert not Mailing.objects.exists()
    assert promote_due(now=due + timedelta(seconds=29)) == 0
    assert promote_due(now=due + timedelta(seconds=30)) == 1


def test_a_decision_taken_back_before_the_launch_began_is_not_launched(now: datetime) -> None:
    campaign = ready_campaign(now)
    due = schedule(now=now, campaign_id=campaign.pk, by=None)
    found_due = decision_of(Campaign.objects.get(pk=campaign.pk))
    unschedule(now=due, campaign_id=campaign.pk)
    schedule(now=due, campaign_id=campaign.pk, by=None)

    assert launch(now=due, campaign_id=campaign.pk, decided=found_due) is None
    assert state_of(campaign) == "scheduled"


def test_a_new_decision_is_not_given_back_for_the_old_ones_problem(now: datetime, monkeypatch) -> None:
    campaign = ready_campaign(now)
    due = schedule(now=now, campaign_id=campaign.pk, by=None)

    def meanwhile(**_asked):
        unschedule(now=due, campaign_id=campaign.pk)
        schedule(now=due, campaign_id=campaign.pk, by=None)
        raise NotReady("The old problem.")

    monkeypatch.setattr("campaigns.schedule.launch", meanwhile)
    promote_due(now=due)
    assert state_of(campaign) == "scheduled"
