"""A campaign at an hour where each person lives: nobody gets it before that, and everybody is accounted for."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from audiences.models import Subscriber
from campaigns.audience import crowd_of
from campaigns.forecast import ends_of, outlook
from campaigns.hours import local_plan
from campaigns.hours_to_come import hours_to_come
from campaigns.lanes import monitor_of
from campaigns.models import Campaign
from campaigns.schedule import CannotSchedule, promote_due, schedule
from reputation.models import RecipientDomain
from reputation.workspace import zone
from sending import completion, guard, hours, mailings
from sending.lane_totals import Move, move_totals
from sending.models import Batch, Delivery, LocalHour, Mailing, MailingLane
from sending.plan import plan
from sending.progress import look_at, progress_of
from sending.pure import guard as rules
from sending.sweeping import sweep
from tests.campaigns.test_ab_tests import with_test
from tests.campaigns.world import colleague, ready_campaign
from tests.cast import people
from tests.sending.engine import assert_books_balance, send
from tests.sending.scripted_receiver import Script, receiving
from tests.visitors import admin

WALL, HERE = "2026-03-20T09:00", "Europe/Warsaw"
AUCKLAND = datetime(2026, 3, 19, 20, tzinfo=UTC)
WARSAW = datetime(2026, 3, 20, 8, tzinfo=UTC)
NEW_YORK = datetime(2026, 3, 20, 13, tzinfo=UTC)
HOURS = {"Pacific/Auckland": AUCKLAND, "Europe/Warsaw": WARSAW, "America/New_York": NEW_YORK, "": WARSAW}
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def live_in(*zones: str) -> None:
    """In turn, at every provider; an empty name: nobody knows where."""
    people = list(Subscriber.objects.order_by("pk"))
    for number, person in enumerate(people):
        if name := zones[(number + number // 4) % len(zones)]:
            person.fields["time_zone"] = name
    Subscriber.objects.bulk_update(people, ["fields"])


def scheduled(now: datetime) -> Campaign:
    campaign = Campaign.objects.first() or ready_campaign(now)
    live_in("Pacific/Auckland", "", "America/New_York", "Europe/Warsaw")
    schedule(now=now, campaign_id=campaign.pk, by=None, wall_time=WALL, zone=HERE, local_time=True)
    campaign.refresh_from_db()
    return campaign


def launched(now: datetime) -> Mailing:
    campaign = scheduled(now)
    assert promote_due(now=AUCKLAND) == 1
    campaign.refresh_from_db()
    assert campaign.mailing is not None
    return campaign.mailing


def hour_of(delivery: Delivery) -> datetime:
    return HOURS[Subscriber.objects.get(pk=delivery.subscriber_id).fields.get("time_zone", "")]


def handed_out(mailing: Mailing) -> list[Delivery]:
    found: list[Delivery] = []
    for batch in Batch.objects.filter(mailing=mailing, kind="fresh"):
        found += Delivery.objects.filter(
            mailing_id=mailing.pk, wave=batch.wave, provider=batch.provider, seq__range=(batch.lo, batch.hi)
        )
    return found


@pytest.mark.django_db
def test_it_is_launched_at_the_first_hour_and_everybody_lies_in_the_wave_of_theirs(now: datetime) -> None:
    campaign = scheduled(now)
    assert campaign.scheduled_for == AUCKLAND
    assert promote_due(now=AUCKLAND - SECOND) == 0
    assert promote_due(now=AUCKLAND) == 1

    campaign.refresh_from_db()
    mailing = campaign.mailing
    assert mailing is not None and mailing.total == 12
    waves = list(LocalHour.objects.filter(mailing=mailing).values_list("wave", "at", "zone", "people"))
    assert waves == [(0, AUCKLAND, "Pacific/Auckland", 3), (1, WARSAW, HERE, 6), (2, NEW_YORK, "America/New_York", 3)]
    at = {wave: when for wave, when, _zone, _n in waves}
    assert all(at[one.wave] == hour_of(one) for one in Delivery.objects.filter(mailing_id=mailing.pk))
    progress = progress_of(mailing).sum
    assert (progress.total, progress.waiting) == (12, 12)
    assert_books_balance(mailing)


@pytest.mark.usefixtures("engine")
def test_no_message_leaves_before_its_own_hour(now: datetime, settings) -> None:
    # The others take mail through TLS only.
    campaign = ready_campaign(now, readers=0)
    for domain in ("yahoo.com", "hotmail.com"):
        people(12, on=campaign.included_lists.get(), domain=domain)
    mailing = launched(now)
    arrived: list[tuple[str, datetime]] = []
    clock = AUCKLAND - MINUTE

    def dot(_receiver, recipient: str) -> str:
        arrived.append((recipient, clock))
        return "250 Ok"

    RecipientDomain.objects.update(mx=["127.0.0.1"])
    with receiving(Script(dot=dot)) as receiver:
        settings.SMTP_PORT = receiver.port
        for around in (AUCKLAND, WARSAW, NEW_YORK):
            for clock in (max(AUCKLAND, around - SECOND), *(around + n * MINUTE for n in range(12))):
                hours.let_go(now=clock)
                plan(now=clock)
                batches = list(Batch.objects.filter(state="planned", due_at__lte=clock + timedelta(seconds=60)))
                assert send(batches, now=clock, connections=1) == []
                assert_books_balance(mailing)

    zones = {person.email: person.fields.get("time_zone", "") for person in Subscriber.objects.all()}
    assert Counter(email for email, _at in arrived) == Counter(list(zones))
    assert not [(email, at, zones[email]) for email, at in arrived if at < HOURS[zones[email]]]
    assert completion.complete_if_finished(now=NEW_YORK + 12 * MINUTE) == 1


@pytest.mark.django_db
def test_it_is_not_over_while_an_hour_is_to_come_and_the_planner_sees_nobody_of_it(now: datetime) -> None:
    mailing = launched(now)
    for clock in (AUCKLAND, AUCKLAND + MINUTE, WARSAW - SECOND):
        sweep(now=clock)
        plan(now=clock)
    assert {hour_of(one) for one in handed_out(mailing)} == {AUCKLAND}
    assert completion.complete_if_finished(now=WARSAW - SECOND) == 0
    sweep(now=WARSAW)
    plan(now=WARSAW)
    assert {hour_of(one) for one in handed_out(mailing)} == {AUCKLAND, WARSAW}


@pytest.mark.django_db
def test_an_hour_that_comes_during_a_pause_is_theirs_when_it_goes_on(now: datetime) -> None:
    mailing = launched(now)
    mailings.pause(now=AUCKLAND, mailing_id=mailing.pk)
    sweep(now=WARSAW)
    plan(now=WARSAW)
    assert handed_out(mailing) == []
    mailings.resume(now=WARSAW + 5 * MINUTE, mailing_id=mailing.pk)
    plan(now=WARSAW + 5 * MINUTE)
    assert {hour_of(one) for one in handed_out(mailing)} == {AUCKLAND, WARSAW}


@pytest.mark.django_db
def test_who_stops_it_lets_no_later_hour_begin(now: datetime) -> None:
    mailing = launched(now)
    mailings.stop(now=AUCKLAND, mailing_id=mailing.pk)
    for clock in (AUCKLAND, WARSAW, NEW_YORK):
        sweep(now=clock)
        plan(now=clock)
    assert handed_out(mailing) == []
    assert progress_of(mailing).sum.waiting == 12


@pytest.mark.django_db
def test_an_hour_nothing_of_ours_ran_at_is_that_of_the_next_day(now: datetime) -> None:
    mailing = launched(now)
    assert hours.let_go(now=WARSAW + timedelta(hours=2)) == 0
    row = LocalHour.objects.get(mailing=mailing, wave=1)
    assert (row.at, row.begun_at) == (WARSAW + timedelta(days=1), None)
    assert hours.let_go(now=NEW_YORK + timedelta(minutes=59)) == 1
    assert hours.let_go(now=WARSAW + timedelta(days=1)) == 1
    assert hours.let_go(now=WARSAW + timedelta(days=1)) == 0
    assert not MailingLane.objects.filter(mailing=mailing, for_hour__gt=0).exists()


@pytest.mark.django_db
def test_a_missed_hour_waits_for_the_last_of_its_zones_where_clocks_change_that_night(now: datetime) -> None:
    mailing = launched(now)
    before = datetime(2026, 3, 28, 8, tzinfo=UTC)
    # Lagos keeps its clocks: 09:00 is 08:00 UTC on both days there, in Warsaw 07:00 on the second.
    row = LocalHour.objects.get(mailing=mailing, wave=1)
    LocalHour.objects.filter(pk=row.pk).update(at=before, zones=["", "Africa/Lagos", "Europe/Warsaw"])
    hours.let_go(now=before + timedelta(hours=3))
    row.refresh_from_db()
    assert row.at == datetime(2026, 3, 29, 8, tzinfo=UTC)


@pytest.mark.django_db
def test_a_launch_that_is_too_late_asks_a_person_as_ever(now: datetime) -> None:
    campaign = scheduled(now)
    assert promote_due(now=AUCKLAND + timedelta(hours=2)) == 0
    assert Campaign.objects.get(pk=campaign.pk).state == "missed"


@pytest.mark.django_db
def test_a_time_that_has_passed_everywhere_is_refused_and_one_that_has_passed_somewhere_is_not(now: datetime) -> None:
    campaign = ready_campaign(now)
    live_in("Pacific/Auckland", "America/New_York")
    late = NEW_YORK + 2 * MINUTE
    with pytest.raises(CannotSchedule, match="has passed"):
        schedule(now=late, campaign_id=campaign.pk, by=None, wall_time=WALL, zone=HERE, local_time=True)
    first = schedule(now=WARSAW, campaign_id=campaign.pk, by=None, wall_time=WALL, zone=HERE, local_time=True)
    assert first == NEW_YORK
    assert promote_due(now=NEW_YORK) == 1
    assert list(LocalHour.objects.values_list("at", flat=True)) == [NEW_YORK, AUCKLAND + timedelta(days=1)]


@pytest.mark.django_db
def test_a_first_part_goes_first_in_the_first_wave_that_is_large_enough(now: datetime, monkeypatch) -> None:
    monkeypatch.setattr(rules, "CANARY_FROM", 20)
    monkeypatch.setattr(rules, "CANARY_SHARE", 0.3)
    campaign = ready_campaign(now, readers=0)
    people(120, on=campaign.included_lists.get(), domain="gmail.com")
    live_in("Pacific/Auckland", *["Europe/Warsaw"] * 5, *["America/New_York"] * 4)
    schedule(now=now, campaign_id=campaign.pk, by=None, wall_time=WALL, zone=HERE, local_time=True)
    promote_due(now=AUCKLAND)
    campaign.refresh_from_db()
    mailing = campaign.mailing
    assert mailing is not None
    auckland, warsaw, new_york = MailingLane.objects.filter(mailing=mailing).order_by("wave")
    assert (auckland.canary, new_york.canary) == (0, 0)
    assert 0 < warsaw.canary < 60 and warsaw.for_hour == warsaw.canary
    assert warsaw.held_back == 60 - warsaw.canary and warsaw.release_seq == 0
    # No person lets the rest go before its hour.
    by = colleague()
    assert not guard.let_rest_go(now=AUCKLAND, mailing_id=mailing.pk, lane="google", actor=by, reason="hurry")
    sweep(now=WARSAW)
    warsaw.refresh_from_db()
    assert warsaw.release_seq == warsaw.canary and warsaw.held_back == 60 - warsaw.canary
    assert guard.let_rest_go(now=WARSAW, mailing_id=mailing.pk, lane="google", actor=by, reason="hurry")
    warsaw.refresh_from_db()
    assert warsaw.release_seq == 60


@pytest.mark.django_db
def test_whoever_moves_to_a_provider_that_was_paused_is_paused_there_in_every_wave(now: datetime) -> None:
    mailing = launched(now)
    mailings.pause_provider(now=AUCKLAND, mailing_id=mailing.pk, provider="google")
    MailingLane.objects.filter(mailing=mailing, wave=2, provider="google").delete()
    with transaction.atomic(), connection.cursor() as cursor:
        move_totals(cursor, [Move(mailing.pk, 2, "yahoo", "google", 1)])
    assert MailingLane.objects.get(mailing=mailing, wave=2, provider="google").state == "paused"


@pytest.mark.django_db
def test_the_forecast_ends_with_the_last_zone_and_the_monitor_says_who_waits_for_what(now: datetime) -> None:
    campaign = ready_campaign(now)
    live_in("Pacific/Auckland", "", "America/New_York", "Europe/Warsaw")
    local = local_plan(campaign, wall=WALL, zone=HERE, now=now)
    assert (local.people, local.known, local.passed) == (12, 9, 0)
    crowd = crowd_of(campaign, now=now)
    foreseen = outlook(now=now, starts_at=AUCKLAND, zone=zone(), campaign=campaign, crowd=crowd, local=local)
    assert sum(row.total for row in foreseen.rows) == 12
    assert foreseen.done_at is not None and NEW_YORK <= foreseen.done_at <= NEW_YORK + timedelta(minutes=30)

    schedule(now=now, campaign_id=campaign.pk, by=None, wall_time=WALL, zone=HERE, local_time=True)
    promote_due(now=AUCKLAND)
    mailing = Mailing.objects.get()
    ends = ends_of(now=AUCKLAND, zone=zone(), mailing=mailing, left={"google": 3})
    assert ends["google"] is not None and ends["google"] >= NEW_YORK
    seen = look_at(mailing)
    assert hours_to_come(seen[0], now=AUCKLAND) == [
        "Waiting for Fri 20 Mar, 09:00 in Warsaw: 6 people.", "Waiting for Fri 20 Mar, 09:00 in New York: 3 people.",
    ]  # fmt: skip
    sweep(now=AUCKLAND)
    plan(now=AUCKLAND)
    Batch.objects.update(state="done")
    MailingLane.objects.filter(mailing=mailing, wave=0).update(total=0)
    watched = monitor_of(now=WARSAW - MINUTE, seen=look_at(mailing))
    assert {row.said.sentence for row in watched.rows if row.progress.waiting} <= {
        "Waiting for 09:00 in Warsaw.", "Waiting for 09:00 in New York.",
    }  # fmt: skip
    page = admin().get(reverse("campaign-monitor", args=[campaign.pk])).content.decode()
    assert "Hours to come" in page and "09:00 in Warsaw: 6 people." in page


@pytest.mark.django_db
def test_the_page_says_how_many_have_a_zone_and_when_the_first_and_the_last_begin() -> None:
    today = timezone.now()
    campaign = ready_campaign(today)
    live_in("Pacific/Auckland", "", "America/New_York", "Europe/Warsaw")
    wall = f"{today + timedelta(days=3):%Y-%m-%d}T09:00"
    asked = {"when": "local", "wall_time": wall, "zone": HERE}
    page = admin().get(reverse("campaign-review", args=[campaign.pk]), asked).content.decode()
    assert "9 of 12 people have a known time zone." in page
    assert "The others get it by the zone above." in page
    assert "09:00 in Auckland; last: " in page and "09:00 in New York." in page
    answer = admin().post(reverse("campaign-schedule", args=[campaign.pk]), asked)
    assert answer.status_code == 302
    campaign.refresh_from_db()
    assert campaign.local_time and campaign.state == "scheduled"
    assert "09:00 in Auckland" in admin().get(reverse("campaign-review", args=[campaign.pk])).content.decode()


@pytest.mark.django_db
def test_a_test_with_one_winner_and_hours_of_each_do_not_go_together(now: datetime) -> None:
    campaign = with_test(now)
    with pytest.raises(CannotSchedule, match="one winner for everybody"):
        schedule(now=now, campaign_id=campaign.pk, by=None, wall_time=WALL, zone=HERE, local_time=True)
