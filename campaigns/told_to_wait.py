"""Who was told to wait lately, by name: the message log, narrowed down to a provider."""

from dataclasses import dataclass
from datetime import datetime

from campaigns.deliverability import campaigns_at
from campaigns.models import Campaign
from campaigns.people_lists import Asked, Named, people_of
from reputation.workspace import zone

# So many people of one campaign, and in all; each campaign's own list has the others.
EACH = 20
MOST = 200


@dataclass(frozen=True, slots=True)
class Waited:
    """A campaign's people who were told to wait; `more` of its attempts were than are shown here."""

    campaign: Campaign
    people: list[Named]
    times: int


def waited_at(*, now: datetime, provider: str, domain: str = "") -> list[Waited]:
    """Of the campaigns of the last 30 days, the newest first; those with nobody left out."""
    here = zone()
    rows = campaigns_at(today=now.astimezone(here).date(), zone=here, provider=provider, domain=domain)
    wanted = [row for row in rows if row.counts.get("deferred")][: MOST // EACH]
    campaigns = Campaign.objects.select_related("mailing").in_bulk([row.campaign_id for row in wanted])
    asked, found = Asked(topic="deferred", provider=provider), []
    for row in wanted:
        campaign = campaigns[row.campaign_id]
        people = people_of(mailing=campaign.mailing, asked=asked, size=EACH) if campaign.mailing else []
        found += [Waited(campaign, people, row.counts["deferred"])] if people else []
    return found
