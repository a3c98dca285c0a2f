"""A warm-up of 45 days in minutes, beside the same campaigns without it.

    python -m benchmarks.warmup --json

A new address and a new domain write to one list at four providers: a first campaign to everybody, then a newsletter a
week. The receivers remember (`lab/reputation.py`): they take slow growth, put off who bursts, refuse who keeps on, and
hold complaints against the sender. In one week people at Yahoo complain: the guard is to hold Yahoo, and nobody else.

Real are the database, the planner, budgets and ladders, back-off, guard and the nights, all with a `now` of a virtual
clock; simulated are the receivers and the connections to them (`tests/scenarios/virtual.py` says where the line is).
The other sender sends the same campaigns, on the same days to the same people, to receivers of the same temper: five a
second, everybody at once, trying again every five minutes.

`over_plan`: provider and day on which more was offered than the lower of the two ladders allowed, by the receivers' own
count. `reached`: share of all letters that were taken in the end. `doors_closed`: how often a receiver closed its door
to us; `pushed`: tries while it was closed. With fewer than 10,000 people Yahoo has no first part, which the guard needs
to stop it in time; the night's step back is asked for all the same.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from benchmarks import _world
from lab.persona import load_personas
from lab.reputation import Opinion, Temper
from sending.pure.guard import first_part
from tests.scenarios.virtual import Naive, Post, Receiver

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Warsaw")
IP, DOMAIN = "127.0.1.1", "news.harbour.example"
# Provider → mail domain, share of the list, and what it lets strangers send on a day.
PROVIDERS = {
    "google": ("gmail.com", 0.45, 250),
    "microsoft": ("hotmail.com", 0.20, 180),
    "yahoo": ("yahoo.com", 0.20, 120),
    "gmx": ("gmx.de", 0.15, 120),
}
SPIKE_AT, SPIKE_SHARE = "yahoo", 0.03
COMPLAINT_SHARE = 0.0002
NIGHT = timedelta(minutes=10)
# Warm-ups are looked at every quarter of an hour; who was met first today begins to count.
QUARTER = timedelta(minutes=15)


def receivers() -> dict[str, Receiver]:
    """Fresh ones, who have never heard of us."""
    personas = load_personas()
    return {
        provider: Receiver(provider, personas[provider], Opinion(Temper(strangers_a_day=strangers)), zone=ZONE)
        for provider, (_domain, _share, strangers) in PROVIDERS.items()
    }


def campaigns(days: int) -> list[int]:
    """The days on which one starts: the first, then every week once that is through."""
    return [0, *range(14, days, 7)]


def spike_of(days: int) -> int:
    """The day on which people complain."""
    starts = campaigns(days)
    return starts[len(starts) // 2]


class Letter(NamedTuple):
    """One campaign as it really began: its day of the run, and its people by provider."""

    day: int
    people: Mapping[str, Sequence[str]]


@dataclass
class Warmed:
    """What the run with our engine has shown."""

    post: Post
    caps: dict[tuple[str, date], int] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)


def warmed(people: int, days: int, preset: str) -> Warmed:
    """The whole time, day by day."""
    from reputation import plans, warmup
    from reputation.workspace import today
    from tests.cast import people as write_down

    on = _list()
    for provider, (domain, share, _strangers) in PROVIDERS.items():
        write_down(round(people * share), on=on, domain=domain, prefix=f"{provider}-")
    plan = plans.make(name="Warm-up", preset=preset)
    for scope in (("ip", IP), ("dkim_domain", DOMAIN)):
        warmup.start(now=START, zone=ZONE, kind=scope[0], scope=scope[1], plan=plan)
    found = Warmed(Post(receivers(), ZONE, START))
    starts, spike = campaigns(days), spike_of(days)
    for day in range(days):
        now = START + timedelta(days=day)
        found.post.run(now)
        if day in starts:
            _begin_campaign(found, day, on)
        found.post.receivers[SPIKE_AT].complaint_share = SPIKE_SHARE if day == spike else COMPLAINT_SHARE
        if day == spike + 3:
            _go_on(found)
        _note_caps(found)
        found.post.run(now + QUARTER)
        warmup.advance(now=found.post.now, zone=ZONE)
        midnight = datetime.combine(today(now, ZONE) + timedelta(days=1), datetime.min.time(), ZONE)
        found.post.run(midnight.astimezone(UTC) + NIGHT)
        warmup.advance(now=found.post.now, zone=ZONE)
        _note_caps(found)
    return found


def _list() -> Any:
    from tests.cast import newsletter, shop
    from tests.sending.engine import sign_with_a_key

    shop()
    sign_with_a_key(START)
    return newsletter()


def _begin_campaign(found: Warmed, day: int, on: Any) -> None:
    """Everybody on the list, with a first part at every provider that is large enough."""
    from sending.models import Mailing
    from tests.cast import pressed

    running = Mailing.objects.filter(state="running", launch_key__startswith="campaign:")
    if running.exists():
        # Who has not had the last one yet does not get two at once.
        return
    mailing = pressed(found.post.now, on, key=f"campaign:{day}", name=f"Letter of day {day}", first_part=True)
    found.letters.append(Letter(day, _people_of(mailing)))


def _people_of(mailing: Any) -> dict[str, list[str]]:
    from audiences.models import Subscriber
    from sending.models import Delivery

    to = Delivery.objects.filter(mailing_id=mailing.pk).values("subscriber_id")
    emails = list(Subscriber.objects.filter(pk__in=to).order_by("pk").values_list("email", flat=True))
    return {
        provider: [email for email in emails if email.endswith(f"@{domain}")]
        for provider, (domain, _share, _strangers) in PROVIDERS.items()
    }


def _go_on(found: Warmed) -> None:
    """A person has looked at what the guard has stopped, and goes on."""
    from django.contrib.auth.models import User

    from sending import guard
    from sending.models import Mailing

    actor, _made = User.objects.get_or_create(username="mara")
    for mailing in Mailing.objects.all():
        for lane in guard.stops_of(mailing.pk):
            found.stopped.append(lane or "everywhere")
            guard.resume(now=found.post.now, mailing_id=mailing.pk, lane=lane, actor=actor, reason="The link is mended")


def _note_caps(found: Warmed) -> None:
    """The lower of both ladders at each provider, as they stand on this day."""
    from reputation import budgets
    from reputation.workspace import today

    day = today(found.post.now, ZONE)
    for provider in PROVIDERS:
        rows = budgets.budgets_for(
            now=found.post.now, kind_scopes=[("ip", IP), ("dkim_domain", DOMAIN)], provider=provider
        )
        caps = [
            limits.warmup_cap
            for row in rows
            if (limits := budgets.limits_of(row, now=found.post.now, zone=ZONE)).warmup_cap is not None
        ]
        if caps:
            found.caps.setdefault((provider, day), min(caps))


def over_plan(found: Warmed) -> list[str]:
    """Every provider and day on which the receivers counted more than the plan allows."""
    return [
        f"{provider} on {day}: {offered} of {found.caps[provider, day]}"
        for provider, receiver in found.post.receivers.items()
        for day, offered in sorted(receiver.offered.items())
        if (provider, day) in found.caps and offered > found.caps[provider, day]
    ]


def steps_back(found: Warmed) -> dict[str, list[str]]:
    """Nights that led back, by provider."""
    from reputation.models import BudgetChange

    rows = BudgetChange.objects.filter(evidence__decided__lt=0).select_related("budget").order_by("at")
    back: dict[str, list[str]] = {}
    for row in rows:
        back.setdefault(row.budget.provider, []).append(f"{row.evidence['day']} {row.budget.kind}: {row.reason}")
    return back


def without(letters: Sequence[Letter], *, spike: int) -> tuple[dict[str, Receiver], dict[str, Counter[str]]]:
    """The same letters by a sender that does not listen; its receivers, and their last answers."""
    theirs = receivers()
    sender = Naive(theirs, IP, DOMAIN)
    total: dict[str, Counter[str]] = {provider: Counter() for provider in PROVIDERS}
    for letter in letters:
        theirs[SPIKE_AT].complaint_share = SPIKE_SHARE if letter.day == spike else COMPLAINT_SHARE
        for provider, answers in sender.send(now=START + timedelta(days=letter.day), people=letter.people).items():
            total[provider] += answers
    return theirs, total


def outcome(known: dict[str, Receiver], taken: dict[str, int], letters: dict[str, int]) -> dict[str, Any]:
    """One side of the comparison, by provider."""
    return {
        provider: {
            "letters": letters[provider],
            "reached": round(taken[provider] / max(1, letters[provider]), 3),
            "put_off": receiver.answers["rate_ip"] + receiver.answers["rate_dkim"],
            "refused": receiver.answers["reputation"],
            "doors_closed": len(receiver.opinion.blocks),
            "pushed": receiver.opinion.pushed,
        }
        for provider, receiver in known.items()
    }


def report(people: int, days: int, preset: str) -> dict[str, Any]:
    """Both runs, side by side."""
    from reputation.models import Alert
    from sending.models import Mailing, Outcome

    began = time.monotonic()
    ours = warmed(people, days, preset)
    took = time.monotonic() - began
    letters = {provider: sum(len(one.people[provider]) for one in ours.letters) for provider in PROVIDERS}
    taken = {provider: Outcome.objects.filter(provider=provider, kind="accepted").count() for provider in PROVIDERS}
    theirs, answers = without(ours.letters, spike=spike_of(days))
    back = steps_back(ours)
    return {
        "days": days,
        "people": people,
        "preset": preset,
        "messages": ours.post.messages,
        "took_s": round(took, 1),
        "campaigns": Mailing.objects.count(),
        "campaigns_done": Mailing.objects.filter(state="done").count(),
        "over_plan": over_plan(ours),
        "days_with_a_cap": len(ours.caps),
        "spike_at": SPIKE_AT,
        "held_by_the_guard": sorted(set(ours.stopped)),
        "stepped_back_at": sorted(back),
        "steps_back": back,
        "alerts": sorted({row.budget.provider for row in Alert.objects.select_related("budget") if row.budget}),
        "with": outcome(ours.post.receivers, taken, letters),
        "without": outcome(theirs, {provider: count["ok"] for provider, count in answers.items()}, letters),
    }


def held(found: dict[str, Any]) -> list[str]:
    """What does not hold, in sentences; nothing when all does."""
    problems = [f"more than the plan: {one}" for one in found["over_plan"]]
    # A smaller list has no first part there, and is through before anybody has complained.
    guarded = [found["spike_at"]] if first_part(round(found["people"] * PROVIDERS[found["spike_at"]][1])) else []
    if found["held_by_the_guard"] != guarded:
        problems.append(f"the guard held {found['held_by_the_guard']}, not {guarded}")
    if found["stepped_back_at"] != [found["spike_at"]]:
        problems.append(f"warm-ups stepped back at {found['stepped_back_at']}")
    problems += [
        f"{provider} closed its door to us {row['doors_closed']} times"
        for provider, row in found["with"].items()
        if row["doors_closed"] and provider != found["spike_at"]
    ]
    problems += [
        f"{provider} did not mind the other sender" for provider, row in found["without"].items() if not row["refused"]
    ]
    return problems


def table(found: dict[str, Any]) -> str:
    """Both outcomes, a line a provider."""
    lines = [f"{'':12}{'with the engine':>44}{'without':>44}", f"{'':12}" + 2 * _HEAD]
    for provider in found["with"]:
        lines.append(f"{provider:12}" + "".join(_cells(found[side][provider]) for side in ("with", "without")))
    return "\n".join(lines)


_COLUMNS = ("reached", "put_off", "refused", "doors_closed", "pushed")
_HEAD = f"{'reached':>9}{'put off':>9}{'refused':>9}{'closed':>8}{'pushed':>9}"


def _cells(row: dict[str, Any]) -> str:
    reached, *rest = (row[name] for name in _COLUMNS)
    return f"{100 * reached:>8.1f}%{rest[0]:>9,}{rest[1]:>9,}{rest[2]:>8,}{rest[3]:>9,}"


def main(asked: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=12_000)
    parser.add_argument("--days", type=int, default=45)
    parser.add_argument("--preset", default="conservative")
    parser.add_argument("--json", action="store_true", help="print the figures as one object at the end")
    options = parser.parse_args(asked)
    with _world.installed({}):
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = off")
        found = report(options.people, options.days, options.preset)
    problems = held(found)
    print(table(found), flush=True)
    print("\n".join(problems) or "All of it holds.", flush=True)
    if options.json:
        print(json.dumps({**found, "problems": problems}))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
