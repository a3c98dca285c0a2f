"""Take a message in: keep it raw and commit before anybody is told that it is ours now."""

import hashlib
import json
import logging
import uuid
from dataclasses import dataclass
from datetime import datetime

from celery import current_app
from django.db import connection, transaction
from django.db.models import Q

from reputation.models import SendingDomain

log = logging.getLogger(__name__)

# Larger messages are refused; of the others the head is kept: reports say what they have to say in it.
LARGEST = 32 * 1024 * 1024
KEPT = 1024 * 1024

READ_TASK = "sending.tasks.read_inbound"
_WAKE_EXPIRES_SECONDS = 60


class Digest:
    """The identity of a message while it is read: its recipient and every octet, kept or not."""

    def __init__(self, about: str) -> None:
        self._hash = hashlib.sha256(about.encode("utf-8", "replace") + b"\0")

    def update(self, octets: bytes) -> None:
        self._hash.update(octets)

    @property
    def id(self) -> uuid.UUID:
        return uuid.UUID(bytes=self._hash.digest()[:16])


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message as it came: `raw` is its head, `size` its whole length in octets."""

    source: str
    raw: bytes
    size: int
    digest: uuid.UUID
    mail_from: str = ""
    rcpt_to: str = ""
    peer: str = ""
    content_type: str = ""


def arrival(*, source: str, raw: bytes, mail_from: str, rcpt_to: str, peer: str = "") -> Arrival:
    """An arrival of a message that is at hand as a whole."""
    digest = Digest(rcpt_to.lower())
    digest.update(raw)
    return Arrival(
        source=source,
        raw=raw[:KEPT],
        size=len(raw),
        digest=digest.id,
        mail_from=mail_from,
        rcpt_to=rcpt_to,
        peer=peer,
    )


_KEEP = """
INSERT INTO sending_inbound (source, mail_from, rcpt_to, headers, raw, digest, received_at, state, attempts, kind, note)
VALUES (%s, %s, %s, %s::jsonb, %s, %s, %s, 'new', 0, '', '')
ON CONFLICT (digest) DO NOTHING RETURNING id
"""


def keep(*, now: datetime, came: Arrival) -> int | None:
    """Store it; None when the very same message is here already. Raises DatabaseError: then it was not taken."""
    about = {"size": came.size, "peer": came.peer, "type": came.content_type}
    kept = json.dumps({name: value for name, value in about.items() if value})
    texts = [came.source[:40], _plain(came.mail_from), _plain(came.rcpt_to)]
    with transaction.atomic(), connection.cursor() as cursor:
        # Whoever handed it over forgets it when we say yes.
        cursor.execute("SET LOCAL synchronous_commit = on")
        cursor.execute(_KEEP, [*texts, kept, came.raw, came.digest, now])
        found = cursor.fetchone()
    return int(found[0]) if found else None


def _plain(address: str) -> str:
    return address.replace("\0", "").encode("utf-8", "replace").decode()[:320]


def is_ours(address: str) -> bool:
    """Does mail to this address belong to us? Return paths, unsubscriptions and replies: all at our sending domains."""
    local, at, domain = address.strip().rpartition("@")
    domain = domain.lower().rstrip(".")
    if not (local and at and domain) or len(address) > 320 or "\0" in address:
        return False
    return SendingDomain.objects.filter(Q(name__iexact=domain) | Q(return_path_host__iexact=domain)).exists()


def wake(inbound_id: int) -> None:
    """Ask for it to be read now. When the broker is away, the sweep finds it."""
    try:
        current_app.send_task(READ_TASK, args=[inbound_id], queue="inbound", expires=_WAKE_EXPIRES_SECONDS)
    except Exception as error:  # noqa: BLE001 - every transport has errors of its own
        log.warning("Inbound %s waits for the sweep: %s", inbound_id, type(error).__name__)
