"""Asking blocklists about our addresses and names, and about the hosts in letters.

A list is believed only after its own test entries came out right (RFC 5782), in the same round. Each thing is asked
about hourly, sooner while a listing is not sure yet, and at once when a receiver names a blocklist. A listing counts
once it was seen twice, ten minutes apart.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from reputation import findings, resolver
from reputation.catalogue import registrable
from reputation.findings import Check, Owner
from reputation.models import BudgetChange, Finding, LinkHost, SendingAddress, SendingDomain
from reputation.pure import blocklists
from reputation.pure.blocklists import Blocklist, Verdict
from reputation.resolver import CouldNotLookUp, Found

T = TypeVar("T")

FILE = Path(__file__).with_name("blocklists.toml")
PREFIX = "list_"
ALL, NONE = "all", "none"
THREADS = 8
CHECK_EVERY = timedelta(hours=1)
SPREAD_MINUTES = 30  # so that not everything is asked about in the same minute
WHILE_UNSURE = timedelta(minutes=10)
MOST_AT_ONCE = 50

# Why each list may not be believed just now; empty when it may.
Trust = Mapping[tuple[str, str], str]


@cache
def known() -> dict[str, Blocklist]:
    """The lists of blocklists.toml by key. Raises pure.blocklists.BlocklistError; the system check has said so."""
    return blocklists.load(FILE.read_text(encoding="utf-8"))


def asked() -> list[Blocklist]:
    """The lists that DNSBL_LISTS names, in the order of the table."""
    wanted = settings.DNSBL_LISTS
    return [row for key, row in known().items() if ALL in wanted or key in wanted]


def list_of(check_name: str) -> Blocklist | None:
    """The list a finding is about, if it is about one."""
    return known().get(check_name.removeprefix(PREFIX)) if check_name.startswith(PREFIX) else None


def watch(*, hosts: Iterable[str], until: datetime) -> None:
    """Let blocklists be asked about hosts in letters, from now on and until then."""
    rows = [LinkHost(name=host[:253], wanted_until=until) for host in sorted({host.lower() for host in hosts})]
    LinkHost.objects.bulk_create(rows, update_conflicts=True, unique_fields=["name"], update_fields=["wanted_until"])


def check(*, now: datetime, about: Owner) -> None:
    """Ask every list about one thing and store what it says; about ten seconds at worst."""
    _check(now, [about])


def check_all(*, now: datetime) -> None:
    """Ask about everything whose turn it is, fifty things at most; the rest waits for the next call."""
    things: list[Owner] = [
        *SendingAddress.objects.prefetch_related("findings").order_by("id"),
        *SendingDomain.objects.prefetch_related("findings").order_by("id"),
        *LinkHost.objects.filter(wanted_until__gte=now).prefetch_related("findings"),
    ]
    told = _told_lately(now)
    due = [thing for thing in things if _is_due(thing, now, told.get(str(thing)))]
    _check(now, due[:MOST_AT_ONCE])


def _told_lately(now: datetime) -> dict[str, datetime]:
    """Scope → when a receiver last refused us because of a blocklist. Which one it meant, the lists say at once."""
    told = BudgetChange.objects.filter(at__gt=now - CHECK_EVERY, evidence__contains={"class": "blocklist"})
    return dict(told.values_list("budget__scope").annotate(last=Max("at")))


def _is_due(about: Owner, now: datetime, told_at: datetime | None = None) -> bool:
    """Hourly; sooner while a listing is not sure, and when a receiver spoke of one since."""
    rows = [row for row in about.findings.all() if row.check_name.startswith(PREFIX)]
    if not rows:
        return any(_subjects(about, row) for row in asked())
    unsure = any(row.result == Finding.Result.FAIL and not row.confirmed for row in rows)
    if told_at is not None and min(row.checked_at for row in rows) < told_at:
        return True
    jitter = timedelta(minutes=zlib.crc32(str(about).encode()) % SPREAD_MINUTES)
    return now - min(row.checked_at for row in rows) >= (WHILE_UNSURE if unsure else CHECK_EVERY + jitter)


def _check(now: datetime, things: Sequence[Owner]) -> None:
    lists = asked()
    if not things:
        return
    kinds = {blocklists.kind_of(name) for thing in things for row in lists for name in _subjects(thing, row)}
    trust = _trust([(row, kind) for row in lists for kind in sorted(row.kinds & kinds)])
    for thing in things:
        wanted = [(row, names) for row in lists if (names := _subjects(thing, row))]
        checks = _at_once([partial(_ask_about, row, names, trust) for row, names in wanted])
        current = {check.name for check in checks}
        with transaction.atomic():
            type(thing)._default_manager.select_for_update(no_key=True).filter(pk=thing.pk).first()
            old = thing.findings.filter(check_name__startswith=PREFIX).exclude(check_name__in=current)
            gone = list(old.values_list("check_name", flat=True))
            findings.store(now=now, about=thing, checks=checks, gone=gone)


def _subjects(about: Owner, row: Blocklist) -> list[str]:
    """What a list is asked about a thing: an address as it is; names, and what somebody registered of each."""
    if isinstance(about, SendingAddress):
        names = [about.ip]
    elif isinstance(about, LinkHost):
        names = _and_registered([about.name])
    else:
        names = _and_registered([about.name, about.return_path_host, urlsplit(settings.PUBLIC_URL).hostname or ""])
    return [name for name in names if blocklists.kind_of(name) in row.kinds and blocklists.is_worth_asking(name)]


def _and_registered(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(each for name in names if name for each in (name.lower(), registrable(name.lower()))))


def _trust(wanted: Sequence[tuple[Blocklist, str]]) -> Trust:
    public = resolver.public_resolver()
    if public:
        why = (
            f"the name server {public} serves the whole public, and blocklists do not answer it truly; "
            "ask through a resolver of your own (DNSBL_SERVERS)"
        )
        # With a key of their own the lists know who asks.
        refused = {(row.key, kind): why for row, kind in wanted if not _has_key(row)}
    else:
        refused = {}
    open_ones = [(row, kind) for row, kind in wanted if (row.key, kind) not in refused]
    reasons = _at_once([partial(_self_test, row, kind) for row, kind in open_ones])
    return {**refused, **{(row.key, kind): why for (row, kind), why in zip(open_ones, reasons, strict=True)}}


def _self_test(row: Blocklist, kind: str) -> str:
    listed, clean = row.tests[kind]
    return blocklists.unusable(_ask(row, listed), _ask(row, clean))


def _ask_about(row: Blocklist, names: Sequence[str], trust: Trust) -> Check:
    """One list's finding about a thing: listed when one of its names is, unknown when one could not be looked up."""
    why = next((reason for name in names if (reason := trust[row.key, blocklists.kind_of(name)])), "")
    verdicts = {} if why else {name: _ask(row, name) for name in names}
    listed = {name: verdict for name, verdict in verdicts.items() if verdict and verdict.result == "fail"}
    unclear = [verdict for verdict in verdicts.values() if verdict is None or verdict.result == "unknown"]
    make = partial(Check, f"{PREFIX}{row.key}", required=False, record_name=row.zone, record_type="A")
    if listed:
        weight = min((verdict.weight for verdict in listed.values()), key=blocklists.WEIGHTS.index)
        found = "\n".join(f"{name}: {verdict.words}" for name, verdict in listed.items())
        detail = f"{', '.join(listed)} is on {row.name}. See why, and ask to be taken off, at {row.more}"
        return make(result=Finding.Result.FAIL, found=found, detail=detail, weight=weight)
    if why or unclear:
        words = why or (unclear[0].words if unclear[0] else "there was no answer")
        detail = f"{row.name} could not be asked: {words}."
        return make(result=Finding.Result.UNKNOWN, detail=detail, weight=row.weight)
    return make(result=Finding.Result.PASS, found=f"{', '.join(names)}: not listed", weight=row.weight)


def _ask(row: Blocklist, subject: str) -> Verdict | None:
    """What a list says of an address or a name; None when it could not be looked up."""
    zone = row.with_key.format(key=settings.SPAMHAUS_KEY) if _has_key(row) else row.zone
    match resolver.ask_blocklist(row.question(subject, zone)):
        case CouldNotLookUp():
            return None
        case Found(records):
            return blocklists.read(records, row)
    return blocklists.read([], row)


def _has_key(row: Blocklist) -> bool:
    return bool(row.with_key and settings.SPAMHAUS_KEY)


def _at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    with ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="dnsbl") as pool:
        return list(pool.map(lambda call: call(), calls))
