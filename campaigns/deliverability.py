"""What the deliverability page shows: the score of 30 days from counters, what moves it most, and what happened.

Outcomes come from the campaigns' own counters, so each figure is the sum of lists that can be opened; attempts that
were put off come from the budgets' day tallies. Nothing here reads a delivery.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Sum

from audiences.quiet import quiet_share
from campaigns.pure.chart import Chart, Point, chart_of
from campaigns.pure.score import Counts, Limits, Score, score_of
from reputation import outside_figures
from reputation.models import Budget, DayTally, SendingDomain

DAYS = 30
# Days of the chart; each has a window of DAYS behind it.
CHART_DAYS = 30
MOST_PROVIDERS = 12
# Fewer messages in receivers' reports say nothing of our authentication.
REPORTED_ENOUGH = 100
# Providers that tell single complaints; of others nobody knows, and no complaint is no praise.
TELL_COMPLAINTS = frozenset(
    """microsoft yahoo comcast fastmail rackspace opensrs laposte sfr libero terra uol yandex ziggo gandi""".split()
)

# The lists behind a campaign's figures, as `people_lists.TOPICS` names them; counters have the same names.
LISTS = ("accepted", "bounced_hard", "complained", "unsubscribed", "clicked", "opened")

_COUNTS = """
SELECT d.name, (m.launched_at AT TIME ZONE %(zone)s)::date, c.provider, c.kind, m.clicks, m.opens, sum(c.n)::bigint
FROM (SELECT m.id, m.launched_at, m.sending_domain_id, coalesce(l.clicks, k.track_clicks) AS clicks,
             coalesce(l.opens, k.track_opens) AS opens
      FROM sending_mailing m JOIN campaigns_campaign k ON k.mailing_id = m.id
      -- As it left: the workspace may have counted neither, whatever the campaign says.
      LEFT JOIN LATERAL (SELECT bool_or((compiled->>'track_clicks')::bool) AS clicks,
                                bool_or((compiled->>'track_opens')::bool) AS opens
                         FROM sending_mailingmessage WHERE mailing_id = m.id) l ON true
      WHERE m.launched_at >= %(since)s AND NOT m.is_test) m
JOIN sending_mailingcount c ON c.mailing_id = m.id
JOIN reputation_sendingdomain d ON d.id = m.sending_domain_id
WHERE c.kind IN ('accepted', 'bounced_hard', 'complained', 'unsubscribed', 'clicked', 'opened')
GROUP BY 1, 2, 3, 4, 5, 6
"""
_FIELDS = {"accepted": "accepted", "bounced_hard": "bounced", "complained": "complained", "unsubscribed": "left"}


@dataclass(slots=True)
class Days:
    """Counts by (domain, provider, day of launch)."""

    by: dict[tuple[str, str, date], Counts] = field(default_factory=lambda: defaultdict(Counts))

    def total(self, *, after: date, until: date, domain: str = "", provider: str = "") -> Counts:
        """Of days after `after` up to and with `until`."""
        found = Counts()
        for (one, at, day), counts in self.by.items():
            if after < day <= until and (not domain or one == domain) and (not provider or at == provider):
                found.add(counts)
        return found

    def providers(self, *, after: date, domain: str = "") -> list[str]:
        """The most messages first."""
        sums: dict[str, int] = defaultdict(int)
        for (one, at, day), counts in self.by.items():
            if day > after and (not domain or one == domain):
                sums[at] += counts.tried
        return sorted((key for key, n in sums.items() if n), key=lambda key: -sums[key])

    def domains(self, *, after: date) -> list[str]:
        return sorted({one for (one, _, day), counts in self.by.items() if day > after and counts.tried})


def read_days(*, today: date, zone: ZoneInfo) -> Days:
    """All counters that the page needs, in two statements."""
    days = Days()
    since = today - timedelta(days=DAYS + CHART_DAYS)
    midnight = datetime(since.year, since.month, since.day, tzinfo=zone)
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, {"zone": zone.key, "since": midnight})
        for domain, day, provider, kind, clicks, opens, n in cursor.fetchall():
            seen = {"clicked": clicks, "opened": opens}
            _add(days.by[domain, provider, day], provider, kind, seen, n)
    tallies = DayTally.objects.filter(budget__kind=Budget.Kind.DKIM_DOMAIN, day__gte=since)
    rows = tallies.values_list("budget__scope", "budget__provider", "day")
    for domain, provider, day, sent, deferred in rows.annotate(Sum("sent"), Sum("deferred")):
        counts = days.by[domain, provider, day]
        counts.attempts, counts.deferred = counts.attempts + sent, counts.deferred + deferred
    return days


def _add(counts: Counts, provider: str, kind: str, seen: Mapping[str, bool], n: int) -> None:
    """`seen`: did the letter count clicks and opens?"""
    field, tells = _FIELDS.get(kind, kind), provider in TELL_COMPLAINTS
    if seen.get(kind, True):
        setattr(counts, field, getattr(counts, field) + n)
    if kind == "complained" and tells:
        counts.told_complained += n
    if kind == "accepted":
        counts.told += n * tells
        counts.click_counted += n * seen["clicked"]
        counts.open_counted += n * seen["opened"]


@dataclass(frozen=True, slots=True)
class Row:
    """One provider, or one domain, with the shares that count there."""

    key: str
    counts: Counts
    shares: dict[str, float | None]
    score: Score | None
    by_day: Sequence[int] = ()

    @property
    def bars(self) -> list[tuple[str, str, str]]:
        """Accepted by day as bars in a field of 90 × 24: x, y, height."""
        top = max(self.by_day, default=0) or 1
        return [
            (f"{3 * n}", f"{24 - 24 * one / top:.1f}", f"{24 * one / top:.1f}")
            for n, one in enumerate(self.by_day)
            if one
        ]

    @property
    def tones(self) -> dict[str, str]:
        return {part.factor.key: part.tone for part in self.score.parts} if self.score else {}


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next. `gain` in points; `provider` where it is worst, empty: no single one."""

    key: str
    gain: float
    provider: str = ""
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Dashboard:
    days: Days
    counts: Counts
    score: Score | None
    before: Score | None
    over_time: list[tuple[date, int | None]]
    providers: list[Row]
    domains: list[Row]
    steps: list[Step]
    reported: int

    @property
    def change(self) -> int:
        """Points since a week ago; 0 where there was no score."""
        return self.score.value - self.before.value if self.score and self.before else 0

    @property
    def chart(self) -> Chart:
        """The score by day, from the first day that has one."""
        told = [(f"{day:%-d %b}", value) for day, value in self.over_time if value is not None]
        return chart_of([Point(day, value, f"{value}", f"{day}: {value}") for day, value in told])

    @property
    def by_day(self) -> list[tuple[date, list[int]]]:
        """Accepted by day and provider, the newest day first, without days on which nothing left."""
        last = self.over_time[-1][0]
        lines = [(last - timedelta(days=n), [row.by_day[DAYS - 1 - n] for row in self.providers]) for n in range(DAYS)]
        return [(day, numbers) for day, numbers in lines if any(numbers)]


def dashboard(*, now: datetime, zone: ZoneInfo, today: date, limits: Limits, domain: str = "") -> Dashboard:
    """Everything, of one domain or of all. The days before are scored with the lists and reports of today."""
    days, start = read_days(today=today, zone=zone), today - timedelta(days=DAYS)
    told = outside_figures.of_ours(now=now)
    authenticated, reported = authenticated_share(told, domain=domain)
    others = {"authenticated": authenticated, "quiet": quiet_share()}

    def scored(until: date) -> Score | None:
        counts = days.total(after=until - timedelta(days=DAYS), until=until, domain=domain)
        return score_of(counts, limits=limits, **others)

    chart = [today - timedelta(days=back) for back in range(CHART_DAYS - 1, -1, -1)]
    counts = days.total(after=start, until=today, domain=domain)
    score = score_of(counts, limits=limits, **others)
    providers = [
        _row(key, days, start, today, limits, domain, provider=key)
        for key in days.providers(after=start, domain=domain)
    ]
    domains = [
        _row(
            name,
            days,
            start,
            today,
            limits,
            name,
            others={**others, "authenticated": authenticated_share(told, domain=name)[0]},
        )
        for name in days.domains(after=start)
    ]
    over_time = [(day, found.value if (found := scored(day)) else None) for day in chart]
    return Dashboard(
        days=days,
        counts=counts,
        score=score,
        before=scored(today - timedelta(days=7)),
        over_time=over_time,
        providers=providers[:MOST_PROVIDERS],
        domains=domains,
        steps=list(_steps(score, providers)),
        reported=reported,
    )


def authenticated_share(told: Mapping[str, tuple[int, int]], *, domain: str = "") -> tuple[float | None, int]:
    """Per cent of our messages that passed in receivers' reports (`outside_figures.of_ours`), and how many those were.

    With too few reports the records themselves count: 100 where they pass, 95 where they cannot be looked up, else 0.
    """
    sums = [told.get(domain, (0, 0))] if domain else told.values()
    messages, passed = sum(n for n, _ in sums), sum(ok for _, ok in sums)
    if messages >= REPORTED_ENOUGH:
        return 100 * passed / messages, messages
    states = list(SendingDomain.objects.filter(**({"name": domain} if domain else {})).values_list("state", flat=True))
    if domain or len(states) == 1:
        states = states[:1]
    else:
        states = [state for state in states if state != SendingDomain.State.NEW]
    worth = {SendingDomain.State.VERIFIED: 100.0, SendingDomain.State.UNSURE: 95.0}
    return (min(worth.get(SendingDomain.State(state), 0.0) for state in states) if states else None), messages


def _row(
    key: str,
    days: Days,
    start: date,
    today: date,
    limits: Limits,
    domain: str,
    provider: str = "",
    others: Mapping[str, float | None] | None = None,
) -> Row:
    counts = days.total(after=start, until=today, domain=domain, provider=provider)
    by_day: dict[date, int] = defaultdict(int)
    for (one, at, day), each in days.by.items():
        if day > start and (not domain or one == domain) and (not provider or at == provider):
            by_day[day] += each.accepted
    line = [by_day[start + timedelta(days=n)] for n in range(1, DAYS + 1)]
    return Row(key, counts, counts.shares(), score_of(counts, limits=limits, **(others or {})), line)


def _steps(score: Score | None, providers: Iterable[Row]) -> Iterator[Step]:
    """What is missing, the most points first, with the provider where it is worst."""
    if score is None:
        return
    rows = [row for row in providers if row.score is not None]
    for part in sorted(score.parts, key=lambda part: -part.gain):
        if part.gain < 0.5:
            return
        key, worse = part.factor.key, part.good < part.bad
        told = [(share, row.key) for row in rows if (share := row.shares.get(key)) is not None]
        share, provider = (max(told) if worse else min(told)) if told else (None, "")
        yield Step(key, part.gain, provider, share)


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A campaign's figures at one provider: each has its list of people."""

    campaign_id: int
    name: str
    launched_at: datetime
    counts: dict[str, int]

    @property
    def cells(self) -> list[tuple[str, int]]:
        """Lists of people that can be opened, with their lengths."""
        return [(topic, self.counts.get(topic, 0)) for topic in LISTS]


_CAMPAIGNS = """
SELECT k.id, k.name, m.launched_at, c.kind, sum(c.n)::bigint
FROM sending_mailing m JOIN campaigns_campaign k ON k.mailing_id = m.id
JOIN sending_mailingcount c ON c.mailing_id = m.id
JOIN reputation_sendingdomain d ON d.id = m.sending_domain_id
WHERE m.launched_at >= %(since)s AND NOT m.is_test AND (%(provider)s = '' OR c.provider = %(provider)s)
  AND (%(domain)s = '' OR d.name = %(domain)s)
GROUP BY 1, 2, 3, 4 ORDER BY m.launched_at DESC, 1
"""


def campaigns_at(*, today: date, zone: ZoneInfo, provider: str, domain: str = "") -> list[CampaignRow]:
    """The campaigns behind the figures of the last 30 days at a provider (empty: all), the newest first."""
    since = today - timedelta(days=DAYS - 1)
    midnight = datetime(since.year, since.month, since.day, tzinfo=zone)
    found: dict[int, CampaignRow] = {}
    with connection.cursor() as cursor:
        cursor.execute(_CAMPAIGNS, {"since": midnight, "provider": provider, "domain": domain})
        for key, name, launched_at, kind, n in cursor.fetchall():
            found.setdefault(key, CampaignRow(key, name, launched_at, {})).counts[kind] = n
    return list(found.values())
