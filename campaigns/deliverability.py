"""What the deliverability page shows: the score of 30 days from counters, what moves it most, and what happened.

Outcomes come from the campaigns' own counters, so each figure is the sum of lists that can be opened; attempts that
were put off come from the budgets' day tallies. Nothing here reads a delivery.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from audiences.quiet import quiet_share
from campaigns.pure.chart import Chart, Point, chart_of
from campaigns.pure.score import Counts, Limits, Score, score_of
from reputation import outside_figures
from reputation.models import SendingDomain

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
LISTS = ("accepted", "bounced_hard", "deferred", "complained", "unsubscribed", "clicked", "opened")

# Summed by the database: by day for the chart, and of the last days by provider and by domain.
_COUNTS = """
WITH m AS MATERIALIZED (
    SELECT m.id, d.name AS domain, (m.launched_at AT TIME ZONE %(zone)s)::date AS day,
           coalesce(l.clicks, k.track_clicks) AS clicks, coalesce(l.opens, k.track_opens) AS opens
    FROM sending_mailing m JOIN campaigns_campaign k ON k.mailing_id = m.id
    JOIN reputation_sendingdomain d ON d.id = m.sending_domain_id
    -- As it left: the workspace may have counted neither, whatever the campaign says.
    LEFT JOIN LATERAL (SELECT bool_or((compiled->>'track_clicks')::bool) AS clicks,
                              bool_or((compiled->>'track_opens')::bool) AS opens
                       FROM sending_mailingmessage WHERE mailing_id = m.id) l ON true
    WHERE m.launched_at >= %(since)s AND NOT m.is_test
), c AS MATERIALIZED (
    SELECT m.domain, m.day, c.provider, c.kind, m.clicks, m.opens, sum(c.n) AS n
    FROM m JOIN sending_mailingcount c ON c.mailing_id = m.id
    WHERE c.kind IN ('accepted', 'bounced_hard', 'complained', 'unsubscribed', 'clicked', 'opened')
    GROUP BY 1, 2, 3, 4, 5, 6
)
SELECT 'day', '', day, provider = ANY(%(tell)s) AS tells, kind, clicks, opens, sum(n)::bigint FROM c
WHERE %(domain)s IN ('', domain) GROUP BY 3, 4, 5, 6, 7
UNION ALL
SELECT 'provider', provider, NULL, provider = ANY(%(tell)s), kind, clicks, opens, sum(n)::bigint FROM c
WHERE day > %(start)s AND %(domain)s IN ('', domain) GROUP BY 2, 5, 6, 7
UNION ALL
SELECT 'domain', domain, NULL, provider = ANY(%(tell)s) AS tells, kind, clicks, opens, sum(n)::bigint FROM c
WHERE day > %(start)s GROUP BY 2, 4, 5, 6, 7
UNION ALL
SELECT 'provider line', provider, day, false, kind, false, false, sum(n)::bigint FROM c
WHERE day > %(start)s AND kind = 'accepted' AND %(domain)s IN ('', domain) GROUP BY 2, 3, 5
UNION ALL
SELECT 'domain line', domain, day, false, kind, false, false, sum(n)::bigint FROM c
WHERE day > %(start)s AND kind = 'accepted' GROUP BY 2, 3, 5
"""
_ATTEMPTS = """
WITH t AS MATERIALIZED (
    SELECT b.scope AS domain, b.provider, t.day, sum(t.sent) AS sent, sum(t.deferred) AS deferred
    FROM reputation_budget b JOIN reputation_daytally t ON t.budget_id = b.id
    WHERE b.kind = 'dkim_domain' AND t.day >= %(first)s GROUP BY 1, 2, 3
)
SELECT 'day', '', day, sum(sent)::bigint, sum(deferred)::bigint FROM t WHERE %(domain)s IN ('', domain) GROUP BY 3
UNION ALL
SELECT 'provider', provider, NULL, sum(sent)::bigint, sum(deferred)::bigint FROM t
WHERE day > %(start)s AND day <= %(today)s AND %(domain)s IN ('', domain) GROUP BY 2
UNION ALL
SELECT 'domain', domain, NULL, sum(sent)::bigint, sum(deferred)::bigint FROM t
WHERE day > %(start)s AND day <= %(today)s GROUP BY 2
"""
_FIELDS = {"accepted": "accepted", "bounced_hard": "bounced", "complained": "complained", "unsubscribed": "left"}


def _counts() -> "defaultdict[str, Counts]":
    return defaultdict(Counts)


@dataclass(slots=True)
class Days:
    """Counts by day of launch; by provider and by domain those of the last DAYS, with what was accepted each day."""

    by_day: dict[date, Counts] = field(default_factory=lambda: defaultdict(Counts))
    by_provider: dict[str, Counts] = field(default_factory=_counts)
    by_domain: dict[str, Counts] = field(default_factory=_counts)
    lines: dict[tuple[str, str], dict[date, int]] = field(default_factory=lambda: defaultdict(dict))

    def total(self, *, until: date) -> Counts:
        """Of DAYS up to and with `until`."""
        found = Counts()
        for back in range(DAYS):
            if (counts := self.by_day.get(until - timedelta(days=back))) is not None:
                found.add(counts)
        return found

    @property
    def providers(self) -> list[str]:
        """The most messages first."""
        tried = {key: counts.tried for key, counts in self.by_provider.items() if counts.tried}
        return sorted(tried, key=lambda key: -tried[key])

    @property
    def domains(self) -> list[str]:
        return sorted(key for key, counts in self.by_domain.items() if counts.tried)

    def of(self, what: str, key: str, day: date | None) -> Counts:
        if what == "day" and day is not None:
            return self.by_day[day]
        return (self.by_provider if what == "provider" else self.by_domain)[key]


def read_days(*, today: date, zone: ZoneInfo, domain: str = "") -> Days:
    """All counters that the page needs, of one domain or of all, in two statements. `by_domain` is of all anyhow."""
    days = Days()
    since = today - timedelta(days=DAYS + CHART_DAYS)
    params: dict[str, Any] = {
        "zone": zone.key,
        "since": datetime(since.year, since.month, since.day, tzinfo=zone),
        "first": since,
        "start": today - timedelta(days=DAYS),
        "today": today,
        "domain": domain,
        "tell": list(TELL_COMPLAINTS),
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, params)
        for what, key, day, tells, kind, clicks, opens, n in cursor.fetchall():
            if what.endswith(" line"):
                days.lines[what, key][day] = n
            else:
                _add(days.of(what, key, day), tells, kind, {"clicked": clicks, "opened": opens}, n)
        cursor.execute(_ATTEMPTS, params)
        for what, key, day, sent, deferred in cursor.fetchall():
            counts = days.of(what, key, day)
            counts.attempts, counts.deferred = counts.attempts + sent, counts.deferred + deferred
    return days


def _add(counts: Counts, tells: bool, kind: str, seen: Mapping[str, bool], n: int) -> None:
    """`tells`: does the provider tell complaints? `seen`: did the letter count clicks and opens?"""
    field = _FIELDS.get(kind, kind)
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
    days = read_days(today=today, zone=zone, domain=domain)
    told = outside_figures.of_ours(now=now)
    authenticated, reported = authenticated_share(told, domain=domain)
    others = {"authenticated": authenticated, "quiet": quiet_share()}

    def scored(until: date) -> Score | None:
        return score_of(days.total(until=until), limits=limits, **others)

    chart = [today - timedelta(days=back) for back in range(CHART_DAYS - 1, -1, -1)]
    counts = days.total(until=today)
    score = score_of(counts, limits=limits, **others)
    providers = [
        _row(key, days.by_provider[key], days.lines["provider line", key], today, limits) for key in days.providers
    ]
    domains = [
        _row(
            name,
            days.by_domain[name],
            days.lines["domain line", name],
            today,
            limits,
            {**others, "authenticated": authenticated_share(told, domain=name)[0]},
        )
        for name in days.domains
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
    counts: Counts,
    by_day: Mapping[date, int],
    today: date,
    limits: Limits,
    others: Mapping[str, float | None] | None = None,
) -> Row:
    line = [by_day.get(today - timedelta(days=back), 0) for back in range(DAYS - 1, -1, -1)]
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
