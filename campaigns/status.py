"""A campaign's state as pages say it: one word with an icon, from the campaign and the mailing it became."""

from campaigns.models import Campaign
from campaigns.pure.lane_words import Said
from sending.models import Mailing

_OF_CAMPAIGN = {
    Campaign.State.DRAFT: Said("", "pencil", "Draft"),
    Campaign.State.SCHEDULED: Said("live", "clock", "Scheduled"),
    Campaign.State.MISSED: Said("wait", "calendar-off", "Missed"),
}
_OF_MAILING = {
    Mailing.State.RUNNING: Said("live", "send", "Sending"),
    Mailing.State.PAUSED: Said("wait", "player-pause", "Paused"),
    Mailing.State.HELD: Said("bad", "hand-stop", "Held"),
    Mailing.State.STOPPED: Said("bad", "player-stop", "Stopped"),
    Mailing.State.DONE: Said("ok", "check", "Sent"),
}


def status_of(campaign: Campaign) -> Said:
    if campaign.mailing is not None:
        return _OF_MAILING[Mailing.State(campaign.mailing.state)]
    return _OF_CAMPAIGN.get(Campaign.State(campaign.state), _OF_CAMPAIGN[Campaign.State.DRAFT])


def page_of(campaign: Campaign) -> str:
    """The name of the page that a link to this campaign leads to."""
    if campaign.mailing is None:
        return "campaign"
    return "campaign-report" if campaign.mailing.state == Mailing.State.DONE else "campaign-monitor"
