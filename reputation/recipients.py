"""What DNS says of the domains people have their mail at.

A row is *unknown* until DNS has answered; a failed look-up keeps what was known and tries again later. Only a name that
surely does not exist, or says that it takes no mail, is recorded as bad, and only `confirmed_bad` may be acted upon.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F

from reputation import catalogue, resolver
from reputation.models import RecipientDomain
from reputation.pure.catalogue import UNKNOWN, site_name
from reputation.resolver import CouldNotLookUp, Found, NotFound

State = RecipientDomain.State

THREADS = 20
LEASE = timedelta(minutes=2)
SHORTEST, LONGEST = timedelta(minutes=5), timedelta(hours=24)
# A vanished domain is asked more often than its own TTL says: registrars do make mistakes.
BAD_AGAIN = timedelta(hours=4)
BACKOFF_FIRST, BACKOFF_LONGEST = timedelta(minutes=1), timedelta(hours=2)
CONFIRM_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Learned:
    """What one round of questions said about a domain. `state` None: it could not be looked up, `error` says why."""

    state: str | None
    mx: tuple[str, ...] = ()
    ttl: int = 0
    error: str = ""


def learn(*, now: datetime, domains: Iterable[str]) -> int:
    """Make rows for domains not seen before, due for their first look-up; returns how many were new.

    Domains in A-label form, lower case. Safe to repeat and to run at once from several places.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LEARN, [now, sorted(set(domains))])
        return int(cursor.rowcount)


# An import brings a hundred thousand domains: as model instances they took 20 s. Sorted, so that two imports that share
# domains wait for each other and never deadlock.
_LEARN = """
INSERT INTO reputation_recipientdomain (domain, state, provider, site, mx, expires_at, n_failures, last_error)
SELECT domain, 'unknown', 'unknown', '', '{}', %s, 0, '' FROM unnest(%s::varchar[]) AS domain
ON CONFLICT (domain) DO NOTHING
"""


def known(domains: Collection[str]) -> dict[str, RecipientDomain]:
    """The rows there are, by domain. Reads the database only."""
    return {row.domain: row for row in RecipientDomain.objects.filter(domain__in=domains)}


def lookup(*, now: datetime, domain: str) -> RecipientDomain:
    """The row of a domain, asking DNS first when it is unknown or has expired.

    Its `mx` is in order of preference. Takes seconds at worst; raises RuntimeError inside a transaction.
    """
    row, _ = RecipientDomain.objects.get_or_create(domain=domain, defaults={"expires_at": now})
    if row.expires_at is None or row.expires_at <= now:
        _store(now, domain, ask(domain))
        row.refresh_from_db()
    return row


def refresh(*, now: datetime, limit: int = 500) -> int:
    """Look up domains that are due, oldest first; returns how many were. More than `limit` may be waiting.

    1. Claim: push their due time by a lease, so that another refresher leaves them alone.
    2. Ask DNS in threads, outside any transaction.
    3. Store each answer by itself. A refresher that died leaves rows that are due again when the lease ends.
    """
    domains = _claim(now, limit)
    with ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="mx") as pool:
        for domain, learned in zip(domains, pool.map(ask, domains), strict=True):
            _store(now, domain, learned)
    return len(domains)


def ask(domain: str) -> Learned:
    """Ask DNS where a domain takes its mail (RFC 5321, section 5.1; null MX: RFC 7505). Touches no database."""
    match resolver.lookup(domain, "MX"):
        case CouldNotLookUp(reason):
            return Learned(None, error=reason)
        case NotFound(exists=False):
            return Learned(State.NOT_FOUND, error="The domain does not exist.")
        case NotFound():
            return _implicit(domain)
        case Found(records, ttl):
            hosts = _by_preference(records)
            if hosts:
                return Learned(State.OK, mx=hosts, ttl=ttl)
            return Learned(State.NO_MAIL, error="The domain says that it takes no mail (null MX).")


def confirmed_bad(row: RecipientDomain) -> bool:
    """Is a domain surely bad: not found, or without mail, at two look-ups at least 24 hours apart?"""
    if row.state not in {State.NO_MAIL, State.NOT_FOUND} or not row.bad_since or not row.checked_at:
        return False
    return row.checked_at - row.bad_since >= CONFIRM_AFTER


def provider_shares(domains: Mapping[str, int]) -> dict[str, int]:
    """People by provider key, from people by domain. For forecasts: where DNS was not asked yet, well-known domains
    are guessed and the rest is `unknown`.
    """
    rows = known(domains.keys())
    guess = catalogue.catalogue().guess
    shares: Counter[str] = Counter()
    for domain, people in domains.items():
        row = rows.get(domain)
        shares[row.provider if row and row.provider != UNKNOWN else guess(domain)] += people
    return dict(shares)


def _claim(now: datetime, limit: int) -> list[str]:
    due = RecipientDomain.objects.filter(expires_at__lte=now).order_by("expires_at")
    with transaction.atomic():
        # SKIP LOCKED: a second refresher takes the next ones instead of waiting for these.
        claim = due.select_for_update(skip_locked=True, no_key=True)[:limit]
        domains = [row.domain for row in claim.only("domain")]
        RecipientDomain.objects.filter(domain__in=domains).update(expires_at=now + LEASE)
    return domains


def _implicit(domain: str) -> Learned:
    addresses = resolver.addresses(domain)
    if isinstance(addresses, CouldNotLookUp):
        return Learned(None, error=addresses.reason)
    if addresses:
        return Learned(State.OK, mx=(domain,), ttl=int(LONGEST.total_seconds()))
    return Learned(State.NO_MAIL, error="The domain has neither an MX record nor an address.")


def _by_preference(records: Sequence[str]) -> tuple[str, ...]:
    split = (record.split(" ", 1) for record in records)
    ranked = sorted((int(preference), host) for preference, host in split if host != ".")
    return tuple(dict.fromkeys(host[:253] for _, host in ranked))


def _store(now: datetime, domain: str, learned: Learned) -> None:
    rows = RecipientDomain.objects.filter(domain=domain)
    match learned.state:
        case None:
            _store_failure(now, rows.get(), learned.error)
        case State.OK:
            rows.update(
                state=State.OK,
                provider=catalogue.provider_of(learned.mx, domain),
                site=site_name(learned.mx),
                mx=list(learned.mx),
                expires_at=now + min(max(timedelta(seconds=learned.ttl), SHORTEST), LONGEST),
                bad_since=None,
                **_answered(now),
            )
        case bad:
            rows.filter(bad_since=None).update(bad_since=now)
            rows.update(state=bad, mx=[], site="", expires_at=now + BAD_AGAIN, **_answered(now, learned.error))


def _answered(now: datetime, error: str = "") -> dict[str, object]:
    return {"checked_at": now, "n_failures": 0, "last_error": error}


def _store_failure(now: datetime, row: RecipientDomain, error: str) -> None:
    """Nothing that was known changes; the next try waits longer each time."""
    wait = min(BACKOFF_FIRST * 2 ** min(row.n_failures, 10), BACKOFF_LONGEST)
    RecipientDomain.objects.filter(pk=row.pk).update(
        n_failures=F("n_failures") + 1, last_error=error[:200], expires_at=now + wait
    )
