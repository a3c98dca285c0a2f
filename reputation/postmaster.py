"""Figures of mailbox providers about us: taken in from files, and shown beside our own."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Sum

from reputation.models import Budget, DayTally, PostmasterFigure, SendingAddress, SendingDomain
from reputation.pure.postmaster_files import Figure, Unreadable, read_csv

DAYS = 30
KEEP = timedelta(days=400)
# Whose figures they are, as the catalogue names the provider.
PROVIDERS = {"snds": "microsoft", "google": "google", "yahoo": "yahoo"}


def take_file(*, now: datetime, data: bytes, source: str, domain: str = "") -> int:
    """Keep the figures of a file; returns how many. A day that came before is told anew. Raises Unreadable."""
    figures = read_csv(data, source=source, domain=domain)
    _about_us(figures, source)
    keep(now=now, source=source, figures=figures)
    return len(figures)


def keep(*, now: datetime, source: str, figures: Sequence[Figure]) -> None:
    PostmasterFigure.objects.bulk_create(
        [
            PostmasterFigure(
                source=source,
                subject=one.subject,
                day=one.day,
                complaints=one.complaints,
                messages=one.messages,
                colour=one.colour,
                traps=one.traps,
                taken_at=now,
            )
            for one in figures
        ],
        update_conflicts=True,
        unique_fields=["source", "subject", "day"],
        update_fields=["complaints", "messages", "colour", "traps", "taken_at"],
        batch_size=1000,
    )


def prune(*, now: datetime) -> None:
    """Forget figures after 400 days."""
    PostmasterFigure.objects.filter(day__lt=(now - KEEP).date()).delete()


def _about_us(figures: Sequence[Figure], source: str) -> None:
    if source == PostmasterFigure.Source.SNDS:
        ours = set(SendingAddress.objects.values_list("ip", flat=True))
        what = "sending address"
    else:
        ours = set(SendingDomain.objects.values_list("name", flat=True))
        what = "sending domain"
    strangers = sorted({one.subject for one in figures} - ours)
    if strangers:
        raise Unreadable(f"{strangers[0]} is no {what} here. Take its lines out, or add it first.")


@dataclass(frozen=True, slots=True)
class Line:
    """A provider's word about one day, with what we counted there on it: accepted, and complaints in per cent."""

    figure: PostmasterFigure
    accepted: int | None
    complained: float | None


def lines(*, today: date) -> list[Line]:
    """The figures of 30 days, the newest first for each source and subject."""
    since = today - timedelta(days=DAYS)
    figures = list(PostmasterFigure.objects.filter(day__gt=since))
    counted: dict[tuple[str, str, date], tuple[int, int]] = defaultdict(lambda: (0, 0))
    tallies = DayTally.objects.filter(
        budget__kind__in=[Budget.Kind.IP, Budget.Kind.DKIM_DOMAIN],
        budget__scope__in={one.subject for one in figures},
        budget__provider__in=PROVIDERS.values(),
        day__gt=since,
    )
    rows = tallies.values_list("budget__scope", "budget__provider", "day")
    for scope, provider, day, accepted, complained in rows.annotate(a=Sum("accepted"), c=Sum("complained")):
        counted[scope, provider, day] = (accepted, complained)
    return [_line(one, *counted[one.subject, PROVIDERS[one.source], one.day]) for one in figures]


def _line(figure: PostmasterFigure, accepted: int, complained: int) -> Line:
    # Gmail tells no complaint to anybody: nothing of ours to set beside it.
    told = accepted and figure.source != PostmasterFigure.Source.GOOGLE
    return Line(figure, accepted, 100 * complained / accepted if told else None)
