"""How far one database carries: `python -m benchmarks.capacity`.

What the other benchmarks measured (`benchmarks/measured.toml`) is put into a simulation of hosts, gates, the database's
cores and its disk (`benchmarks/_simulation.py`). First it has to show that it tells what was measured: the whole path
on one machine, and the gates of many hosts. Then it says what 1, 10 and 100 hosts send through databases of several
sizes and what is used up there, and what a month of up to a billion messages asks of one. The last line is one JSON
object.
"""

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks._simulation import Costs, Machines, simulated, without_hosts

MEASURED = Path(__file__).with_name("measured.toml")
# A sending host of the forecast: four processes of 50 connections on four cores. Receivers are 50 ms away and take 200:
# MAIL, RCPT and DATA leave together, then the letter, so two round trips and the 200.
HOST = Machines(processes=4, connections=50, host_cores=4)
REPLY_MS = 300.0
HOSTS = (1, 10, 100)
DATABASES = (4, 16, 64)
# Its disk flushes in a millisecond, as the usual ones for servers do; the one measured here is slower.
COMMIT_MS = 1.0
MONTHS = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
# Mail leaves on 22 days of 8 hours, and in the busiest hour three times as fast.
SENDING_SECONDS = 22 * 8 * 3600
PEAK = 3.0
# Queries of pages, reports and imports want some of it, too.
BUSY = 0.6
KEPT_MONTHS = 13
MAILING_SIZE = 20_000
MAILINGS_A_PARTITION = 500
# Autovacuum reads and marks pages at this pace with PostgreSQL's own settings: 200 points every 2 ms, 20 a page.
VACUUM_BYTES_A_SECOND = 200 / 20 * 8192 / 0.002
# It has to freeze before so many transactions went by.
FREEZE_AGE = 200_000_000


def costs(measured: Mapping[str, Any]) -> Costs:
    """Per message, from what was measured. What a message costs outside its gate is what is left of the whole."""
    send, base = measured["send"], measured["database"]
    return Costs(
        statement=base["statement_ms"],
        question=base["question_ms"],
        batch_share=max(0.0, base["message_ms"] - _alone(base)["postgres_ms"]),
        commit=base["commit_ms"],
        worker=send["worker_ms"],
        others=send["control_ms"] + send["broker_ms"],
    )


def _alone(base: Mapping[str, Any]) -> Mapping[str, Any]:
    """One host with one question: so every message was sent whose whole was measured."""
    return next(one for one in base["gates"] if one["hosts"] == one["questions"] == 1)


@dataclass(frozen=True)
class Check:
    """What the simulation says beside what was measured, in messages a second."""

    what: str
    measured: float
    simulated: float

    @property
    def deviation(self) -> float:
        return self.simulated / self.measured - 1


def checks(measured: Mapping[str, Any]) -> list[Check]:
    send = measured["send"]
    # Batches were larger there than a hundred: the rest of what PostgreSQL spent, with a gate for half the connections.
    base = costs(measured)
    rest = send["postgres_ms"] - base.question - base.statement / (send["connections"] / 2)
    known = replace(base, batch_share=max(0.0, rest))
    # The sink works on the same cores. It is half of what a ready-made message costs.
    sink = 1000 / send["smtp_per_s"] / 2
    one = Machines(
        processes=send["processes"], connections=send["connections"], database_cores=send["cores"], shared=True
    )
    whole = simulated(replace(known, worker=known.worker + sink, network=0.1), one)
    found = [Check("whole path, one machine", send["per_s"], round(whole.messages))]
    for each in measured["database"]["gates"]:
        asking = replace(without_hosts(known), worker=each["asker_ms"] / each["questions"], network=0.0)
        machines = Machines(
            hosts=each["hosts"], processes=1, connections=each["questions"], database_cores=send["cores"], shared=True
        )
        seen = simulated(asking, machines, together=True)
        name = f"gates: hosts {each['hosts']}, questions {each['questions']}"
        found.append(Check(name, each["messages_per_s"], round(seen.messages)))
    return found


def fleets(known: Costs) -> list[dict[str, Any]]:
    """Hosts before databases of several sizes: what leaves, and what is used up."""
    far = replace(known, reply=REPLY_MS, commit=COMMIT_MS)
    found = []
    for hosts in HOSTS:
        for cores in DATABASES:
            machines = replace(HOST, hosts=hosts, database_cores=cores)
            seen = simulated(far, machines, seconds=2.0 if hosts > 10 else 5.0, first=3.0)
            found.append(
                {
                    "hosts": hosts,
                    "database_cores": cores,
                    "messages_per_s": round(seen.messages),
                    "gates_per_s": round(seen.gates),
                    "questions": round(seen.questions, 1),
                    "database": round(seen.database_share, 2),
                    "host": round(seen.host_share, 2),
                    "disk": round(seen.disk_share, 2),
                    "gate_p95_ms": round(seen.gate_p95_ms, 1),
                    "limit": seen.limit,
                }
            )
            print(found[-1], flush=True)
    return found


def month(n: int, known: Costs, measured: Mapping[str, Any]) -> dict[str, Any]:
    """What so many messages a month ask of one database."""
    base = measured["database"]
    peak = n / SENDING_SECONDS * PEAK
    # As many hosts as replies need; each gathers the questions of those of its connections that wait.
    hosts = max(1, math.ceil(peak / (HOST.processes * HOST.connections * 1000 / REPLY_MS)))
    each = simulated(replace(known, reply=REPLY_MS, commit=COMMIT_MS), HOST, seconds=5.0).questions
    busy = peak * (known.statement / each + known.question + known.batch_share + known.others) / 1000
    day = n / 22
    mailings = max(20, n / MAILING_SIZE)
    return {
        "messages": n,
        "peak_per_s": round(peak, 1),
        "hosts": hosts,
        "gates_per_s": round(peak / each, 1),
        "cores": round(busy / BUSY, 2),
        "rows_a_day": round(2 * day),
        "wal_gb_a_day": round(day * (base["statement_wal"] / each + base["message_wal"]) / 1e9, 2),
        "disk_gb": round(KEPT_MONTHS * n * base["row_bytes"] / 1e9, 1),
        "partitions": 2 * math.ceil(KEPT_MONTHS * mailings / MAILINGS_A_PARTITION),
        "vacuum_hours_a_day": round(day * base["row_bytes"] / VACUUM_BYTES_A_SECOND / 3600, 2),
        "days_to_freeze": round(FREEZE_AGE / max(1.0, day / each)),
    }


def main() -> None:
    measured = tomllib.loads(MEASURED.read_text("utf-8"))
    base, known = measured["database"], costs(measured)
    print(known, flush=True)
    compared = checks(measured)
    for check in compared:
        print(
            f"{check.what}: measured {check.measured}, simulated {check.simulated}, {check.deviation:+.0%}", flush=True
        )
    sent = fleets(known)
    months = [month(n, known, measured) for n in MONTHS]
    for each in months:
        print(each, flush=True)
    print(
        json.dumps(
            {
                "checks": {check.what: {**asdict(check), "deviation": round(check.deviation, 2)} for check in compared},
                "hosts": sent,
                "months": months,
                "most_per_s_and_core": round(1000 / (known.question + known.batch_share + known.others)),
                "costs_ms": asdict(known),
                "bytes": {"rows": base["row_bytes"], "wal": base["message_wal"]},
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
