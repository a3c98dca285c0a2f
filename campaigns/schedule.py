"""When: now or at a wall time, with an undo window; and what happens when the time comes."""

import logging
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Greatest
from psycopg.errors import QueryCanceled

from campaigns.content import current
from campaigns.hours import local_plan
from campaigns.launch import NotReady, decision_of, launch
from campaigns.models import Campaign
from campaigns.preflight import must_fix
from campaigns.pure.wall_time import instant_of, missed
from campaigns.remarks import CannotDecide, approve_by_sending
from campaigns.variants import ab_test_of
from reputation.workspace import workspace
from words import gettext as _

log = logging.getLogger(__name__)
State = Campaign.State


class CannotSchedule(Exception):
    """Why this campaign cannot be scheduled, in a sentence."""


def schedule(
    *,
    now: datetime,
    campaign_id: int,
    by: User | None,
    wall_time: str = "",
    zone: str = "",
    local_time: bool = False,
) -> datetime:
    """Schedule for a wall time in a zone, or for now when none is given; returns the instant it may leave at.

    With `local_time` each gets it at that time where they live, and who lives nobody knows where by `zone`: it is
    launched at the first of those hours.

    Nothing leaves before the undo window ends. Twice is once: only a draft (or a missed campaign) can be scheduled.
    """
    campaign = Campaign.objects.get(pk=campaign_id)
    problems = must_fix(now=now, campaign=campaign)
    if problems:
        raise CannotSchedule(problems[0].sentence)
    at = _first_instant(now, campaign, wall_time, zone, local_time=local_time) if wall_time else now
    undo_until = now + timedelta(seconds=workspace().undo_seconds)
    decision = {"scheduled_for": at, "zone": zone, "wall_time": wall_time, "undo_until": undo_until, "scheduled_by": by}
    decision["local_time"] = local_time and bool(wall_time)
    with transaction.atomic():
        try:
            approve_by_sending(now=now, campaign=campaign, by=by)
        except CannotDecide as reason:
            raise CannotSchedule(str(reason)) from reason
        # Only what was looked at just now: looking takes a while, and somebody may have saved meanwhile.
        unchanged = Campaign.objects.filter(pk=campaign_id, rev=campaign.rev, updated_at=campaign.updated_at)
        scheduled = unchanged.filter(state__in=[State.DRAFT, State.MISSED]).update(
            **decision, state=State.SCHEDULED, archived_at=None, problem="", updated_at=now
        )
        if not scheduled:
            raise CannotSchedule(_not_now(campaign_id))
    return max(at, undo_until)


def _first_instant(now: datetime, campaign: Campaign, wall_time: str, zone: str, *, local_time: bool) -> datetime:
    if local_time:
        if ab_test_of(current(campaign)):
            raise CannotSchedule(_("A test has one winner for everybody: choose one time for all, or no test."))
        plan = local_plan(campaign, wall=wall_time, zone=zone, now=now)
        last, first = plan.last_wish, plan.hours[0].at
    else:
        last = first = instant_of(wall_time, zone)
    if last < now - timedelta(minutes=1):
        raise CannotSchedule(_("That time has passed. Choose a later one, or send now."))
    return first


def _not_now(campaign_id: int) -> str:
    if Campaign.objects.filter(pk=campaign_id, state__in=[State.DRAFT, State.MISSED]).exists():
        return _("It was changed meanwhile. Look once more, then send.")
    return _("This campaign is scheduled or sent already.")


def unschedule(*, now: datetime, campaign_id: int) -> bool:
    """Undo: back to a draft, as long as it has not been launched."""
    return bool(
        Campaign.objects.filter(pk=campaign_id, state=State.SCHEDULED).update(
            state=State.DRAFT, scheduled_for=None, undo_until=None, updated_at=now
        )
    )


def promote_due(*, now: datetime) -> int:
    """Launch what is due; what is too late is marked missed and asks a person. Returns how many were launched."""
    grace = timedelta(minutes=workspace().missed_grace_minutes)
    due = (
        Campaign.objects.filter(state=State.SCHEDULED)
        .annotate(leaves_at=Greatest("scheduled_for", "undo_until"))
        .filter(leaves_at__lte=now)
        .order_by("leaves_at")
    )
    return sum(_promote(now, campaign, grace) for campaign in due)


def _promote(now: datetime, campaign: Campaign, grace: timedelta) -> bool:
    due = max(filter(None, (campaign.scheduled_for, campaign.undo_until)))
    if missed(due, now, grace):
        _give_back(
            now,
            campaign,
            State.MISSED,
            "The system was down when it was due. Send it now or choose a new time.",
        )
        return False
    try:
        return launch(now=now, campaign_id=campaign.pk, decided=decision_of(campaign)) is not None
    except NotReady as problem:
        _give_back(now, campaign, State.DRAFT, str(problem))
    except OperationalError as error:
        _put_off(now, campaign, error)
    except Exception:
        # One campaign that cannot be launched must not keep the others from leaving.
        log.exception("campaign %s could not be launched", campaign.pk)
        _give_back(
            now,
            campaign,
            State.MISSED,
            "It could not be launched because of an internal error; nothing was sent.",
        )
    return False


def _put_off(now: datetime, campaign: Campaign, error: OperationalError) -> None:
    """The database would not: it stays scheduled and the next tick tries again, unless trying takes too long."""
    if isinstance(error.__cause__, QueryCanceled):
        sentence = _(
            "Gathering its people took the database too long; nothing was sent. Send it again at a quieter time."
        )
        _give_back(now, campaign, State.MISSED, sentence)
        return
    if not connection.is_usable():
        raise error
    log.warning("campaign %s could not be launched yet: %s", campaign.pk, error)


def _give_back(now: datetime, campaign: Campaign, state: str, problem: str) -> None:
    """Only the decision that was looked at: one made meanwhile is another."""
    Campaign.objects.filter(pk=campaign.pk, state=State.SCHEDULED, **decision_of(campaign)).update(
        state=state, problem=problem[:300], updated_at=now
    )
