"""Listening to what receivers answer about us: stop, probe, and come back step by step.

A budget that was told to slow down is `slowed` at step 0: nothing leaves until its time. Then it answers to a probe,
step 1: one message over one connection. Once that is accepted it goes on at a part of its rate, and comes back step by
step: a tenth of the rate more for every clean quarter of an hour, a connection more with it and for every 50 accepted.
How large a part is said by how many of its connections were told: a storm over all of them halves the rate. Replies
that waiting will not mend make it `held` for hours first.

A reply often comes a hundred times at once. Every change is a compare-and-set on the state it was decided from, and a
budget that is closed already counts who else was told and heeds a longer time, but makes no other step.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from reputation.budgets import ALL, OPENED, full_connections
from reputation.catalogue import catalogue
from reputation.models import Budget, BudgetChange, Tally
from reputation.pure import backoff as ladder
from reputation.pure.backoff import Step, Verdict
from reputation.workspace import zone

State = Budget.State

REMEMBER_HOLDS = timedelta(days=2)
# Replies to connections opened before the last change say nothing about the new number.
SETTLING = timedelta(minutes=1)
# Nobody writes there any more: no reason to stay slow.
FORGOTTEN = timedelta(hours=24)
REPLY_LENGTH = 500

# By time; or a probe that was accepted; or so many accepted that one connection more may be tried. A minute's tally
# may hold what was accepted before the step, so the last counts whole minutes, and the probe asks for the last dot.
_DUE = """
SELECT b.id FROM reputation_budget b WHERE b.state <> 'open' AND (
    b.state_until <= %(now)s
    OR b.state = 'slowed' AND b.ladder_step = %(probe)s AND b.last_dot_at >= b.changed_at
       AND EXISTS (SELECT 1 FROM reputation_tally t WHERE t.budget_id = b.id AND t.accepted > 0
                   AND t.minute >= date_trunc('minute', b.changed_at))
    OR b.state = 'slowed' AND b.ladder_step > %(probe)s AND b.connection_cap IS NOT NULL
       AND b.evidence ->> 'class' IS DISTINCT FROM %(connections)s
       AND (SELECT sum(t.accepted) FROM reputation_tally t WHERE t.budget_id = b.id
            AND t.minute > date_trunc('minute', b.changed_at)) >= %(enough)s)
"""
_ADDRESS = re.compile(r"[^\s<>@:;,()\"']+@[A-Za-z0-9.-]+")


def hear(
    *,
    now: datetime,
    budget_ids: Sequence[int],
    verdict: Verdict,
    reply_text: str,
    provider: str,
    time_factor: float = 1.0,
    windows: Mapping[int, int] | None = None,
) -> list[int]:
    """React to one classified reply on the budgets of its lane that the verdict's scope names.

    `windows`: connections in use by budget, that of the reply among them; one where it is not known.
    Returns the ids of the budgets this call changed: none when the reply is not about us, or was heard already.
    Budgets for all providers together are never touched: one provider does not speak for the others.
    """
    if not ladder.is_about_us(verdict.class_):
        return []
    return [
        budget.pk
        for budget in _named(budget_ids, verdict.scope)
        if _react(now, budget, verdict, reply_text, provider, time_factor, (windows or {}).get(budget.pk, 1))
    ]


def recover(*, now: datetime, time_factor: float = 1.0) -> int:
    """Take every budget whose time has come one step up; returns how many changed. Safe to run twice at once.

    A step counts as clean when something was accepted during it; the probe's, as soon as it is. With nothing sent, the
    step lasts on, for a day.
    """
    with connection.cursor() as cursor:
        asked: dict[str, Any] = {"probe": ladder.PROBE, "enough": ladder.PER_CONNECTION, "now": now}
        cursor.execute(_DUE, asked | {"connections": ladder.CONNECTIONS})
        ids = [pk for (pk,) in cursor.fetchall()]
    if not ids:  # nearly always, and every second
        return 0
    due = Budget.objects.select_related("warmup").exclude(state=State.OPEN).filter(pk__in=ids)
    return sum(_recover(now, budget, time_factor) for budget in due.order_by("pk"))


def _named(budget_ids: Sequence[int], scope: str) -> list[Budget]:
    # In the order of their ids, as every statement that locks several budgets: two listeners never deadlock.
    rows = Budget.objects.filter(pk__in=budget_ids).exclude(provider=ALL).select_related("warmup")
    budgets = list(rows.order_by("pk"))
    kinds = ladder.kinds_named(scope)
    if "ip" in kinds and not any(budget.kind == Budget.Kind.IP for budget in budgets):
        kinds |= {Budget.Kind.ACCOUNT}  # a relay's address is not ours; its account is
    named = [budget for budget in budgets if budget.kind in kinds]
    return sorted(named + _of_netblock(named), key=lambda budget: budget.pk) if "netblock" in scope else named


def _of_netblock(named: Sequence[Budget]) -> list[Budget]:
    """Our other addresses that the receiver counts together with these."""
    ours = [budget for budget in named if budget.kind == Budget.Kind.IP]
    others = Budget.objects.filter(kind=Budget.Kind.IP, provider__in={one.provider for one in ours})
    return [
        other
        for other in others.exclude(pk__in=[one.pk for one in ours]).select_related("warmup")
        if any(other.provider == one.provider and ladder.in_one_netblock(one.scope, other.scope) for one in ours)
    ]


def _react(
    now: datetime, budget: Budget, verdict: Verdict, reply: str, provider: str, time_factor: float, window: int
) -> bool:
    held = verdict.class_ in ladder.HELD
    evidence = _evidence(verdict, reply, provider)
    wait = ladder.silence(
        verdict,
        stop_minutes=catalogue().get(provider).stop_minutes,
        holds_before=_holds_before(now, budget) if held else 0,
        time_factor=time_factor,
    )
    if _is_closed(budget, now) and (budget.state == State.HELD or not held):
        return False if verdict.class_ != ladder.RATE else _heard_again(now, budget, verdict, wait, time_factor)
    if verdict.class_ == ladder.CONNECTIONS:
        return _fewer_connections(now, budget, evidence, time_factor, window)
    # A probe that failed has shown nothing of the rate that was to come after it.
    probing = budget.state != State.OPEN and budget.ladder_step <= ladder.PROBE
    before = budget.rate_share
    share = before if probing or held else ladder.share_after(before=before, heard=1, window=window)
    reason = _sentence(now, now + wait, provider, verdict.class_)
    stop = {
        "state": State.HELD if held else State.SLOWED,
        "ladder_step": 0,
        "rate_share": share,
        "connection_cap": 1,
        "state_until": now + wait,
        "state_reason": reason,
        "evidence": evidence if probing or held else evidence | {"share_before": before, "window": window, "heard": 1},
    }
    return _change(now, budget, stop, reason)


def _heard_again(now: datetime, budget: Budget, verdict: Verdict, wait: timedelta, time_factor: float) -> bool:
    """Others of its connections were told the same: the more, the lower the rate to come back to. And a later reply
    may name a longer time. True only for that: what was heard more often is the same step."""
    if budget.state != State.SLOWED:
        return False
    if verdict.retry_hint_seconds and budget.state_until is not None and now + wait > budget.state_until:
        reason = _sentence(now, now + wait, budget.provider, verdict.class_)
        return _change(now, budget, {"state_until": now + wait, "state_reason": reason}, f"Longer: {reason}")
    with transaction.atomic():
        row = Budget.objects.select_for_update(no_key=True).get(pk=budget.pk)
        known = row.evidence
        in_time = row.changed_at is not None and now - row.changed_at < SETTLING / time_factor
        if _is_closed(row, now) and in_time and 0 < known.get("heard", 0) < known.get("window", 0):
            heard = known["heard"] + 1
            share = ladder.share_after(before=known["share_before"], heard=heard, window=known["window"])
            Budget.objects.filter(pk=row.pk).update(rate_share=share, evidence=known | {"heard": heard})
    return False


def _fewer_connections(
    now: datetime, budget: Budget, evidence: dict[str, Any], time_factor: float, window: int
) -> bool:
    """One fewer than were in use, where that is known, else than are allowed."""
    if budget.changed_at and now - budget.changed_at < SETTLING / time_factor:
        return False
    connections = budget.connection_cap or full_connections(budget) or 2
    connections = min(connections, window) if window > 1 else connections
    fewer = max(1, connections - 1)
    if fewer == budget.connection_cap:
        return False
    until = now + ladder.CONNECTION_STOP / time_factor
    reason = (
        f"{catalogue().title(budget.provider)} allows fewer connections, it said at {_clock(now)}; "
        f"{fewer} for now, one more at {_clock(until)}"
    )
    values = {
        "state": State.SLOWED,
        "ladder_step": max(ladder.PROBE + 1, budget.ladder_step),
        "connection_cap": fewer,
        "state_until": until,
        "state_reason": reason,
        "evidence": evidence,
    }
    return _change(now, budget, values, reason)


def _recover(now: datetime, budget: Budget, time_factor: float) -> bool:
    stopped = budget.state == State.HELD or budget.ladder_step == 0
    early = budget.state_until is None or now < budget.state_until
    if early and stopped:  # held anew since it was found due
        return False
    if early and budget.ladder_step > ladder.PROBE:
        return _one_connection_more(now, budget)
    if not stopped and not early and not _was_clean(budget):
        return _wait_on(now, budget, time_factor)
    share = min(budget.rate_share, ladder.AFTER_HOLD) if budget.state == State.HELD else budget.rate_share
    number = 0 if stopped else budget.ladder_step
    step = ladder.step_up(number, share, budget.connection_cap, full_connections(budget))
    return _open(now, budget) if step is None else _climb(now, budget, step, time_factor)


def _one_connection_more(now: datetime, budget: Budget) -> bool:
    """Enough was accepted over those there are. The step's own time goes on."""
    more = (budget.connection_cap or 1) + 1
    cap = None if more >= (full_connections(budget) or 1) else more
    words = f"{more} connections" if cap else "as many connections as usual"
    return _change(now, budget, {"connection_cap": cap}, f"{ladder.PER_CONNECTION} more accepted: {words}")


def _climb(now: datetime, budget: Budget, step: Step, time_factor: float) -> bool:
    name, until = catalogue().title(budget.provider), now + ladder.STEP / time_factor
    if step.number == ladder.PROBE:
        words = "one message over one connection is tried"
        reason = f"{name} slowed us down; {words} since {_clock(now)}"
    else:
        words = f"at {step.rate_share:.0%} of the rate"
        reason = f"Coming back after {name} slowed us down; {words}, next step {_clock(until)}"
    values = {
        "state": State.SLOWED,
        "ladder_step": step.number,
        "rate_share": step.rate_share,
        "connection_cap": step.connection_cap,
        "state_until": until,
        "state_reason": reason,
    }
    return _change(now, budget, values, f"Step {step.number}: {words}")


def _open(now: datetime, budget: Budget) -> bool:
    return _change(now, budget, dict(OPENED), "Open again at full rate")


def _wait_on(now: datetime, budget: Budget, time_factor: float) -> bool:
    """Nothing was accepted on this step: stay on it, unless nobody has written there for a day."""
    if budget.changed_at and now - budget.changed_at >= FORGOTTEN / time_factor:
        return _open(now, budget)
    _still(budget).update(state_until=now + ladder.STEP / time_factor)
    return False


def _was_clean(budget: Budget) -> bool:
    """Something was accepted since the step began. A rate reply would have ended the step."""
    since = budget.changed_at.replace(second=0, microsecond=0) if budget.changed_at else None
    return bool(since) and Tally.objects.filter(budget=budget, minute__gte=since, accepted__gt=0).exists()


def _change(now: datetime, budget: Budget, values: dict[str, Any], what: str) -> bool:
    """Compare-and-set, then write down: of many that decided from the same state, one wins."""
    evidence = values.get("evidence", {})
    before = {"state": budget.state, "step": budget.ladder_step, "share": budget.rate_share}
    with transaction.atomic():
        if _still(budget).update(changed_at=now, **values) != 1:
            return False
        BudgetChange.objects.create(
            budget=budget,
            at=now,
            what=what[:300],
            reason=evidence.get("reply", "")[:300],
            evidence=evidence | {"before": before},
        )
    return True


def _still(budget: Budget) -> Any:
    """The row, as long as it is as it was read."""
    return Budget.objects.filter(
        pk=budget.pk,
        state=budget.state,
        ladder_step=budget.ladder_step,
        state_until=budget.state_until,
        connection_cap=budget.connection_cap,
    )


def _is_closed(budget: Budget, now: datetime) -> bool:
    stopped = budget.state == State.HELD or (budget.state == State.SLOWED and budget.ladder_step == 0)
    return stopped and (budget.state_until is None or now < budget.state_until)


def _holds_before(now: datetime, budget: Budget) -> int:
    recent = Q(at__gt=now - REMEMBER_HOLDS, evidence__class__in=sorted(ladder.HELD))
    return budget.changes.filter(recent).count()


def _evidence(verdict: Verdict, reply: str, provider: str) -> dict[str, Any]:
    return {
        "class": verdict.class_,
        "scope": verdict.scope,
        "rule": verdict.rule_id,
        "enhanced": verdict.enhanced or "",
        "provider": provider,
        "reply": _ADDRESS.sub("<address>", reply)[:REPLY_LENGTH],
    }


_COMPLAINTS = {
    "rate": "asked us to slow down",
    "reputation": "refuses our mail because of its reputation",
    "blocklist": "refuses our mail because of a blocklist",
    "auth": "refuses our mail because its authentication fails",
    "tls": "wants an encrypted connection",
    "ptr": "wants a reverse DNS name that fits our address",
    "config": "refuses our mail because of how this sender is set up",
    "smarthost": "refuses our relay or our sign-in",
    "bug": "refuses the way we speak to it",
}


def _sentence(now: datetime, until: datetime, provider: str, class_: str) -> str:
    """`Gmail asked us to slow down at 14:02; next try 14:12`, in the workspace's zone."""
    here = zone()
    later = until.astimezone(here)
    when = f"{later:%H:%M}" if later.date() == now.astimezone(here).date() else f"{later:%d %b %H:%M}"
    return f"{catalogue().title(provider)} {_COMPLAINTS[class_]} at {now.astimezone(here):%H:%M}; next try {when}"


def _clock(instant: datetime) -> str:
    return f"{instant.astimezone(zone()):%H:%M}"
