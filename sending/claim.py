"""Claim a planned batch: a compare-and-set, so that a wake-up lost, repeated or late is harmless."""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import Error, connection

from sending.models import Batch, Mailing, Route

log = logging.getLogger(__name__)

LEASE_SECONDS = 60

# Leases live on the database's clock: no two machines need agree on the time.
_CLAIM = """
UPDATE sending_batch
SET state = 'running', epoch = epoch + 1, owner = %(owner)s, started_at = %(now)s,
    lease_until = clock_timestamp() + make_interval(secs => %(lease)s),
    intent = NULL, intent_attempt = NULL, intent_token = NULL
WHERE id = %(batch)s AND state = 'planned' RETURNING epoch
"""
# From the worker that claimed it to the process it has started for it.
_ADOPT = """
UPDATE sending_batch
SET epoch = epoch + 1, owner = %(owner)s, lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
WHERE id = %(batch)s AND epoch = %(epoch)s AND state = 'running' AND intent IS NULL RETURNING epoch
"""
_LET_GO = """
UPDATE sending_batch SET owner = NULL, lease_until = clock_timestamp()
WHERE id = %s AND epoch = %s AND state = 'running'
"""
# For a transaction that must not write what belongs to a batch that somebody else has closed.
STILL_OURS = "SELECT 1 FROM sending_batch WHERE id = %s AND epoch = %s AND state = 'running' FOR NO KEY UPDATE"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A batch that is ours as long as its row says `epoch`."""

    batch: Batch
    mailing: Mailing
    route: Route
    epoch: int

    @property
    def size(self) -> int:
        return size_of(self.batch)


def claim(*, now: datetime, batch_id: int, owner: int) -> Claimed | None:
    """Make the batch ours; None when somebody else has it, or had it."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"owner": owner, "now": now, "lease": LEASE_SECONDS, "batch": batch_id})
        row = cursor.fetchone()
    return claimed(batch_id) if row else None


def adopt(*, batch_id: int, epoch: int, owner: int) -> Claimed | None:
    """Make ours what another process has claimed and not begun; None when it is not as it was any more."""
    with connection.cursor() as cursor:
        cursor.execute(_ADOPT, {"owner": owner, "lease": LEASE_SECONDS, "batch": batch_id, "epoch": epoch})
        row = cursor.fetchone()
    return claimed(batch_id) if row else None


def claimed(batch_id: int) -> Claimed:
    """A batch with all that goes with it."""
    batch = Batch.objects.select_related("mailing__sending_domain", "route__address").get(pk=batch_id)
    return Claimed(batch, batch.mailing, batch.route, batch.epoch)


def leave_to_takeover(claimed: Claimed) -> None:
    """Let the batch go unfinished: the next sweep hands everybody back. Without a database the lease just lapses."""
    try:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute(_LET_GO, [claimed.batch.pk, claimed.epoch])
    except Error as error:
        log.warning("Batch %s could not be let go: %s", claimed.batch.pk, type(error).__name__)


def size_of(batch: Batch) -> int:
    """Messages the planner reserved for it, fresh or retry."""
    return batch.hi - batch.lo + 1
