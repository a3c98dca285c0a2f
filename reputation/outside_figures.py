"""What receivers reported of the last 30 days, beside what we counted ourselves."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db.models import F, Q, QuerySet, Sum

from reputation.models import Budget, DayTally, DmarcTally, OutsideReport, SendingAddress, TlsTally

DAYS = 30
MOST_SOURCES = 50
# Organisations and domains on a page.
MOST_TOLD = 200


@dataclass(slots=True)
class Told:
    """One domain at one organisation. `ours`: what we counted as accepted there on the days that were reported."""

    domain: str
    organisation: str
    provider: str
    messages: int = 0
    passed: int = 0
    dkim: int = 0
    spf: int = 0
    days: set[date] = field(default_factory=set)
    ours: int | None = None

    @property
    def failed(self) -> int:
        return self.messages - self.passed

    @property
    def share(self) -> float | None:
        """Per cent that passed."""
        return 100 * self.passed / self.messages if self.messages else None


@dataclass(frozen=True, slots=True)
class Source:
    """An address that mail came from in a domain's name. `ours`: one of our sending addresses."""

    ip: str
    header_from: str
    messages: int
    passed: int
    ours: bool

    @property
    def failed(self) -> int:
        return self.messages - self.passed


@dataclass(frozen=True, slots=True)
class TlsTold:
    domain: str
    organisation: str
    succeeded: int
    failed: int
    failures: tuple[tuple[str, int], ...]


_PASSED = Q(dkim=True) | Q(spf=True)


def by_receiver(*, now: datetime) -> list[Told]:
    """Domain by domain, receiver by receiver, the most messages first; the MOST_TOLD largest."""
    told: dict[tuple[str, str], Told] = {}
    names = ("header_from", "report__organisation", "report__provider", "report__begins_at", "report__ends_at")
    rows = _recent(now).values_list(*names).annotate(n=Sum("messages"), ok=Sum("messages", filter=_PASSED, default=0))
    rows = rows.annotate(
        k=Sum("messages", filter=Q(dkim=True), default=0), s=Sum("messages", filter=Q(spf=True), default=0)
    )
    for domain, organisation, provider, begins, ends, n, ok, dkim, spf in rows:
        one = told.setdefault((domain, organisation), Told(domain, organisation, provider))
        one.messages, one.passed, one.dkim, one.spf = one.messages + n, one.passed + ok, one.dkim + dkim, one.spf + spf
        one.days.update(days_between(begins, ends))
    most = sorted(told.values(), key=lambda one: -one.messages)[:MOST_TOLD]
    _count_ours(most)
    return sorted(most, key=lambda one: (one.domain, -one.messages, one.organisation))


def days_between(begins: datetime, ends: datetime) -> Iterable[date]:
    """The days (UTC) a report covers; an end at midnight is the end of the day before."""
    day, last = begins.date(), max(begins, ends - timedelta(seconds=1)).date()
    while day <= last:
        yield day
        day += timedelta(days=1)


def _count_ours(told: Iterable[Told]) -> None:
    """Ours are days of the workspace's zone, theirs of UTC: at the edges the two differ a little."""
    known = [one for one in told if one.provider]
    rows = DayTally.objects.filter(
        budget__kind=Budget.Kind.DKIM_DOMAIN,
        budget__scope__in={one.domain for one in known},
        budget__provider__in={one.provider for one in known},
        day__in={day for one in known for day in one.days},
    )
    counted: dict[tuple[str, str, date], int] = defaultdict(int)
    for scope, provider, day, accepted in rows.values_list("budget__scope", "budget__provider", "day", "accepted"):
        counted[scope, provider, day] += accepted
    for one in known:
        one.ours = sum(counted[one.domain, one.provider, day] for day in one.days)


def sources(*, now: datetime) -> list[Source]:
    """Who sends in our domains' names: what failed the most comes first."""
    ours = set(SendingAddress.objects.values_list("ip", flat=True))
    rows = _recent(now).values("source_ip", "header_from")
    rows = rows.annotate(n=Sum("messages"), ok=Sum("messages", filter=_PASSED, default=0))
    rows = rows.order_by(F("ok") - F("n"), "-n", "source_ip", "header_from")[:MOST_SOURCES]
    return [Source(row["source_ip"], row["header_from"], row["n"], row["ok"], row["source_ip"] in ours) for row in rows]


def of_ours(*, now: datetime) -> dict[str, tuple[int, int]]:
    """Domain → messages from our own addresses in its name, and how many of them passed."""
    ours = SendingAddress.objects.values("ip")
    rows = _recent(now).filter(source_ip__in=ours).values_list("header_from")
    counted = rows.annotate(n=Sum("messages"), ok=Sum("messages", filter=_PASSED, default=0)).order_by()
    return {domain: (n, ok) for domain, n, ok in counted}


def tls(*, now: datetime) -> list[TlsTold]:
    """Sessions of others to our return paths, by who reported them."""
    found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    kinds: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    rows = TlsTally.objects.filter(report__proven=True, report__ends_at__gte=now - timedelta(days=DAYS))
    names = ("domain", "report__organisation", "succeeded", "failed", "failures")
    for domain, organisation, succeeded, failed, failures in rows.order_by(*names[:2]).values_list(*names).iterator():
        key = (domain, organisation)
        found[key][0] += succeeded
        found[key][1] += failed
        for kind, sessions in failures.items():
            kinds[key][kind] += sessions
    return [
        TlsTold(domain, organisation, succeeded, failed, tuple(sorted(kinds[domain, organisation].items())))
        for (domain, organisation), (succeeded, failed) in list(found.items())[:MOST_TOLD]
    ]


def latest(*, organisation: str = "", most: int = 50) -> list[tuple[OutsideReport, int, int]]:
    """Reports without their files, the newest first, with their messages and how many of those passed."""
    found = OutsideReport.objects.defer("raw")
    if organisation:
        found = found.filter(organisation=organisation)
    reports = list(found[:most])
    sums = {
        report: (n, passed)
        for report, n, passed in DmarcTally.objects.filter(report__in=reports)
        .values_list("report")
        .annotate(n=Sum("messages"), ok=Sum("messages", filter=_PASSED, default=0))
    }
    return [(report, *sums.get(report.pk, (0, 0))) for report in reports]


def _recent(now: datetime) -> QuerySet[DmarcTally]:
    """Of reports that are proven to be by whom they say."""
    return DmarcTally.objects.filter(report__proven=True, report__ends_at__gte=now - timedelta(days=DAYS))
