"""Whose mailbox an address is: the provider, by what evidence, and what we may send there and why. For people."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from reputation.budgets import LIMITS, Limits, explain, steps_of
from reputation.catalogue import catalogue, registrable
from reputation.models import Budget, RecipientDomain
from reputation.pure.catalogue import OTHER, UNKNOWN, Provider

# Later steps win over earlier ones.
ORDER = ("catalogue", "set by hand", "warm-up", "state")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why the domain is the provider's. `by`: mx, registrable domain, domain list or nothing."""

    by: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the resolution of a limit: what the step says (None: nothing), and whether it is what applies."""

    step: str
    value: float | None
    source: str
    applies: bool


@dataclass(frozen=True, slots=True)
class Spending:
    """What one scope may send at the provider. `exists`: false for the catalogue's limits of a scope not met yet."""

    kind: str
    scope: str
    exists: bool
    state: str
    limits: dict[str, list[Step]]
    sentences: list[str]


def evidence_of(row: RecipientDomain) -> tuple[str, Evidence]:
    """(provider key, evidence): by the last MX answer; before there is one, by the list of well-known domains."""
    if row.provider != UNKNOWN:
        return row.provider, _by_mx(row)
    guess = catalogue().guess(row.domain)
    if guess == UNKNOWN:
        return guess, Evidence("nothing", "DNS has not answered yet, and the domain is on no list.")
    return guess, Evidence(
        "domain list", f"DNS has not answered yet; {row.domain} is on the list of [{guess}]. Good for forecasts only."
    )


def _by_mx(row: RecipientDomain) -> Evidence:
    hosts = list(row.mx)
    suffixes = {suffix for _, suffix in catalogue().by_rows(hosts) if suffix}
    if not row.provider.startswith(f"{OTHER}:"):
        below = ", ".join(sorted(suffixes)) or "a suffix that the catalogue has no more"
        return Evidence("mx", f"All {len(hosts)} MX hosts lie below {below}.")
    owners = sorted({registrable(host) for host in hosts})
    if len(owners) == 1:
        return Evidence("registrable domain", f"No row of the catalogue; all MX hosts belong to {owners[0]}.")
    mixed = " Some hosts are of a known provider, but not all." if suffixes else ""
    return Evidence(
        "registrable domain",
        f"Its MX hosts belong to {', '.join(owners) or 'nobody'}, so the domain stands for itself.{mixed}",
    )


def spending_at(provider: str, *, domain: str, now: datetime, zone: ZoneInfo) -> list[Spending]:
    """Every budget there is for the provider, else the catalogue's limits of an address new there and one warmed up."""
    kinds = Budget.objects.filter(provider=provider).exclude(kind=Budget.Kind.RECIPIENT_DOMAIN)
    own = Budget.objects.filter(provider=provider, kind=Budget.Kind.RECIPIENT_DOMAIN, scope=domain)
    met = [*kinds.select_related("warmup").order_by("kind", "scope"), *own.select_related("warmup")]
    found = [_spending(budget, budget.scope, exists=True, now=now, zone=zone) for budget in met]
    if found:
        return found
    row = catalogue().get(provider)
    new = [("an address new there", Budget.Kind.IP, True), ("an address warmed up", Budget.Kind.IP, False)]
    if _has_site_limits(row):
        new += [(f"{domain}, from a new address", Budget.Kind.RECIPIENT_DOMAIN, True)]
        new += [(f"{domain}, warmed up", Budget.Kind.RECIPIENT_DOMAIN, False)]
    return [
        _spending(Budget(kind=kind, scope=domain, provider=provider), name, exists=False, now=now, zone=zone, cold=cold)
        for name, kind, cold in new
    ]


def _has_site_limits(row: Provider) -> bool:
    return any(value is not None for value in asdict(row.site_warm).values())


def _spending(
    budget: Budget, name: str, *, exists: bool, now: datetime, zone: ZoneInfo, cold: bool = False
) -> Spending:
    steps = steps_of(budget, now=now, zone=zone, cold=cold)
    return Spending(
        kind=budget.get_kind_display(),
        scope=name,
        exists=exists,
        state=budget.state,
        limits={limit: found for limit in LIMITS if (found := _resolution(limit, steps))},
        sentences=explain(budget, now=now, zone=zone, cold=cold),
    )


def _resolution(limit: str, steps: Iterable[tuple[str, Limits]]) -> list[Step]:
    """The steps that had something to say of a limit, in their order; the last one applies."""
    said: list[tuple[str, float | None, str]] = []
    for step, limits in steps:
        value: float | None = getattr(limits, limit)
        if value is not None and (not said or said[-1][1] != value or _changed_hands(said[-1], limits, limit)):
            source = limits.sources.get(limit, "")
            said.append((step, value, limits.reason if step == "state" else source))
    return [Step(*one, applies=number == len(said) - 1) for number, one in enumerate(said)]


def _changed_hands(before: tuple[str, float | None, str], limits: Limits, limit: str) -> bool:
    return limits.state == Budget.State.OPEN and before[2] != limits.sources.get(limit, "")


def as_json(address: str, row: RecipientDomain, *, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """All of it, for programs. Times are ISO 8601."""
    key, evidence = evidence_of(row)
    provider = catalogue().get(key)
    return {
        "address": address,
        "domain": row.domain,
        "provider": key,
        "name": catalogue().title(key),
        "evidence": {
            "by": evidence.by,
            "words": evidence.sentence,
            "mx": list(row.mx),
            "site": row.site,
            "state": row.state,
            "looked_up": row.checked_at.isoformat() if row.checked_at else None,
            "looked_up_again": row.expires_at.isoformat() if row.expires_at else None,
            "last_error": row.last_error,
        },
        "catalogue": {
            "row": provider.key,
            "source": provider.source,
            "mark": provider.mark,
            "limits_mark": provider.limits_mark,
            "notes": provider.notes,
            "tls_required": provider.tls_required,
        },
        "order": list(ORDER),
        "spending": [asdict(one) for one in spending_at(key, domain=row.domain, now=now, zone=zone)],
    }
