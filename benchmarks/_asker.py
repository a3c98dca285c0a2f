"""A host's gate without the rest of the host: `python -m benchmarks._asker SECONDS MAILING BATCH…`.

Says `ready`, waits for a line, and then asks for all its batches at once, statement after statement: an intent for the
next message and the outcome of the last one, as the gate of a sending process does. Then it prints what it saw.
"""

import json
import os
import resource
import sys
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def asked(connection: Any, mailing: int, batches: list[int], token: int) -> None:
    from sending.gate_questions import Counters, Intent, Question
    from sending.gate_statement import STATEMENT, as_gate_params
    from sending.settle import Settled

    now, key = datetime.now(UTC), uuid4()
    questions = [
        Question(
            batch, 1, token, Intent(delivery=_delivery(batch, token), attempt=1, key_then=key, key_now=key),
            Counters(cursor=token, sent=token, accepted=token, last_dot_at=now),
            [Settled(mailing=mailing, delivery=_delivery(batch, token - 1), attempt=1, kind="accepted",
                     provider="google", at=now, batch=batch)] if token > 1 else (),
        )
        for batch in batches
    ]  # fmt: skip
    rows = connection.execute(STATEMENT, as_gate_params(questions)).fetchall()
    refused = {row[1] for row in rows} - {"granted"}
    if refused:
        raise RuntimeError(f"The gate said {refused}.")


def _delivery(batch: int, token: int) -> int:
    """Nobody else's."""
    return batch * 100_000 + token


def main(seconds: float, mailing: int, batches: list[int]) -> None:
    import django

    django.setup()
    from sending import here

    connection = here.connect()
    print("ready", flush=True)
    sys.stdin.readline()
    took: list[float] = []
    began, used = time.monotonic(), _used()
    while time.monotonic() - began < seconds:
        before = time.perf_counter()
        asked(connection, mailing, batches, len(took) + 1)
        took.append(1000 * (time.perf_counter() - before))
    lasted = time.monotonic() - began
    used = _used() - used
    took.sort()
    print(
        json.dumps(
            {
                "statements": len(took),
                "seconds": lasted,
                "p50_ms": took[len(took) // 2],
                "p99_ms": took[int(0.99 * len(took))],
                "cpu_s": used,
            }
        ),
        flush=True,
    )


def _used() -> float:
    """Processor seconds of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]), [int(batch) for batch in sys.argv[3:]])
