"""Send one delivery in a process of its own, because it may kill the process that sends it.

1. The batch becomes this one person's; everybody else in it goes back untouched.
2. A process of its own adopts the batch, as a takeover would: by the epoch. It has its own gate and its own lock.
3. Wait for its end. When it dies, its batch is taken over like any other, and its flight recorder tells of whom.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

from django.db import connection, transaction

from sending import draining
from sending.claim import STILL_OURS, Claimed

log = logging.getLogger(__name__)

_MANAGE = Path(__file__).resolve().parent.parent / "manage.py"
_LOOK_SECONDS = 0.2
# A process takes a second of a core to start: one at a time for each worker.
_one_at_a_time = threading.Lock()
# Well below the lease of a batch.
_PATIENCE_SECONDS = 20.0
# Never set: while draining, waiting for the process goes on, and must not spin.
_PAUSE = threading.Event()

_OTHERS_GO_BACK = "UPDATE sending_requeue SET batch = NULL WHERE batch = %s AND delivery <> %s"
_ONE_PERSONS = "UPDATE sending_batch SET lo = 1, hi = 1 WHERE id = %s"


def command(batch_id: int, epoch: int, now: datetime) -> list[str]:
    return [sys.executable, str(_MANAGE), "send_alone", str(batch_id), str(epoch), now.isoformat()]


def send(*, claimed: Claimed, delivery: int, now: datetime) -> bool:
    """Have this delivery of our retry batch sent by a process of its own, and wait until that is over.

    False when nothing was begun: there is no time, or the batch is not ours any more. Its exit is no matter: the rows
    say what became of it.
    """
    if not _one_at_a_time.acquire(timeout=_PATIENCE_SECONDS):
        return False
    try:
        if draining.is_draining() or not _make_it_one_persons(claimed, delivery):
            return False
        connection.close()
        log.warning("Delivery %s of mailing %s is sent by a process of its own", delivery, claimed.mailing.pk)
        process = subprocess.Popen(
            command(claimed.batch.pk, claimed.epoch, now),
            # It ends its message even when this process is killed with its whole group.
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PROCESS_KIND": "alone"},
        )
        code = _end_of(process)
    finally:
        _one_at_a_time.release()
    if code:
        log.error("The process that sent delivery %s alone ended with %s", delivery, code)
    return True


def _make_it_one_persons(claimed: Claimed, delivery: int) -> bool:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(STILL_OURS, [claimed.batch.pk, claimed.epoch])
        if cursor.fetchone() is None:
            return False
        cursor.execute(_OTHERS_GO_BACK, [claimed.batch.pk, delivery])
        cursor.execute(_ONE_PERSONS, [claimed.batch.pk])
    return True


def _end_of(process: subprocess.Popen[bytes]) -> int:
    told = False
    while (code := process.poll()) is None:
        if draining.is_draining() and not told:
            process.send_signal(signal.SIGTERM)
            told = True
        _PAUSE.wait(_LOOK_SECONDS)
    return code
