"""What PostgreSQL spends on a message, and how many hosts' gates it carries: `python -m benchmarks.database`.

1. Gates: so many hosts (processes with one connection each) ask the gate's real statement, with so many questions at
   once, as fast as they are answered; each question settles a message and grants the next. From the processor time of
   PostgreSQL at one and at many questions follow the parts of a statement and of a question.
2. The rest: batches of 100 by the real functions, from hand-out to closed books, with a receiver that says yes at once.

Durable commits, in a folder that is deleted again. The last line is one JSON object: the figures that
`benchmarks/measured.toml` keeps for `benchmarks.capacity`.
"""

import argparse
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import _cpu, _world

# (hosts, questions at once)
GRID = ((1, 1), (1, 64), (4, 1), (4, 16), (16, 16))
BATCHES, BATCH = 12, 100


def gates(folder: Path, mailing: Any, hosts: int, questions: int, seconds: float) -> dict[str, float]:
    """What the hosts got together, and what PostgreSQL spent on it."""
    slots = _running(mailing, hosts * questions)
    askers = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks._asker", str(seconds), str(mailing.pk), *map(str, slots[n::hosts])],
            cwd=_world.BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(hosts)
    ]
    for asker in askers:
        _line(asker)
    used, written = _spent(folder)
    for asker in askers:
        assert asker.stdin is not None
        asker.stdin.write("go\n")
        asker.stdin.flush()
    told = [json.loads(_line(asker)) for asker in askers]
    cpu, wal = (after - before for after, before in zip(_spent(folder), (used, written), strict=True))
    for asker in askers:
        asker.wait()
    statements = sum(one["statements"] for one in told)
    lasts = max(one["seconds"] for one in told)
    return {
        "hosts": hosts,
        "questions": questions,
        "statements_per_s": round(statements / lasts, 1),
        "messages_per_s": round(statements * questions / lasts),
        "postgres_ms": round(1000 * cpu / statements, 4),
        "asker_ms": round(1000 * sum(one["cpu_s"] for one in told) / statements, 4),
        "wal_bytes": round(wal / statements),
        "p50_ms": round(max(one["p50_ms"] for one in told), 2),
        "p99_ms": round(max(one["p99_ms"] for one in told), 2),
    }


def _line(asker: "subprocess.Popen[str]") -> str:
    assert asker.stdout is not None
    line = asker.stdout.readline()
    if not line:
        raise RuntimeError("A host ended early.")
    return line


def _running(mailing: Any, n: int) -> list[int]:
    """Ids of new running batches."""
    from sending.models import Batch, MailingLane
    from tests.cast import direct_route

    now = datetime.now(UTC)
    lane = MailingLane.objects.filter(mailing=mailing)[0]
    made = Batch.objects.bulk_create(
        Batch(mailing=mailing, wave=0, route=direct_route(), provider=lane.provider, stream="marketing", kind="fresh",
              lo=1, hi=1_000_000, gap=0.0, due_at=now, deadline=now + timedelta(hours=1), state="running", epoch=1,
              lease_until=now + timedelta(hours=1))
        for _ in range(n)
    )  # fmt: skip
    return [batch.pk for batch in made]


def _spent(folder: Path) -> tuple[float, float]:
    """Processor seconds of PostgreSQL, and bytes written ahead, since it started."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")
        written = float((cursor.fetchone() or (0,))[0])
    return _cpu.seconds(_cpu.pid_in(folder / "postgres" / "postmaster.pid")), written


def whole(folder: Path, mailing: Any) -> dict[str, float]:
    """A message from hand-out to closed books, one question a gate: PostgreSQL's milliseconds, and bytes."""
    from benchmarks._cost import _send, _spec, metered

    now, before = datetime.now(UTC), _bytes()
    with metered():
        _send(_spec(mailing, "yahoo", now), now)
        used, written = _spent(folder)
        for _ in range(BATCHES):
            _send(_spec(mailing, "yahoo", now), now)
        cpu, wal = (after - begun for after, begun in zip(_spent(folder), (used, written), strict=True))
    n = BATCHES * BATCH
    return {
        "postgres_ms": round(1000 * cpu / n, 4),
        "wal_bytes": round(wal / n),
        "row_bytes": round((_bytes() - before) / (n + BATCH) + _bytes_of_a_delivery(mailing)),
    }


_SIZE = """
SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c
WHERE c.relkind = 'r' AND c.relname ~ %s
"""


def _bytes(tables: str = "^sending_(outcome|batch|reply|requeue)") -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(_SIZE, [tables])
        return int((cursor.fetchone() or (0,))[0])


def _bytes_of_a_delivery(mailing: Any) -> float:
    """Written when the campaign is launched, with the indexes."""
    return _bytes("^sending_delivery") / float(mailing.total)


def parts(grid: list[dict[str, float]]) -> dict[str, float]:
    """Milliseconds of PostgreSQL and bytes written ahead for a statement and for a question in it, from four hosts at
    one and at many questions; a commit is the time of one host's statement in which neither side computes."""
    alone, few, many = (_at(grid, *where) for where in ((1, 1), (4, 1), (4, 16)))
    apart = many["questions"] - few["questions"]
    question = (many["postgres_ms"] - few["postgres_ms"]) / apart
    wal = (many["wal_bytes"] - few["wal_bytes"]) / apart
    return {
        "commit_ms": round(1000 / alone["statements_per_s"] - alone["postgres_ms"] - alone["asker_ms"], 4),
        "statement_ms": round(few["postgres_ms"] - question, 4),
        "question_ms": round(question, 4),
        "statement_wal": round(few["wal_bytes"] - wal),
        "question_wal": round(wal),
    }


def _at(grid: list[dict[str, float]], hosts: int, questions: int) -> dict[str, float]:
    return next(one for one in grid if (one["hosts"], one["questions"]) == (hosts, questions))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    asked = parser.parse_args()
    with _world.installed({}) as folder:
        from benchmarks.compose import compiled_letter
        from tests.cast import newsletter, pressed
        from tests.sending.engine import sign_with_a_key

        now = datetime.now(UTC)
        _world.readers((BATCHES + 2) * BATCH, now=now)
        sign_with_a_key(now)
        mailing = pressed(now, newsletter(), messages=[compiled_letter().to_json()])
        rest = whole(folder, mailing)
        grid = []
        for hosts, questions in GRID:
            grid.append(gates(folder, mailing, hosts, questions, asked.seconds))
            print(grid[-1], flush=True)
        print(json.dumps({**parts(grid), "message": rest, "gates": grid}), flush=True)


if __name__ == "__main__":
    main()
