"""What pages say of lanes: their budgets, each with what it may spend now and what it has spent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from reputation.budgets import ALL, Limits, Usage, budgets_of, limits_of, usage
from reputation.models import Budget


@dataclass(frozen=True, slots=True)
class Lane:
    """One way out: the scopes of its route and domain, at one provider.

    `scopes`: (kind, scope) pairs, e.g. (("ip", "192.0.2.1"), ("dkim_domain", "news.example")).
    """

    scopes: tuple[tuple[str, str], ...]
    provider: str


@dataclass(frozen=True, slots=True)
class Advice:
    """What a budget may spend now and what it has spent."""

    budget: Budget
    limits: Limits
    usage: Usage


def advice(*, now: datetime, zone: ZoneInfo, lanes: Sequence[Lane]) -> dict[Lane, list[Advice]]:
    """The budgets of every lane, its scopes' budgets for all providers together included; missing ones are made.

    Two statements however many lanes there are, four when budgets had to be made. A budget shared by lanes is the same
    object in each.
    """
    wanted = list(dict.fromkeys(key for lane in lanes for key in _keys(lane)))
    budgets = budgets_of(now=now, wanted=wanted)
    spent = usage(now=now, zone=zone, budget_ids=[budget.pk for budget in budgets.values()])
    known = {
        key: Advice(budget, limits_of(budget, now=now, zone=zone), spent[budget.pk]) for key, budget in budgets.items()
    }
    return {lane: [known[key] for key in _keys(lane)] for lane in lanes}


def _keys(lane: Lane) -> list[tuple[str, str, str]]:
    return [(kind, scope, provider) for kind, scope in lane.scopes for provider in (lane.provider, ALL)]
