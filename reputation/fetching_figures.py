"""Ask providers for their figures about us, once a day, with the key an admin entered; say what came of it."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from reputation import google_postmaster, postmaster, sealed, snds
from reputation.models import PostmasterAccess, PostmasterFigure, SendingAddress, SendingDomain
from reputation.pure import google_stats
from reputation.pure.told_figures import NoFigures, Told
from reputation.sealed import SealBroken

EVERY = timedelta(days=1)
SOON = timedelta(hours=1)
Source = PostmasterFigure.Source


def enter(*, now: datetime, source: str, secret: str, acts_for: str = "") -> PostmasterAccess:
    """Keep a key, sealed, in place of the one before; it is asked with at once. Raises Unreadable."""
    if source == Source.GOOGLE:
        key = google_stats.read_key(secret, acts_for=acts_for)
        name, kept = key.name, key.as_text()
    else:
        kept = secret.strip()
        snds.check_link(kept)
        name = snds.name_of(kept)
    row, _made = PostmasterAccess.objects.update_or_create(
        source=source,
        defaults={
            "secret_sealed": sealed.seal(kept, about=_about(source)),
            "name": name[:255],
            "entered_at": now,
            "next_at": now,
            "asked_at": None,
            "told_at": None,
            "figures": 0,
            "problem": "",
            "notes": [],
        },
    )
    return row


def fetch_due(*, now: datetime) -> int:
    """Ask with every key whose turn it is; returns how many. A key that lost its turn to another process is left."""
    due = list(PostmasterAccess.objects.filter(next_at__lte=now))
    return sum(fetch(now=now, row=row) for row in due)


def fetch(*, now: datetime, row: PostmasterAccess) -> bool:
    """Claim, ask, keep. False when another process, or a new key, was quicker."""
    mine = PostmasterAccess.objects.filter(pk=row.pk, next_at=row.next_at, entered_at=row.entered_at)
    if mine.update(next_at=now + EVERY, asked_at=now) != 1:
        return False
    try:
        told = _ask(now, row)
    except (NoFigures, SealBroken) as refusal:
        again = now + (SOON if isinstance(refusal, NoFigures) and refusal.soon else EVERY)
        _same(now, row).update(problem=str(refusal), notes=[], next_at=again)
        return True
    with transaction.atomic():
        postmaster.keep(now=now, source=row.source, figures=told.figures)
        _same(now, row).update(problem="", notes=list(told.notes), told_at=now, figures=len(told.figures))
    return True


def forget(*, source: str) -> None:
    """Throw a key away. The figures that came by it stay."""
    PostmasterAccess.objects.filter(source=source).delete()


def _ask(now: datetime, row: PostmasterAccess) -> Told:
    secret = sealed.unseal(row.secret_sealed, about=_about(row.source))
    if row.source == Source.SNDS:
        return snds.fetch(secret=secret, addresses=set(SendingAddress.objects.values_list("ip", flat=True)))
    names = list(SendingDomain.objects.order_by("name").values_list("name", flat=True))
    first, last = google_postmaster.days(now)
    return google_postmaster.fetch(now=now, secret=secret, domains=names, first=first, last=last)


def _same(now: datetime, row: PostmasterAccess) -> QuerySet[PostmasterAccess]:
    """The row, unless another key came in between."""
    return PostmasterAccess.objects.filter(pk=row.pk, entered_at=row.entered_at, asked_at=now)


def _about(source: str) -> str:
    return f"postmaster:{source}"
