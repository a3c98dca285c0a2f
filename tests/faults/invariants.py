"""What must hold after every run, whatever happened in it; from the receivers' ledger joined with our rows."""

import json
import math
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import connection
from django.db.models import Count

from config.demo import world
from config.demo.agreement import FINAL, counts_of, disagreements, lanes
from lab import ledger
from lab.magic import magic
from reputation.catalogue import catalogue
from sending import workers
from sending.models import Batch, Delivery, MailingCount, Outcome, Requeue
from tests.faults.stage import PERSONAS
from tests.faults.world import Run

# From so long after an unsubscription was committed on, no gate may have let that address pass.
GRACE = 2.0
SILENT = ("drop-dot", "lost-reply", "garbled", "lf-only", "code-999", "close-in-reply")
UNSETTLED = ("deferred", "none")


@dataclass
class Found:
    """The sums of one run; `wrong` says what disagreed."""

    messages: int
    duplicates: int
    lost: int
    unknown: int
    max_unknown_per_connection: int
    mailed_after_suppression: int
    limit_violations: int
    sums_ok: bool
    stuck_batches: int
    wrong: list[str]


def check(run: Run, path: Path) -> Found:
    """`path`: the ledger's rows from the run's beginning on."""
    assert run.mailing is not None
    run.mailing.refresh_from_db()
    wrong = list(run.wrong)
    twice = ledger.duplicates(path)
    wrong += [f"{each.recipient} accepted mailing {each.key} {each.times} times" for each in twice]
    differ = disagreements(path, run.mailing)
    lost = [row for row in differ if row[1] in UNSETTLED or (row[1] == "accepted" and not row[2])]
    wrong += [f"{email}: we say {kind}, the receiver accepted {n}" for email, kind, n in differ]
    by_connection = _unknown_by_connection(run, path)
    n_unknown = sum(by_connection.values())
    most = max(by_connection.values(), default=0)
    if most > 1:
        wrong.append(f"{most} unknown on one connection: {by_connection.most_common(1)[0][0]}")
    kept = run.may_be_unknown + _answers_kept(path)
    if n_unknown > kept:
        wrong.append(f"{n_unknown} unknown, but only {kept} connections were open or answers lost")
    late = _mailed_after(run, path)
    wrong += [f"{email} got a dot after leaving, or while all was paused" for email in late]
    wrong += [f"delivery {pk} was refused by us: {why}" for pk, why in _refused(run)]
    wrong += [f"{email} got a letter in plain text" for email in _in_plain_text(path)]
    over = ledger.violations(path)
    wrong += [f"{row['persona']} saw {row['what']} {row['observed']} of {row['limit']}" for row in over]
    sums = _sums(run)
    stuck = _stuck(run)
    return Found(
        messages=run.mailing.total,
        duplicates=len(twice),
        lost=len(lost),
        unknown=n_unknown,
        max_unknown_per_connection=most,
        mailed_after_suppression=len(late),
        limit_violations=len(over),
        sums_ok=not sums and not differ,
        stuck_batches=len(stuck),
        wrong=[*wrong, *sums, *stuck],
    )


def limits_over_all(path: Path, *, now: datetime) -> list[str]:
    """Windows that reach over several runs: our own limits on the receivers' clocks, and everybody mailed once."""
    sent = Batch.objects.filter(n_sent__gt=0).values_list("provider").annotate(n=Count("pk"))
    found = lanes(path, batches=dict(sent), personas=PERSONAS, ip=world.ADDRESS, domain=world.DOMAIN, now=now)
    twice = ledger.duplicates(path)
    return [
        *(f"{key}: {lane}" for key, lane in found.items() if not lane.kept),
        *(f"{each.recipient} accepted mailing {each.key} {each.times} times in all" for each in twice),
    ]


def _unknown_by_connection(run: Run, path: Path) -> Counter[str]:
    """A connection by what the receiver saw of that message last; by its batch when it saw nothing."""
    unknown = Outcome.objects.filter(mailing_id=run.id, kind="unknown").values_list("delivery", "batch_id")
    emails = _emails(run)
    seen = {
        row["recipient"]: f"{row['persona']} connection {row['connection']}"
        for row in ledger.rows(path, "rcpt", "dot_seen")
        if row["event"] == "rcpt" or row["mailing"] == str(run.id)
    }
    return Counter(seen.get(emails[delivery], f"batch {batch}") for delivery, batch in unknown)


def _answers_kept(path: Path) -> int:
    """Messages for addresses whose receivers never answer the dot, or not in a way that can be read."""
    return sum(magic(row["recipient"]) in SILENT for row in ledger.rows(path, "dot_seen"))


def _emails(run: Run) -> dict[int, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT d.id, s.email FROM sending_delivery d JOIN audiences_subscriber s ON s.id = d.subscriber_id
               WHERE d.mailing_id = %s""",
            [run.id],
        )
        return dict(cursor.fetchall())


def _mailed_after(run: Run, path: Path) -> list[str]:
    since = {email: wall + GRACE for email, wall in run.left.items() if email not in run.excused}
    dots = [row for row in ledger.rows(path, "dot_seen") if row["mailing"] == str(run.id)]
    return [
        row["recipient"]
        for row in dots
        if row["wall"] > since.get(row["recipient"], math.inf)
        or any(began + GRACE < row["wall"] < ended for began, ended in run.paused)
    ]


def _refused(run: Run) -> list[tuple[int, str | None]]:
    """Nobody here has a letter that cannot be written or that kills who writes it; those in hand at a kill least of
    all."""
    return list(Outcome.objects.filter(mailing_id=run.id, kind="refused").values_list("delivery", "reason"))


def _in_plain_text(path: Path) -> list[str]:
    """Where the catalogue says that TLS is required, nothing may leave without."""
    strict = {persona for key, persona in PERSONAS.items() if catalogue().get(key).tls_required}
    return [row["recipient"] for row in ledger.rows(path, "accepted") if row["persona"] in strict and not row["tls"]]


def _sums(run: Run) -> list[str]:
    """People = chosen + left out; chosen = deliveries = final outcomes = counters."""
    assert run.mailing is not None
    mailing, wrong = run.mailing, []
    deliveries = Delivery.objects.filter(mailing_id=run.id).count()
    if mailing.total + mailing.n_excluded != len(run.people):
        wrong.append(f"{mailing.total} chosen and {mailing.n_excluded} left out are not {len(run.people)} people")
    if deliveries != mailing.total:
        wrong.append(f"{deliveries} deliveries for {mailing.total} people")
    finals = Counter(Outcome.objects.filter(mailing_id=run.id, kind__in=FINAL).values_list("delivery", flat=True))
    if several := [delivery for delivery, n in finals.items() if n > 1]:
        wrong.append(f"more than one final outcome: {several[:5]}")
    if len(finals) != mailing.total:
        wrong.append(f"{len(finals)} final outcomes for {mailing.total} people")
    counted = {kind: n for kind, n in counts_of(mailing).items() if n}
    recount = Counter(Outcome.objects.filter(mailing_id=run.id).values_list("kind", flat=True))
    if counted != dict(recount):
        wrong.append(f"counters say {counted}, rows {dict(recount)}")
    if MailingCount.objects.filter(mailing=mailing, n__lt=0).exists():
        wrong.append("a counter is below zero")
    return wrong


def _stuck(run: Run) -> list[str]:
    """Whatever should have come to an end."""
    assert run.mailing is not None
    found = [f"batch {pk} is still {state}" for pk, state in
             Batch.objects.filter(mailing=run.mailing).exclude(state="done").values_list("pk", "state")]  # fmt: skip
    if run.mailing.state != "done":
        found.append(f"the mailing is {run.mailing.state}: {run.mailing.state_reason}")
    if n := Requeue.objects.filter(mailing=run.mailing).count():
        found.append(f"{n} are still queued")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT b.id FROM sending_batch b WHERE b.state = 'running' AND b.owner IS NOT NULL
                AND NOT {workers.HOLDS_LOCK.format(key="b.owner")}"""
        )
        found += [f"batch {pk} belongs to a dead worker" for (pk,) in cursor.fetchall()]
        cursor.execute(
            """SELECT count(*) FROM sending_siteshare s JOIN sending_batch b ON b.id = s.batch_id
               WHERE b.state = 'done'"""
        )
        if n := (cursor.fetchone() or (0,))[0]:
            found.append(f"{n} shares of recipient domains were not given back")
    return found


def rows_from(source: Path, offset: int, to: Path) -> Path:
    """What the receivers wrote down since."""
    with source.open("rb") as file:
        file.seek(offset)
        to.write_bytes(file.read())
    return to


def as_line(found: dict[str, object]) -> str:
    return json.dumps(found)
