"""Whether the links of letters work: asked in the background, a bounded number at a time, kept for each address.

What is asked about is in the letters that wait to be sent. Preflight reads what was found and asks nobody.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings

from campaigns.link_probe import Probed, probe
from campaigns.models import LinkCheck
from campaigns.pure import advice
from campaigns.pure.link_results import Result

# Of one letter; what it has beyond is not asked about.
MOST_LINKS = 50
# Of one round: twenty at eight at a time are done in under a minute, however slow they are.
AT_ONCE, THREADS = 20, 8
WATCH_FOR, KEEP_FOR = timedelta(days=2), timedelta(days=30)
AGAIN_AFTER = {Result.OK: timedelta(days=1), Result.BROKEN: timedelta(minutes=30), Result.UNKNOWN: timedelta(hours=3)}
# Nobody else takes a link that is being asked about.
TAKEN_FOR = timedelta(minutes=5)


def links_of(letter: str, kind: str) -> dict[str, int | None]:
    """Address → line of its first place: those that lead elsewhere and are the same for everybody."""
    if not settings.LINK_CHECKS:
        return {}
    own = urlsplit(settings.PUBLIC_URL).netloc
    found: dict[str, int | None] = {}
    for target, line in advice.targets_of(letter, kind):
        url = target.partition("#")[0]
        if len(url) <= LinkCheck.MOST_CHARACTERS and urlsplit(url).netloc != own:
            found.setdefault(url, line)
    return dict(list(found.items())[:MOST_LINKS])


def watch(*, now: datetime, urls: Iterable[str]) -> None:
    """Let these be asked about, at once when they are new, and again now and then while letters have them."""
    wanted = set(urls)
    known = LinkCheck.objects.filter(url__in=wanted, wanted_until__gt=now + WATCH_FOR / 2)
    new = wanted - set(known.values_list("url", flat=True))
    rows = [LinkCheck(url=url, due_at=now, wanted_until=now + WATCH_FOR) for url in sorted(new)]
    LinkCheck.objects.bulk_create(rows, update_conflicts=True, unique_fields=["url"], update_fields=["wanted_until"])


def check_due(*, now: datetime) -> int:
    """Ask about those whose turn it is, the longest due first; returns how many. The network is asked outside of any
    transaction."""
    due = LinkCheck.objects.filter(due_at__lte=now, wanted_until__gte=now).order_by("due_at", "pk")
    mine = [row for row in due[:AT_ONCE] if _take(row, now)]
    with ThreadPoolExecutor(THREADS) as threads:
        for row, found in zip(mine, threads.map(probe, [row.url for row in mine]), strict=True):
            _keep(row, found, now)
    return len(mine)


def _take(row: LinkCheck, now: datetime) -> bool:
    return LinkCheck.objects.filter(pk=row.pk, due_at=row.due_at).update(due_at=now + TAKEN_FOR) == 1


def _keep(row: LinkCheck, found: Probed, now: datetime) -> None:
    LinkCheck.objects.filter(pk=row.pk).update(
        result=found.result,
        status=found.status,
        why=found.why,
        checked_at=now,
        due_at=now + AGAIN_AFTER[found.result],
    )


def forget(*, now: datetime) -> None:
    LinkCheck.objects.filter(wanted_until__lt=now - KEEP_FOR).delete()
