"""The list of campaigns and the home page: rows with their state, their people and their numbers, in few queries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.db.models import Case, Count, F, Func, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from campaigns.models import Campaign, Revision
from campaigns.pure.lane_words import Said
from campaigns.pure.month import Month
from campaigns.status import page_of, status_of
from reputation.workspace import zone
from sending.models import FINAL_KINDS, Event, Mailing, OutcomeKind
from sending.progress import totals
from words import marked

SIZE = 25
# A calendar with more has no room for them.
MOST_OF_A_MONTH = 500
# Tab → its words; the key stands in the address.
TABS = {
    "": marked("All"),
    "drafts": marked("Drafts"),
    "review": "Needs review",
    "scheduled": marked("Scheduled"),
    "sending": marked("Sending"),
    "paused": marked("Paused"),
    "sent": marked("Sent"),
    "stopped": marked("Stopped"),
    "archived": marked("Archived"),
}
# Tab → what stands there when it is empty.
EMPTY = {
    "drafts": ("No draft", "Everything that was begun is scheduled, sent or archived."),
    "review": ("Nothing to review", "Whoever asks for approval puts a campaign here."),
    "scheduled": ("Nothing is scheduled", "A draft gets its time on its review page."),
    "sending": ("Nothing is being sent", "A campaign stands here from its start until everybody has an answer."),
    "paused": ("Nothing is paused", "Here waits what somebody paused, or what was held by itself."),
    "sent": ("Nothing is sent yet", "The first campaign that is done stands here with its numbers."),
    "stopped": ("Nothing was stopped", "What somebody ends before all have it can still be sent to the rest."),
    "archived": ("Nothing is archived", "Archiving keeps every number and clears the other tabs."),
}
_UNSENT = Q(state__in=[Campaign.State.DRAFT, Campaign.State.MISSED])
_TAB_OF = {
    "review": _UNSENT & Q(review=Campaign.Review.ASKED),
    "drafts": _UNSENT & ~Q(review=Campaign.Review.ASKED),
    "scheduled": Q(state=Campaign.State.SCHEDULED),
    "sending": Q(mailing__state=Mailing.State.RUNNING),
    "paused": Q(mailing__state__in=[Mailing.State.PAUSED, Mailing.State.HELD]),
    "sent": Q(mailing__state=Mailing.State.DONE),
    "stopped": Q(mailing__state=Mailing.State.STOPPED),
}
_MOVING = (Mailing.State.RUNNING,)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which campaigns. `after` is the key of the last one seen; empty and 0 ask for nothing in particular."""

    tab: str = ""
    q: str = ""
    owner: int = 0
    list_id: int = 0
    tag: str = ""
    # Sent, or scheduled, on one of these days of the workspace; drafts have none.
    since: date | None = None
    until: date | None = None
    after: int = 0

    @property
    def narrows(self) -> bool:
        return bool(self.q or self.owner or self.list_id or self.tag or self.since or self.until)


def page_of_campaigns(asked: Asked) -> Page:
    """Newest first, by key; five queries."""
    found = _within(_narrowed(asked), asked)
    if asked.after:
        found = found.filter(pk__lt=asked.after)
    campaigns = list(_with_everything(found.order_by("-pk"))[: SIZE + 1])
    return Page(rows_of(campaigns[:SIZE]), campaigns[SIZE - 1].pk if len(campaigns) > SIZE else 0)


def by_day(asked: Asked, month: Month, zone: ZoneInfo) -> dict[date, list[Row]]:
    """What has a time in the weeks of a month, by its day in a zone and in the order of the day."""
    begin, end = month.between(zone)
    timed = _narrowed(asked).annotate(at=Coalesce(F("mailing__launched_at"), F("scheduled_for")))
    timed = timed.exclude(state=Campaign.State.DRAFT).filter(at__gte=begin, at__lt=end).order_by("at", "pk")
    days: dict[date, list[Row]] = {}
    for row in rows_of(_with_everything(timed)[:MOST_OF_A_MONTH]):
        days.setdefault(row.campaign.at.astimezone(zone).date(), []).append(row)  # type: ignore[attr-defined]
    return days


def _within(found: QuerySet[Campaign], asked: Asked) -> QuerySet[Campaign]:
    if not asked.since and not asked.until:
        return found
    here = zone()
    timed = found.exclude(state=Campaign.State.DRAFT).annotate(
        at=Coalesce(F("mailing__launched_at"), F("scheduled_for"))
    )
    if asked.since:
        timed = timed.filter(at__gte=datetime.combine(asked.since, time.min, here))
    if asked.until:
        timed = timed.filter(at__lt=datetime.combine(asked.until + timedelta(days=1), time.min, here))
    return timed.filter(at__isnull=False)


def _narrowed(asked: Asked) -> QuerySet[Campaign]:
    found = _in_tab(asked.tab)
    if asked.q:
        found = found.filter(name__icontains=asked.q)
    if asked.owner:
        found = found.filter(created_by=asked.owner)
    if asked.list_id:
        found = found.filter(included_lists=asked.list_id)
    if asked.tag:
        found = found.filter(tags__contains=[asked.tag])
    return found


def _in_tab(tab: str) -> QuerySet[Campaign]:
    if tab == "archived":
        return Campaign.objects.exclude(archived_at=None)
    return Campaign.objects.filter(_TAB_OF.get(tab, Q()), archived_at=None)


def owners() -> Sequence[User]:
    """Who has begun a campaign."""
    return list(User.objects.filter(pk__in=Campaign.objects.values("created_by")).order_by("first_name", "pk"))


def tags_in_use() -> list[str]:
    tag = Func(F("tags"), function="unnest")
    return sorted(set(Campaign.objects.order_by().annotate(tag=tag).values_list("tag", flat=True)))


def moving(ids: Iterable[int]) -> list[Row]:
    """Those of these that go out now or did a moment ago: what a list shows anew while somebody looks."""
    return rows_of(_with_everything(Campaign.objects.filter(pk__in=list(ids), mailing__isnull=False)))


def is_moving(row: Row) -> bool:
    return row.campaign.mailing is not None and row.campaign.mailing.state in _MOVING


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
    states = [Campaign.State.SCHEDULED, Campaign.State.MISSED]
    waiting = Campaign.objects.filter(state__in=states, archived_at=None)
    return list(_with_everything(waiting.order_by("scheduled_for", "pk"))[:10])


def last_results() -> list[Row]:
    states = [Mailing.State.DONE, Mailing.State.STOPPED]
    done = Campaign.objects.filter(mailing__state__in=states, archived_at=None)
    return rows_of(_with_everything(done.order_by("-mailing__finished_at", "-pk"))[:5])


def tab_counts() -> dict[str, int]:
    """How many campaigns each tab holds: one query."""
    tabs = [When(archived_at__isnull=False, then=Value("archived"))]
    tabs += [When(condition, then=Value(tab)) for tab, condition in _TAB_OF.items()]
    which = Case(*tabs, default=Value("other"))
    found = dict(Campaign.objects.order_by().annotate(tab=which).values_list("tab").annotate(n=Count("pk")))
    found[""] = sum(found.values()) - found.get("archived", 0)
    return {tab: found.get(tab, 0) for tab in TABS}


def _with_everything(campaigns: QuerySet[Campaign]) -> QuerySet[Campaign]:
    current = Revision.objects.filter(campaign=OuterRef("pk"), number=OuterRef("rev")).values("subject")
    found = campaigns.select_related("mailing", "created_by", "after")
    found = found.prefetch_related("included_lists", "excluded_lists")
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
