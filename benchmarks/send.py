"""The whole path through real Celery workers to a raw sink: `python -m benchmarks.send`.

Plan, claim, compose, sign, gate, hand over, settle, with PostgreSQL (durable commits), broker and sink on this machine.
The letter has about 10 KB, 12 personal fields and 10 tracked links. Beside it, in the same run: a Django loop as most
would write it, RSA signatures a second on one core, and ready-made messages over plain sockets; as others may use the
machine, these are measured before, between and after the two runs, and the median counts.

Before each run a twentieth of as many people get a mailing, as an installation that is measured has sent before: how
long a message takes is known then, and no process is new.

Rates are those of the middle four fifths of a run's final dots, as the sink saw them: without the run-up, and without
the end, when one connection after the other has nothing to do any more. CPU is that of all of it.

With `--rtt` and `--accept-delay` (milliseconds) the sink answers as a receiver far away does; then only the signed run
is made, and it is compared with what so many connections can carry. The last line is one JSON object.
"""

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import _cpu, _sink, _world

# Who gets a mailing of their own before the clock runs.
EARLY = "Early"


def send(asked: argparse.Namespace, folder: Path, port: int, *, signed: bool) -> dict[str, Any]:
    """One mailing to everybody; the rate in messages a second, CPU in ms a message, memory in MB."""
    from sending.models import Batch, Mailing

    key = "signed" if signed else "unsigned"
    worker = _world.kind("transmit") if signed else [sys.executable, "-m", "benchmarks._worker"]
    commands = {f"transmit-{n}": worker for n in range(asked.processes)}
    with _world.started({**_world.ENGINE, **commands}, folder) as pids:
        _wait_for_workers(asked.processes)
        roots = {
            "worker": [pids[name] for name in commands],
            "postgres": [_cpu.pid_in(folder / "postgres" / "postmaster.pid")],
            "broker": _broker_pids(folder),
            "control": [pids["control"]],
        }
        send_to = partial(_send_to, key=key, pid=roots["worker"][0], port=port)
        send_to(EARLY)
        used = {name: sum(map(_cpu.seconds, those)) for name, those in roots.items()}
        mailing, memory = send_to("Newsletter")
        spent = {name: sum(map(_cpu.seconds, those)) - used[name] for name, those in roots.items()}
    seen = _sink.stat(port)
    arrived = seen.messages
    assert Mailing.objects.get(pk=mailing.pk).total == mailing.total == arrived, f"{arrived} of {mailing.total} arrived"
    return {
        "per_s": seen.steady_per_s,
        "batches": Batch.objects.filter(mailing=mailing).count(),
        "cpu_ms": {name: round(1000 * s / arrived, 3) for name, s in spent.items()},
        **memory,
    }


def _send_to(name: str, *, key: str, pid: int, port: int) -> tuple[Any, dict[str, float]]:
    """A mailing to the list of this name, once all of it has arrived, and what its worker took."""
    from benchmarks.compose import compiled_letter
    from tests.cast import newsletter, pressed

    _sink.zero(port)
    mailing = pressed(datetime.now(UTC), newsletter(name), key=f"{key} {name}", messages=[compiled_letter().to_json()])
    return mailing, _until_done(mailing, pid, port)


def _broker_pids(folder: Path) -> list[int]:
    """The server names its socket in its command line."""
    from config import embedded

    socket = str(embedded.place(folder).broker_socket).encode()
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit() and socket in _cmdline(each)]


def _cmdline(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def _wait_for_workers(n: int) -> None:
    from django.db import connection

    until = time.monotonic() + 60
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT count(*) FROM sending_worker
                   WHERE kind = 'transmit' AND seen_at > clock_timestamp() - interval '3s'"""
            )
            if (cursor.fetchone() or (0,))[0] >= n:
                return
        time.sleep(0.2)
    raise RuntimeError("The workers did not start; see their logs.")


def _until_done(mailing: Any, pid: int, port: int) -> dict[str, float]:
    """Wait for the last message; the worker's memory when a fifth was sent, and the most after that, in MB."""
    early, most, last, moved = 0.0, 0.0, 0, time.monotonic()
    while (done := _sink.stat(port).messages) < mailing.total:
        memory = _cpu.rss_mb(pid)
        if done >= mailing.total / 5:
            early = early or memory
        most = max(most, memory)
        if done != last:
            last, moved = done, time.monotonic()
        if time.monotonic() - moved > 60:
            raise RuntimeError(f"Nothing moves: {done} of {mailing.total} arrived. {_why(mailing)}")
        time.sleep(0.25)
    return {"rss_mb": round(most, 1), "rss_growth_mb": round(most - early, 1)}


def _why(mailing: Any) -> str:
    """What the engine says of it."""
    from sending.models import Batch, Reply, Requeue

    ends = Batch.objects.filter(mailing=mailing).values_list("state", "end_reason").distinct()
    waits = Requeue.objects.filter(mailing=mailing).values_list("reason", flat=True).distinct()
    heard = Reply.objects.values_list("text", flat=True)[:3]
    return f"Batches: {list(ends)}; waiting: {list(waits)}; replies: {list(heard)}"


def near(asked: argparse.Namespace, folder: Path, port: int) -> dict[str, Any]:
    """As fast as the machine goes, beside its floors."""
    floors = [_floors_now(port)]
    unsigned = send(asked, folder, port, signed=False)
    print(f"unsigned {unsigned['per_s']:,.0f}/s {unsigned['cpu_ms']}, {unsigned['batches']} batches", flush=True)
    floors.append(_floors_now(port))
    signed = send(asked, folder, port, signed=True)
    print(f"signed {signed['per_s']:,.0f}/s {signed['cpu_ms']}, {signed['batches']} batches", flush=True)
    floors.append(_floors_now(port))
    rsa, smtp, baseline = (median(each) for each in zip(*floors, strict=True))
    return {
        "unsigned_per_s": round(unsigned["per_s"]),
        "signed_per_s": round(signed["per_s"]),
        "baseline_per_s": round(baseline),
        "unsigned_vs_baseline": round(unsigned["per_s"] / baseline, 2),
        "rsa_per_s_per_core": round(rsa),
        "signed_vs_rsa_core": round(signed["per_s"] / rsa, 2),
        "smtp_floor_per_s": round(smtp),
        "cpu_ms": {"unsigned": unsigned["cpu_ms"], "signed": signed["cpu_ms"]},
    }


def _floors_now(port: int) -> tuple[float, float, float]:
    """RSA signatures on one core, ready-made messages, and messages of a Django loop, a second."""
    from benchmarks import _floors

    rsa = _floors.signatures_per_second()
    smtp = _floors.smtp_per_second(port, content=_sample())
    baseline = _floors.django_loop_per_second(port)
    print(f"baseline {baseline:,.0f}/s, RSA {rsa:,.0f}/s, SMTP {smtp:,.0f}/s", flush=True)
    return rsa, smtp, baseline


def far(asked: argparse.Namespace, folder: Path, port: int) -> dict[str, Any]:
    """Three round trips and the receiver's thinking are the time of a message; connections are what multiplies it.

    `rss_growth_mb` is what the worker's memory grew by after the first fifth.
    """
    sent = send(asked, folder, port, signed=True)
    possible = asked.connections / ((3 * asked.rtt + asked.accept_delay) / 1000)
    return {
        "share_of_possible": round(sent["per_s"] / possible, 3),
        "per_s": round(sent["per_s"]),
        "possible_per_s": round(possible),
        "rss_mb": sent["rss_mb"],
        "rss_growth_mb": sent["rss_growth_mb"],
        "cpu_ms": sent["cpu_ms"],
    }


def _sample() -> bytes:
    from benchmarks.compose import compiled_letter, recipient, system
    from sending.pure.compose import compose, prepare

    return compose(prepare(compiled_letter()), recipient=recipient(1), system=system(1)).as_bytes(b"")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=20000)
    parser.add_argument("--connections", type=int, default=128, help="over all worker processes")
    parser.add_argument("--processes", type=int, default=0, help="worker processes (2; 1 with --rtt)")
    parser.add_argument("--rtt", type=float, default=0, help="milliseconds")
    parser.add_argument("--accept-delay", type=float, default=0, help="milliseconds")
    asked = parser.parse_args()
    is_far = bool(asked.rtt or asked.accept_delay)
    asked.processes = asked.processes or (1 if is_far else 2)
    _world.end_as_on_ctrl_c()
    with _sink.running(rtt=asked.rtt, accept_delay=asked.accept_delay) as port:
        threads = max(1, asked.connections // asked.processes)
        with _world.installed({"SMTP_PORT": str(port), "TRANSMIT_THREADS": str(threads)}) as folder:
            from tests.sending.engine import sign_with_a_key

            now = datetime.now(UTC)
            _world.readers(asked.recipients, now=now)
            _world.readers(max(asked.connections, asked.recipients // 20), now=now, name=EARLY)
            sign_with_a_key(now)
            # Every connection has something to do, however few there are.
            each = max(1, min(1000, asked.recipients // asked.connections))
            _world.without_limits(now=now, connections=asked.connections, batch_size=each)
            report = (far if is_far else near)(asked, folder, port)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
