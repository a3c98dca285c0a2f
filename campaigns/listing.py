"""The list of campaigns and the home page: rows with their state, their people and their numbers, in few queries."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Case, Count, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from campaigns.models import Campaign, Revision
from campaigns.pure.lane_words import Said
from campaigns.status import page_of, status_of
from sending.models import FINAL_KINDS, Event, Mailing, OutcomeKind
from sending.progress import totals
from words import marked

SIZE = 25
# Tab → its words; the key stands in the address.
TABS = {
    "": marked("All"),
    "drafts": marked("Drafts"),
    "scheduled": marked("Scheduled"),
    "sending": marked("Sending"),
    "paused": marked("Paused"),
    "sent": marked("Sent"),
    "stopped": marked("Stopped"),
}
_TAB_OF = {
    "drafts": Q(state__in=[Campaign.State.DRAFT, Campaign.State.MISSED]),
    "scheduled": Q(state=Campaign.State.SCHEDULED),
    "sending": Q(mailing__state=Mailing.State.RUNNING),
    "paused": Q(mailing__state__in=[Mailing.State.PAUSED, Mailing.State.HELD]),
    "sent": Q(mailing__state=Mailing.State.DONE),
    "stopped": Q(mailing__state=Mailing.State.STOPPED),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A campaign on a list. `percent` of its people with a final state; None before its launch."""

    campaign: Campaign
    status: Said
    page: str
    subject: str
    percent: int | None
    counts: dict[str, int]

    @property
    def accepted(self) -> int:
        return self.counts.get(OutcomeKind.ACCEPTED, 0)

    @property
    def clicked(self) -> int:
        return self.counts.get(Event.Kind.CLICKED, 0)

    @property
    def unsubscribed(self) -> int:
        return self.counts.get(Event.Kind.UNSUBSCRIBED, 0)


@dataclass(frozen=True, slots=True)
class Page:
    """`after` is what to ask the next page with; 0 on the last one."""

    rows: list[Row]
    after: int


def page_of_campaigns(*, tab: str = "", q: str = "", after: int = 0) -> Page:
    """Newest first, by key; five queries."""
    found = Campaign.objects.filter(_TAB_OF.get(tab, Q()))
    if q:
        found = found.filter(name__icontains=q)
    if after:
        found = found.filter(pk__lt=after)
    campaigns = list(_with_everything(found.order_by("-pk"))[: SIZE + 1])
    return Page(rows_of(campaigns[:SIZE]), campaigns[SIZE - 1].pk if len(campaigns) > SIZE else 0)


def rows_of(campaigns: Iterable[Campaign]) -> list[Row]:
    """Campaigns with their counters; `_with_everything` has to have been asked for them."""
    campaigns = list(campaigns)
    counts = totals(campaign.mailing_id for campaign in campaigns if campaign.mailing_id)
    return [_row(campaign, counts.get(campaign.mailing_id or 0, {})) for campaign in campaigns]


def live() -> list[Campaign]:
    """What goes out now, or waits for a person to go on: the newest five."""
    states = [Mailing.State.RUNNING, Mailing.State.PAUSED, Mailing.State.HELD]
    return list(_with_everything(Campaign.objects.filter(mailing__state__in=states).order_by("-pk"))[:5])


def coming() -> list[Campaign]:
    """Scheduled or missed, the next one first."""
    waiting = Campaign.objects.filter(state__in=[Campaign.State.SCHEDULED, Campaign.State.MISSED])
    return list(_with_everything(waiting.order_by("scheduled_for", "pk"))[:10])


def last_results() -> list[Row]:
    done = Campaign.objects.filter(mailing__state__in=[Mailing.State.DONE, Mailing.State.STOPPED])
    return rows_of(_with_everything(done.order_by("-mailing__finished_at", "-pk"))[:5])


def tab_counts() -> dict[str, int]:
    """How many campaigns each tab holds: one query."""
    which = Case(*(When(condition, then=Value(tab)) for tab, condition in _TAB_OF.items()), default=Value("other"))
    found = dict(Campaign.objects.order_by().annotate(tab=which).values_list("tab").annotate(n=Count("pk")))
    return {tab: sum(found.values()) if not tab else found.get(tab, 0) for tab in TABS}


def _with_everything(campaigns: QuerySet[Campaign]) -> QuerySet[Campaign]:
    current = Revision.objects.filter(campaign=OuterRef("pk"), number=OuterRef("rev")).values("subject")
    found = campaigns.select_related("mailing", "created_by").prefetch_related("included_lists", "excluded_lists")
    return found.annotate(
        subject=Coalesce(Subquery(current), Value("")),
        when=Coalesce(F("mailing__launched_at"), F("scheduled_for"), F("updated_at")),
    )


def _row(campaign: Campaign, counts: dict[str, int]) -> Row:
    percent = None
    if campaign.mailing is not None:
        final = sum(counts.get(kind, 0) for kind in FINAL_KINDS)
        percent = 100 * final // campaign.mailing.total if campaign.mailing.total else 100
    subject = str(getattr(campaign, "subject", ""))
    return Row(campaign, status_of(campaign), page_of(campaign), subject, percent, counts)
