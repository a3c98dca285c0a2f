"""A campaign's state as pages say it: one word with an icon, from the campaign and the mailing it became."""

from dataclasses import replace

from campaigns.models import Campaign
from campaigns.pure.lane_words import Said
from sending.models import Mailing
from words import gettext, marked

_OF_CAMPAIGN = {
    Campaign.State.DRAFT: Said("", "pencil", marked("Draft")),
    Campaign.State.SCHEDULED: Said("live", "clock", marked("Scheduled")),
    Campaign.State.MISSED: Said("wait", "calendar-off", marked("Missed")),
}
_OF_REVIEW = {
    Campaign.Review.ASKED: Said("wait", "eye-check", marked("Needs review")),
    Campaign.Review.APPROVED: Said("ok", "check", marked("Approved")),
    Campaign.Review.REJECTED: Said("bad", "arrow-back-up", marked("Sent back")),
}
_OF_MAILING = {
    Mailing.State.RUNNING: Said("live", "send", marked("Sending")),
    Mailing.State.PAUSED: Said("wait", "player-pause", marked("Paused")),
    Mailing.State.HELD: Said("bad", "hand-stop", marked("Held")),
    Mailing.State.STOPPED: Said("bad", "player-stop", marked("Stopped")),
    Mailing.State.DONE: Said("ok", "check", marked("Sent")),
}


def status_of(campaign: Campaign) -> Said:
    if campaign.mailing is not None:
        said = _OF_MAILING[Mailing.State(campaign.mailing.state)]
    elif campaign.state == Campaign.State.DRAFT and campaign.review:
        said = _OF_REVIEW[Campaign.Review(campaign.review)]
    else:
        said = _OF_CAMPAIGN.get(Campaign.State(campaign.state), _OF_CAMPAIGN[Campaign.State.DRAFT])
    return replace(said, word=gettext(said.word))


def page_of(campaign: Campaign) -> str:
    """The name of the page that a link to this campaign leads to."""
    if campaign.mailing is None:
        return "campaign"
    return "campaign-report" if campaign.mailing.state == Mailing.State.DONE else "campaign-monitor"
