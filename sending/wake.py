"""Wake-ups: "look at batch 7", "plan". Losing every one of them is harmless; the sweep finds what was not claimed."""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from celery import current_app
from django.db import connection, transaction
from kombu.exceptions import KombuError, LimitExceeded, OperationalError

from sending.models import Stream

log = logging.getLogger(__name__)

AGAIN_AFTER_SECONDS = 2.0
TRANSMIT_TASK, PLAN_TASK = "sending.tasks.transmit", "sending.tasks.tick"
_COALESCE_SECONDS = 0.5
# Nothing can be published now.
AWAY = (OperationalError, LimitExceeded, OSError)

_lock = threading.Lock()
_planned_at = float("-inf")
_timer: threading.Timer | None = None
n_lost = 0

# Compare-and-set on `woken_at`: of two sweeps one wakes a batch. Due ones only; a worker would just wait with it. Each
# wait is as long as all before it: where every thread is busy, more messages would only lengthen the queue.
_FORGOTTEN = """
UPDATE sending_batch b SET woken_at = %(now)s
FROM (SELECT id FROM sending_batch
      WHERE state = 'planned' AND due_at <= %(now)s + interval '2 seconds'
        AND (woken_at IS NULL
             OR woken_at <= %(now)s - greatest(make_interval(secs => %(again)s), (%(now)s - due_at) / 2))
      ORDER BY id FOR NO KEY UPDATE SKIP LOCKED) f
JOIN sending_batch s ON s.id = f.id JOIN sending_route r ON r.id = s.route_id
WHERE b.id = f.id
RETURNING b.id, b.stream, r.egress_host
"""


def wake(batches: Iterable[tuple[int, str, str]]) -> None:
    """Tell the workers of these batches, once the transaction commits: (id, stream, egress host)."""
    messages = [(batch_id, queue_of(stream, host)) for batch_id, stream, host in batches]
    transaction.on_commit(lambda: _publish_all(messages))


def wake_forgotten(*, now: datetime) -> int:
    """Wake planned batches that nobody claimed, two seconds after they were due, then after 4, 8, 16; returns how many
    were woken."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGOTTEN, {"now": now, "again": AGAIN_AFTER_SECONDS})
        messages = [(batch_id, queue_of(stream, host)) for batch_id, stream, host in cursor.fetchall()]
    _publish_all(messages)
    return len(messages)


def plan_soon() -> None:
    """Ask for a plan when the transaction commits: capacity came back. At most twice a second from one process."""
    transaction.on_commit(_plan)


def queue_of(stream: str, egress_host: str) -> str:
    """Transactional mail has a worker of its own on the first host; an address belongs to one host."""
    return "transactional" if stream == Stream.TRANSACTIONAL and egress_host == "main" else f"egress.{egress_host}"


def _plan() -> None:
    """At once, or when the half second since the last one is over: the capacity that came back must not lie idle until
    beat ticks. One timer serves all who ask meanwhile."""
    global _planned_at, _timer
    with _lock:
        wait = _planned_at + _COALESCE_SECONDS - time.monotonic()
        if wait > 0.01:
            if _timer is None or not _timer.is_alive():
                _timer = threading.Timer(wait, _plan)
                _timer.daemon = True
                _timer.start()
            return
        _planned_at, _timer = time.monotonic(), None
    _publish([(PLAN_TASK, [], "control")])


def _publish_all(messages: Iterable[tuple[int, str]]) -> None:
    _publish([(TRANSMIT_TASK, [batch_id], queue) for batch_id, queue in messages])


def _publish(wake_ups: Sequence[tuple[str, list[int], str]]) -> None:
    """All (task, arguments, queue) in one trip, where the broker takes several at once. What it does not take is
    counted, and found by the sweep.

    What one queue does not take holds up no other; a broker that is away would cost each its time limit.
    """
    if not wake_ups:
        return
    app: Any = current_app  # what it has more than Celery's own, the stubs do not know
    gone = 0
    try:
        with app.producer_or_acquire() as producer, producer.batch():
            for task, args, queue in wake_ups:
                try:
                    app.wake_up(producer, task, args, queue)
                except Exception as error:
                    if isinstance(error, AWAY):
                        raise
                    _lost(1, error)
                    gone += 1
    except (KombuError, OSError) as error:
        _lost(len(wake_ups) - gone, error)


def _lost(n: int, error: Exception) -> None:
    global n_lost
    n_lost += n
    log.warning("%s wake-ups were lost (%s so far): %s", n, n_lost, type(error).__name__)
