"""Launching, planning and sending among many people and rows.

    python -m benchmarks.launch --recipients 1000000 --deliveries 10000000 --mailings 1000

1. `launch_vs_insert_select`: a campaign to `--recipients` people, from its last preflight to committed rows, against
   one bare INSERT … SELECT of the same rows, in the same order, into an equal table: columns, indexes, partitions.
2. `plan_tick_p95_ms`: whole ticks, one for each second of simulated sending, while `--mailings` mailings wait in lanes
   of ten providers and `--deliveries` rows lie there, half of them of mailings that are done.
3. `cost_growth`: what a message costs the database among all these rows, over what it costs among 100,000 of them (a
   fifth, where there are few), in a copy of the database of when it had no more; the two take turns. It is the time in
   statements of a batch of 100: handed out, claimed, loaded, every message through the gate alone, books closed; by the
   real functions, with a receiver that says yes at once. Commits do not wait for the disk there: that wait is the same
   among any number of rows, and would hide what is not.

PostgreSQL is the embedded one with durable commits, in a folder that is deleted again.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks import _cost, _mailings, _world

# Mailings lie this far apart, so that their rows are spread over as many partitions as those of years.
STEP = 25
ROUNDS = 2
FEW, AMONG_FEW = 100_000, "among_few"
WARM_UP_TICKS = 40
WORKERS = 4

_FINISHED = """
UPDATE sending_batch SET state = 'done', ended_at = %(now)s, n_sent = hi - lo + 1, n_accepted = hi - lo + 1,
       end_reason = 'sent'
WHERE state = 'running' AND due_at + make_interval(secs => greatest(gap, 0.05) * (hi - lo)) <= %(now)s
RETURNING id, budget_ids, n_sent
"""
_MOVED_ON = """
UPDATE sending_batch
SET state = 'running', epoch = 1, started_at = coalesce(started_at, %(now)s), last_dot_at = %(now)s,
    n_sent = greatest(0, least(hi - lo + 1, floor(extract(epoch FROM %(now)s - due_at) / greatest(gap, 0.05))))::int
WHERE state IN ('planned', 'running')
"""


def launches(recipients: int, rounds: int, now: datetime) -> tuple[dict[str, Any], int]:
    """The best of some rounds each, and the first mailing."""
    from campaigns.models import Campaign
    from sending.models import Mailing
    from tests.campaigns.world import ready_campaign

    _mailings.crowd(recipients, now=now)
    _make_twin()
    made, bare, pressing = [], [], []
    for number in range(rounds):
        campaign = ready_campaign(now, readers=0, name=f"Launch {number}")
        Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
        took, inside, mailing = _launch(campaign.pk, now)
        made.append(took)
        pressing.append(inside)
        bare.append(_bare_insert(mailing))
        print(
            f"launch {took:.1f} s (pressing {inside:.1f} s), bare {bare[-1]:.1f} s, {mailing.total:,} rows", flush=True
        )
    first = Mailing.objects.order_by("pk")[0].pk
    Mailing.objects.update(state="done")
    report = {
        "launch_vs_insert_select": round(min(made) / min(bare), 2),
        "press_vs_insert_select": round(min(pressing) / min(bare), 2),
        "launch_s": round(min(made), 2),
        "insert_select_s": round(min(bare), 2),
    }
    return report, first


def _launch(campaign: int, now: datetime) -> tuple[float, float, Any]:
    """Seconds in all, and those of them in which it pressed."""
    from campaigns import launch

    inside = 0.0
    real = launch.press  # type: ignore[attr-defined]

    def timed(**asked: Any) -> Any:
        nonlocal inside
        began = time.perf_counter()
        try:
            return real(**asked)
        finally:
            inside = time.perf_counter() - began

    _checkpoint()
    launch.press = timed  # type: ignore[attr-defined]
    try:
        took, mailing = _timed(lambda: launch.launch(now=now, campaign_id=campaign))
    finally:
        launch.press = real  # type: ignore[attr-defined]
    assert mailing is not None
    return took, inside, mailing


def _make_twin() -> None:
    _run("CREATE TABLE bench_delivery (LIKE sending_delivery INCLUDING ALL) PARTITION BY RANGE (mailing_id)")
    _run("CREATE TABLE bench_delivery_p0 PARTITION OF bench_delivery FOR VALUES FROM (0) TO (500)")


def _bare_insert(mailing: Any) -> float:
    _checkpoint()
    copy = "INSERT INTO bench_delivery SELECT * FROM sending_delivery WHERE mailing_id = %s"
    return _timed(lambda: _run(copy, [mailing.pk]))[0]


def ticks(n: int, now: datetime) -> dict[str, Any]:
    """One a second, with workers that send at the pace they are given."""
    from config.celery import look_for_rings_less
    from sending import plan
    from sending.models import Batch, Mailing, MailingLane

    look_for_rings_less()  # as the workers that plan
    _run(
        """INSERT INTO sending_worker (id, egress_host, kind, pid, started_at, seen_at)
           SELECT n, 'main', 'transmit', n, now(), now() + interval '1 day' FROM generate_series(1, %s) n""",
        [WORKERS],
    )
    took, made, live = [], 0, []
    for second in range(WARM_UP_TICKS + n):
        at = now + timedelta(seconds=second)
        _work(at)
        seconds, batches = _timed(lambda at=at: plan.tick(now=at))  # type: ignore[misc]
        if second >= WARM_UP_TICKS:
            took.append(seconds * 1000)
            made += batches
            live.append(Batch.objects.exclude(state="done").count())
    took.sort()
    waiting = Mailing.objects.filter(state="running")
    return {
        "plan_tick_p95_ms": round(took[int(len(took) * 0.95)], 1),
        "plan_tick_median_ms": round(statistics.median(took), 1),
        "waiting_mailings": waiting.count(),
        "waiting_lanes": MailingLane.objects.filter(mailing__in=waiting).count(),
        "live_batches": round(statistics.mean(live)),
        "batches_a_tick": round(made / n, 1),
    }


def _work(now: datetime) -> None:
    """What all workers together have done by now."""
    from django.db import connection

    from reputation import ledger
    from reputation.workspace import zone

    with connection.cursor() as cursor:
        cursor.execute(_MOVED_ON, {"now": now})
        cursor.execute(_FINISHED, {"now": now})
        ended = cursor.fetchall()
        cursor.execute("DELETE FROM sending_requeue WHERE batch = ANY(%s)", [[row[0] for row in ended]])
    entries = [ledger.Entry(budget_ids=ids, minute=now, sent=n, accepted=n, last_dot_at=now) for _, ids, n in ended]
    ledger.record(entries=entries, zone=zone())


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def _run(statement: str, params: Sequence[Any] | None = None) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, params)


def _checkpoint() -> None:
    """Nobody pays for what another has left to be written."""
    _run("CHECKPOINT")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=100_000)
    parser.add_argument("--deliveries", type=int, default=500_000)
    parser.add_argument("--mailings", type=int, default=200, help="that wait; as many again are done")
    parser.add_argument("--ticks", type=int, default=60)
    asked = parser.parse_args()
    each = asked.deliveries // (2 * asked.mailings)
    if each > asked.recipients * 0.9:
        parser.error("More deliveries a mailing than there are people.")
    with _world.installed({}):
        now = datetime.now(UTC)
        _run("SET statement_timeout = 0")
        report, first = launches(asked.recipients, ROUNDS, now)
        _mailings.sample_from(first)
        ids = [STEP * number for number in range(1, 2 * asked.mailings + 1)]
        few = 2 * max(1, min(FEW, asked.deliveries // 5) // each // 2)
        report |= costs([ids[:few], ids[few:]], each=each, first=first, now=now)
        report |= ticks(asked.ticks, now + timedelta(minutes=5))
    print(json.dumps({**report, "recipients": asked.recipients, "deliveries": asked.deliveries}))


def costs(parts: Sequence[Sequence[int]], *, each: int, first: int, now: datetime) -> dict[str, Any]:
    """Fill in a few mailings, keep a copy, fill in the others, and compare."""
    from django.db import connection

    few, many = parts
    _fill(few, each=each, first=first, now=now)
    _cost.copy_database(AMONG_FEW)
    _fill(many, each=each, first=first, now=now)
    _checkpoint()
    among_few, among_many = _cost.compared([AMONG_FEW, connection.settings_dict["NAME"]], now=now)
    return {"cost_growth": round(among_many / among_few, 3), "cost_ms": [round(among_few, 3), round(among_many, 3)]}


def _fill(ids: Sequence[int], *, each: int, first: int, now: datetime) -> None:
    _run("SET statement_timeout = 0")
    took, _ = _timed(lambda: _mailings.fill(ids, each=each, like=first, now=now))
    print(f"{len(ids):,} mailings of {each:,} more, in {took:.0f} s", flush=True)


if __name__ == "__main__":
    main()
