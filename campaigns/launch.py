"""Launch: press the campaign into a frozen mailing, exactly once."""

from datetime import datetime

from django.db import transaction

from campaigns import letters
from campaigns.audience import SCOPES, audience_of, lists_of
from campaigns.compile import CompileError
from campaigns.models import Campaign
from campaigns.preflight import must_fix
from sending.models import Mailing, Stream
from sending.press import NewMailing, press
from sending.wake import plan_soon


class NotReady(Exception):
    """What has to be fixed before this campaign can be sent, in a sentence."""


def launch(*, now: datetime, campaign_id: int) -> Mailing | None:
    """Launch a scheduled campaign; None when somebody else did, or took it back. Raises NotReady.

    1. Look at everything that must be right once more: it may have changed since it was scheduled.
    2. Compile the letter; the result is frozen with the mailing.
    3. In one transaction: claim the campaign by its state, press mailing and people, tie them together.
    """
    campaign = Campaign.objects.select_related("sending_domain", "pool").get(pk=campaign_id)
    problems = must_fix(now=now, campaign=campaign)
    if problems:
        raise NotReady(problems[0].sentence)
    try:
        message = letters.compiled(campaign).to_json()
    except CompileError as error:
        raise NotReady(str(error)) from error
    with transaction.atomic():
        locked = Campaign.objects.select_for_update(no_key=True).filter(
            pk=campaign_id, state=Campaign.State.SCHEDULED, rev=campaign.rev
        )
        if locked.first() is None:
            return None
        mailing = press(now=now, new=_new(campaign), messages=[message], audience=audience_of(campaign))
        locked.update(state=Campaign.State.LAUNCHED, mailing=mailing, problem="", updated_at=now)
        plan_soon()
    return mailing


def _new(campaign: Campaign) -> NewMailing:
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
    )
