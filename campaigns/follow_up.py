"""A draft to go on from a campaign: to those of its people who did, or did not do, something with it."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from campaigns import content
from campaigns.models import Campaign
from campaigns.narrowing import AGAIN
from campaigns.report import Report
from sending.models import Event, Mailing

Whom = Campaign.Whom


def offers(campaign: Campaign, report: Report) -> list[tuple[str, str, int]]:
    """(whom, its words, people) of what somebody may go on with, from counters; only where it was counted."""
    sum, found = report.sum, []
    named = not report.progress.mailing.totals_only
    if campaign.track_clicks and named:
        clicked = sum.n(Event.Kind.CLICKED)
        found += [(Whom.NOT_CLICKED, sum.accepted - clicked), (Whom.CLICKED, clicked)]
    if campaign.track_opens and named:
        found.append((Whom.NOT_OPENED, sum.accepted - sum.n(Event.Kind.OPENED)))
    found.append((Whom.NOT_REACHED, sum.n(*AGAIN)))
    return [(str(whom), str(whom.label), n) for whom, n in found if n > 0]


def begin(*, now: datetime, campaign: Campaign, mailing: Mailing, whom: str, by: User | None) -> Campaign:
    """A copy as a draft, to these people of the same lists. Raises ValueError for nobody in particular."""
    if not Whom(whom):
        raise ValueError("Say to whom.")
    if mailing.totals_only and Whom(whom) != Whom.NOT_REACHED:
        raise ValueError("It was counted without names.")
    with transaction.atomic():
        copy = content.duplicate(now=now, campaign=campaign, by=by)
        name = f"{campaign.name[:150]}, to those {Whom(whom).label} it"
        Campaign.objects.filter(pk=copy.pk).update(name=name, after=mailing, whom=whom)
    copy.refresh_from_db()
    return copy
