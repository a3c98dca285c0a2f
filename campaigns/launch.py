"""Launch: press the campaign into a frozen mailing, exactly once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from campaigns import letters
from campaigns.audience import SCOPES, audience_of, lists_of
from campaigns.compile import CompileError
from campaigns.content import current
from campaigns.hours import grace
from campaigns.models import Campaign, Revision
from campaigns.preflight import must_fix
from campaigns.pure.local_hours import hours
from campaigns.variants import ab_test_of, variants_of
from reputation.workspace import workspace
from sending import hours as sending_hours
from sending.models import Mailing, Stream
from sending.press import TAIL_BELOW, Chosen, NewMailing, choose, press
from sending.pure.hours import Hour
from sending.wake import plan_soon

# A million people are pressed in a few statements; every other one has a minute at most. Less than the task's own
# limit, so that the person reads why.
PRESS_WITHIN = "10min"
# Of its sorts and joins, each: they would go through files with the few megabytes that every other statement has.
PRESS_MEMORY = "64MB"

_ALONE = """
SELECT pg_try_advisory_xact_lock(hashtext('campaigns.launch'), %s::int), set_config('statement_timeout', %s, true),
       set_config('work_mem', %s, true)
"""


class NotReady(Exception):
    """What has to be fixed before this campaign can be sent, in a sentence."""


def launch(*, now: datetime, campaign_id: int, decided: Mapping[str, datetime | None] | None = None) -> Mailing | None:
    """Launch a scheduled campaign; None when somebody else did, or does, or took it back. Raises NotReady.

    `decided` is the decision that was found due: one that was made anew meanwhile has a time of its own.

    1. Choose its people, once: they are counted and looked at as they will be pressed.
    2. Look at everything that must be right once more: it may have changed since it was scheduled.
    3. Compile the letter; the result is frozen with the mailing.
    4. Claim the campaign by its state, press mailing and people, tie them together.

    All in one transaction. Nobody waits for it before it claims, and of several that launch one chooses.
    """
    campaign = Campaign.objects.select_related("sending_domain", "pool").get(pk=campaign_id)
    if decided not in (None, decision_of(campaign)):
        return None
    with transaction.atomic():
        if not _may_launch(campaign_id):
            return None
        people = choose(now=now, audience=audience_of(campaign, now=now))
        waves = _waves(now, campaign)
        content = current(campaign)
        messages = _messages(now, campaign, content, people)
        # Nobody waits for the one who presses: a tick that did would be cancelled, and take the campaign for broken.
        locked = Campaign.objects.select_for_update(no_key=True, skip_locked=True).filter(
            pk=campaign_id, state=Campaign.State.SCHEDULED, rev=campaign.rev, **decision_of(campaign)
        )
        if locked.first() is None:
            return None
        mailing = press(now=now, new=_new(campaign, content, waves), messages=messages, audience=people)
        locked.update(state=Campaign.State.LAUNCHED, mailing=mailing, problem="", updated_at=now)
        plan_soon()
    return mailing


def _waves(now: datetime, campaign: Campaign) -> list[Hour]:
    """Who is chosen, by the hour where they live; nothing for a campaign that everybody gets at once."""
    if not campaign.local_time:
        return []
    zones = sending_hours.zones_of_chosen()
    waves = hours(zones, wall=campaign.wall_time, zone=campaign.zone, now=now, grace=grace())
    sending_hours.divide(waves, tail_below=TAIL_BELOW)
    return waves


def _messages(now: datetime, campaign: Campaign, content: Revision, people: Chosen) -> list[dict[str, Any]]:
    """The letter as it is frozen, in each of its variants. Raises NotReady."""
    problems = must_fix(now=now, campaign=campaign, audience=people)
    if problems:
        raise NotReady(problems[0].sentence)
    try:
        variants = [(one.campaign, one.content) for one in variants_of(campaign, content)]
        return [message.to_json() for message in letters.all_compiled(variants)]
    except CompileError as error:
        raise NotReady(str(error)) from error


def decision_of(campaign: Campaign) -> dict[str, datetime | None]:
    """When it was decided to leave: after it was taken back and scheduled again, it is another decision."""
    return {"scheduled_for": campaign.scheduled_for, "undo_until": campaign.undo_until}


def _may_launch(campaign_id: int) -> bool:
    """Nobody else does at this moment; and this transaction has time and memory for many people."""
    with connection.cursor() as cursor:
        cursor.execute(_ALONE, [campaign_id, PRESS_WITHIN, PRESS_MEMORY])
        (alone, *_set) = cursor.fetchone() or (False,)
    return bool(alone)


def _new(campaign: Campaign, content: Revision, waves: Sequence[Hour]) -> NewMailing:
    ab_test = ab_test_of(content)
    if campaign.pool is None or campaign.sending_domain is None:
        raise NotReady("Choose the sending domain and the route first.")
    return NewMailing(
        name=campaign.name,
        launch_key=f"campaign:{campaign.pk}",
        pool_id=campaign.pool.pk,
        sending_domain_id=campaign.sending_domain.pk,
        from_address=campaign.from_address,
        stream=Stream.MARKETING,
        scopes=SCOPES,
        included_lists=lists_of(campaign)[0],
        per_hour=campaign.per_hour,
        overflow=campaign.overflow,
        totals_only=workspace().totals_only,
        first_part=True,
        split=ab_test.split if ab_test else None,
        hours=waves,
    )
