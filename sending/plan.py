"""Plan: read where something may start and who is first in line there, ask the pure planner, write its batches, wake
their workers.

One planner at a time (advisory lock), in one short transaction. Deliveries get a batch only when it is about to start,
so a signal, a pause or an edited limit acts at once.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction

from reputation import backoff
from reputation.budgets import providers_met
from reputation.workspace import workspace
from sending import boot_identity, leaving_later, line, wake
from sending.array_literals import numbers
from sending.capacity import Capacity, Choice, capacity
from sending.handing_out import hand_out
from sending.line import Line, Sender, Waiting
from sending.live import live_batches
from sending.pure import pacing
from sending.pure.lanes import TRANSACTIONAL, Demand, Plan

UNKNOWN = "unknown"

# What is asked every second is planned once a connection, and looks everything up by key, whatever the statistics of a
# table said that was small then. The commit does not wait for the disk: whoever claims a batch commits durably, and
# with it all that was written before; a plan that a crash of PostgreSQL takes away has reached nobody.
_MAY_PLAN = """
SELECT w.sending_stopped_at IS NULL AND pg_try_advisory_xact_lock(hashtext('sending.plan')), w.time_zone,
       set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
       set_config('synchronous_commit', 'off', true)
FROM (SELECT) one LEFT JOIN reputation_workspace w ON w.id = 1
"""


# In the order of their ids, as every statement that locks several.
_EDITS = """
UPDATE sending_batch b SET gap = coalesce(told.gap, b.gap), yield_requested = b.yield_requested OR told.ends
FROM (
    SELECT live.id, edited.gap, live.id = ANY(%(ending)s::bigint[]) AS ends
    FROM sending_batch live
    LEFT JOIN unnest(%(edited)s::bigint[], %(gaps)s::float8[]) AS edited (id, gap) ON edited.id = live.id
    WHERE live.id = ANY(%(edited)s::bigint[] || %(ending)s::bigint[]) AND live.state <> 'done'
    ORDER BY live.id FOR NO KEY UPDATE OF live
) told
WHERE b.id = told.id
"""


def plan(*, now: datetime) -> int:
    """Write the batches that may start now; returns how many. Harmless when called twice at once."""
    # Whoever left while the database was away is not planned for.
    leaving_later.carry_out()
    boot_identity.check()
    with transaction.atomic():
        zone = _may_plan()
        if zone is None:
            return 0
        senders, providers = line.waiting(now=now)
        pairs = _pairs(senders, providers) if senders else []
        if not pairs:
            return 0
        live = live_batches(now=now)
        known = capacity(
            now=now,
            zone=zone,
            choices=[Choice(sender.pool, sender.domain, provider) for sender, provider in pairs],
            taken=live.ways(),
            per_hour={pk: limit for sender in senders for pk, limit in sender.per_hour.items()},
        )
        desk = pacing.Desk(now, known.budgets.values(), live.as_planned(known))
        made = _planned(now, desk, known, [_line(desk, known, *pair) for pair in pairs])
        return _write(now, known, made)


def _may_plan() -> ZoneInfo | None:
    """The zone of the workspace's days. None when sending is stopped or somebody else plans at this moment."""
    with connection.cursor() as cursor:
        cursor.execute(_MAY_PLAN)
        may_plan, name, *_ = cursor.fetchone() or (False, None)
    return ZoneInfo(name or workspace().time_zone) if may_plan else None


def _pairs(senders: Sequence[Sender], providers: Collection[str]) -> list[tuple[Sender, str]]:
    """Who may have somebody waiting where. A domain that has a budget at a provider had lanes there; where one has none
    the lanes are asked, so that no budget is made for what never sends."""
    met = providers_met(kind="dkim_domain", scopes={sender.domain for sender in senders})
    # Where one of the ways is direct, those whose domain nobody knows yet wait for DNS.
    pairs = [(sender, at) for sender in senders for at in providers if at != UNKNOWN or sender.looks_up]
    new = {at for sender, at in pairs if (sender.domain, at) not in met}
    there = line.whose(providers=new, senders=senders) if new else set()
    return [(sender, at) for sender, at in pairs if (sender.domain, at) in met or (sender, at) in there]


def _line(desk: pacing.Desk, known: Capacity, sender: Sender, provider: str) -> Line:
    """Transactional mail is looked at wherever it waits: it may ask others to make room."""
    lanes = known.lanes_of(Choice(sender.pool, sender.domain, provider))
    if sender.stream == TRANSACTIONAL:
        return Line(sender, provider, bool(lanes), tuple(lane.route for lane in lanes))
    routes = tuple(lane.route for lane in lanes if desk.takes(lane, sender.stream))
    first = lanes if sender.overflow else lanes[:1]
    return Line(sender, provider, any(lane.route in routes for lane in first), routes)


def _planned(now: datetime, desk: pacing.Desk, known: Capacity, lines: Sequence[Line]) -> Plan:
    moving = [each for each in lines if each.routes]
    # A mailing that has used up its own hour would stand first in its lines for as long.
    spent = [pk for pk, key in known.own_limits.items() if not desk.accounts[key].takes(transactional=False)]
    found, lanes = line.first(now=now, lines=moving, spent=spent)
    unseen = _unseen(lines, found, lanes)
    demand = [_demand(known, one, unseen=unseen.pop(one.line, 0)) for one in found]
    standing = [known.lanes_of(each.choice) for each in lines if not each.routes]
    return pacing.plan_at(desk, demand, waiting=[choice[0] for choice in standing if choice])


def _unseen(lines: Sequence[Line], found: Sequence[Waiting], lanes: Mapping[str, int]) -> dict[Line, int]:
    """How many more wait in a line than were found, about: a provider's lanes belong to senders as mailings do."""
    seen = Counter(one.line for one in found)
    full = [each for each in seen if seen[each] >= line.LOOK_AT]
    mailings = sum({each.sender: each.sender.mailings for each in lines}.values())
    return {each: max(0, lanes[each.provider] * each.sender.mailings // mailings - seen[each]) for each in full}


def _demand(known: Capacity, one: Waiting, *, unseen: int) -> Demand:
    sender = one.line.sender
    return Demand(
        mailing=one.mailing,
        wave=one.wave,
        provider=one.line.provider,
        lanes=known.lanes_of(one.line.choice, one.mailing),
        fresh=one.fresh,
        retry=one.retry,
        pinned=tuple(sorted(one.pinned.items())),
        stream=sender.stream,
        overflow=sender.overflow,
        deadline=one.deadline,
        last_given=one.last_given,
        unseen=unseen,
    )


def _write(now: datetime, known: Capacity, made: Plan) -> int:
    _tell_live_batches(made)
    written = hand_out(made.batches, now=now)
    wake.wake((batch.id, batch.stream, known.routes[batch.route].egress_host) for batch in written)
    return len(written)


def _tell_live_batches(made: Plan) -> None:
    """Gaps to keep from now on, and who is to end: their next gate tells them."""
    if not made.edits and not made.yields:
        return
    asked = {
        "edited": numbers(pk for pk, _ in made.edits),
        "gaps": numbers(gap for _, gap in made.edits),
        "ending": numbers(made.yields),
    }
    with connection.cursor() as cursor:
        cursor.execute(_EDITS, asked)


def tick(*, now: datetime) -> int:
    """Let budgets whose time has come recover a step, and plan."""
    backoff.recover(now=now, time_factor=settings.TIME_FACTOR)
    return plan(now=now)
