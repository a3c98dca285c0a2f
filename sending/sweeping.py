"""What has to happen whatever was lost: run by beat, and by any worker when beat is silent."""

from datetime import datetime

from django.db import connection

from sending import (
    boot_identity,
    completion,
    crashes,
    guard,
    hours,
    mailings,
    placing,
    split_test,
    storms,
    takeover,
    unclaimed,
    wake,
    workers,
)


def sweep(*, now: datetime) -> None:
    """Each part is idempotent and may run twice at once."""
    boot_identity.grow()
    crashes.count(now=now)
    takeover.take_over(now=now)
    mailings.hold_what_may_not_leave(now=now)
    guard.watch(now=now)
    hours.let_go(now=now)
    split_test.watch(now=now)
    wake.wake_forgotten(now=now)
    placing.place(now=now)
    completion.complete_if_finished(now=now)
    with connection.cursor() as cursor:
        workers.prune(cursor)
    unclaimed.give_back(now=now)
    storms.time_out(now=now)
