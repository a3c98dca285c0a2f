"""Warm-up plans: copied from a preset, edited day by day. Every change is a numbered version that can be put back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.contrib.auth.models import User
from django.db import transaction

from reputation.catalogue import catalogue
from reputation.models import WarmupPlan, WarmupPlanVersion
from reputation.pure import warmup as pure
from reputation.pure.warmup import EVERYONE, HIGHEST_CAP, Preset, cap_of, length_of

FILE = Path(__file__).with_name("warmup.toml")
# So many changed days are named in the record of a change.
NAMED = 4


@dataclass(frozen=True, slots=True)
class Table:
    """A plan for a page: provider keys over day by day caps; None where a provider has no cap any more."""

    providers: Sequence[str]
    rows: Sequence[tuple[int, Sequence[int | None]]]


@cache
def presets() -> dict[str, Preset]:
    """The presets of warmup.toml by key. Raises CatalogueError; the system check has said so at start."""
    return pure.load(FILE.read_text(encoding="utf-8"))


def make(*, name: str, preset: str, skips_weekends: bool = False, actor: User | None = None) -> WarmupPlan:
    """A new plan, copied from a preset and free to be edited. Raises ValueError for a preset there is not."""
    if preset not in presets():
        raise ValueError(f"There is no warm-up preset “{preset}”. There are: {', '.join(presets())}.")
    days = pure.days_of(presets()[preset], catalogue())
    with transaction.atomic():
        plan = WarmupPlan.objects.create(name=name, preset=preset, days=days, skips_weekends=skips_weekends)
        _remember(plan, f"Made from the preset “{presets()[preset].name}”", actor)
    return plan


def set_caps(*, plan: WarmupPlan, provider: str, caps: Mapping[int, int], actor: User | None = None) -> None:
    """Change days (from 1) of a provider's series; `*` is everybody without one. Raises ValueError."""
    if not all(1 <= cap <= HIGHEST_CAP for cap in caps.values()):
        raise ValueError("A day's cap must be a whole number of 1 or more.")
    with transaction.atomic():
        row = WarmupPlan.objects.select_for_update(no_key=True).get(pk=plan.pk)
        series = list(pure.series_of(row.days, provider))
        for day in caps:
            if not 1 <= day <= len(series):
                raise ValueError(f"The plan has {len(series)} days; there is no day {day}.")
        changed = {day: cap for day, cap in sorted(caps.items()) if series[day - 1] != cap}
        said = [f"day {day}: {series[day - 1]:,} → {cap:,}" for day, cap in changed.items()]
        for day, cap in changed.items():
            series[day - 1] = cap
        row.days[provider] = series
        if said:
            more = f" and {len(said) - NAMED} days more" if len(said) > NAMED else ""
            who = "Everyone else" if provider == EVERYONE else catalogue().title(provider)
            _next_version(row, f"{who}, {'; '.join(said[:NAMED])}{more}", actor)
    plan.refresh_from_db()


def set_weekends(*, plan: WarmupPlan, skips: bool, actor: User | None = None) -> None:
    """Skip Saturdays and Sundays, or send on them."""
    with transaction.atomic():
        row = WarmupPlan.objects.select_for_update(no_key=True).get(pk=plan.pk)
        if row.skips_weekends != skips:
            row.skips_weekends = skips
            _next_version(row, "Skips weekends" if skips else "Sends at weekends", actor)
    plan.refresh_from_db()


def put_back(*, plan: WarmupPlan, number: int, actor: User | None = None) -> bool:
    """Make the plan what it was in a version, as a new one. False when there is no such version, or it is that."""
    with transaction.atomic():
        row = WarmupPlan.objects.select_for_update(no_key=True).get(pk=plan.pk)
        old = row.versions.filter(number=number).first()
        if old is None or (old.days, old.skips_weekends) == (row.days, row.skips_weekends):
            return False
        row.days, row.skips_weekends = old.days, old.skips_weekends
        _next_version(row, f"Put back to version {number}", actor)
    plan.refresh_from_db()
    return True


def table(plan: WarmupPlan, *, providers: Sequence[str]) -> Table:
    """A plan's caps for some providers (`*` for the rest), as many rows as the longest has days."""
    longest = max((length_of(plan.days, provider) for provider in providers), default=0)
    rows = [(day, [cap_of(plan.days, provider, day) for provider in providers]) for day in range(1, longest + 1)]
    return Table(providers=providers, rows=rows)


def _next_version(plan: WarmupPlan, what: str, actor: User | None) -> None:
    plan.version += 1
    plan.save(update_fields=["days", "skips_weekends", "version"])
    _remember(plan, what, actor)


def _remember(plan: WarmupPlan, what: str, actor: User | None) -> None:
    WarmupPlanVersion.objects.create(
        plan=plan,
        number=plan.version,
        actor=actor,
        what=what[:300],
        days=plan.days,
        skips_weekends=plan.skips_weekends,
    )
