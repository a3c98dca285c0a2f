"""Read what a claimed batch needs, in a few queries: its people as they are now, and where their mail goes today."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from audiences.models import list_scope
from sending.claim import Claimed
from sending.crashes import REFUSED_AFTER
from sending.models import Batch, MailingLane, OutcomeKind, Requeue, Route
from sending.requeue import Return
from sending.retrying import NOT_LOOKED_UP_AGAIN
from sending.settle import Settled
from sending.transports import Destination

TAIL, UNKNOWN = "tail", "unknown"


@dataclass(slots=True, kw_only=True)
class Person:
    """One delivery of the batch, as it can be sent now. `attempt` is the try at hand; `counted` those before it that
    were about this message. A value, not frozen because one is made for each message."""

    delivery: int
    attempt: int
    counted: int
    first_tried_at: datetime | None
    seq: int
    variant: int
    subscriber: int
    email: str
    # As the database gives them: whole batches wait, and a text needs a fifth of the memory that a dict does.
    stored_fields: str | Mapping[str, Any]
    via_list: int | None
    key_then: UUID
    key_now: UUID
    destination: Destination
    pinned_route: int | None = None
    # Where the mail goes today; no provider where nobody knows it. The budget of the domain, where it has limits.
    domain: str = ""
    provider: str = ""
    site_budget: int | None = None

    @property
    def fields(self) -> Mapping[str, Any]:
        """Made anew each time."""
        return _decoded(self.stored_fields)

    @property
    def via_scope(self) -> str:
        return list_scope(self.via_list) if self.via_list is not None else ""


@dataclass(slots=True)
class Load:
    """Who is to be sent to, in order; who is left out with the outcome; who goes back into the queue."""

    people: list[Person] = field(default_factory=list)
    left_out: list[Settled] = field(default_factory=list)
    returned: list[Return] = field(default_factory=list)


_COLUMNS = """
    d.id, d.seq, d.variant, d.subscriber_id, d.via_list, d.address_key,
    -- A test goes to a colleague, whoever's fields it shows: only the colleague's key is asked about.
    coalesce(d.to_address, s.email) AS email, s.fields,
    CASE WHEN d.to_address IS NULL THEN s.address_key ELSE d.address_key END AS key_now,
    coalesce(c.n, 0) AS crashes, rd.state AS domain_state, rd.provider, rd.site, rd.mx, t.domain,
    EXISTS (SELECT 1 FROM audiences_suppression x
            WHERE x.address_key IN (d.address_key, CASE WHEN d.to_address IS NULL THEN s.address_key END)
            AND x.scope = ANY(%(scopes)s::text[] || ('list:' || d.via_list)::text)) AS is_suppressed
"""
_TODAY = """
    LEFT JOIN audiences_subscriber s ON s.id = d.subscriber_id
    CROSS JOIN LATERAL (SELECT coalesce(split_part(d.to_address, '@', 2), s.domain, d.domain) AS domain) t
    LEFT JOIN reputation_recipientdomain rd ON rd.domain = t.domain
"""
_FRESH = f"""
SELECT 1 AS attempt, 0 AS counted, NULL::timestamptz AS first_tried_at, NULL::bigint AS pinned_route, {_COLUMNS}
FROM sending_delivery d {_TODAY}
-- Nobody can have crashed before.
CROSS JOIN LATERAL (SELECT 0 AS n) c
WHERE d.mailing_id = %(mailing)s AND d.wave = %(wave)s AND d.provider = %(provider)s
  AND d.seq BETWEEN %(lo)s AND %(hi)s
ORDER BY d.seq
"""
_RETRY = f"""
SELECT q.attempt, q.counted, q.first_tried_at, q.pinned_route, {_COLUMNS}
FROM sending_requeue q JOIN sending_delivery d ON d.mailing_id = q.mailing_id AND d.id = q.delivery {_TODAY}
LEFT JOIN sending_crash c ON c.mailing_id = d.mailing_id AND c.delivery = d.id
WHERE q.batch = %(batch)s AND q.mailing_id = %(mailing)s
ORDER BY q.position NULLS LAST, d.seq
"""


def load(*, now: datetime, claimed: Claimed, requires_tls: bool) -> Load:
    """The batch's people, sorted by site so that one connection serves neighbours."""
    batch = claimed.batch
    found = Load()
    for row in _rows(claimed):
        _sort_in(found, now=now, claimed=claimed, row=row, requires_tls=requires_tls)
    _into_lanes(found, claimed)
    first_of_site: dict[str, int] = {}
    for place, person in enumerate(found.people):
        first_of_site.setdefault(person.destination.site, place)
    if batch.route.kind == Route.Kind.DIRECT:
        found.people.sort(key=lambda person: first_of_site[person.destination.site])
    return found


def _into_lanes(found: Load, claimed: Claimed) -> None:
    """A small provider that has no lane of its own in this mailing is in the tail."""
    if any(back.lane.startswith("other:") for back in found.returned):
        lanes = set(MailingLane.objects.filter(mailing=claimed.mailing).values_list("provider", flat=True))
        found.returned = [
            replace(back, lane=TAIL) if back.lane.startswith("other:") and back.lane not in lanes else back
            for back in found.returned
        ]


def _rows(claimed: Claimed) -> Iterable[dict[str, Any]]:
    batch = claimed.batch
    with connection.cursor() as cursor:
        cursor.execute(
            _FRESH if batch.kind == Batch.Kind.FRESH else _RETRY,
            {
                "scopes": claimed.mailing.scopes,
                "mailing": claimed.mailing.pk,
                "wave": batch.wave,
                "provider": batch.provider,
                "lo": batch.lo,
                "hi": batch.hi,
                "batch": batch.pk,
            },
        )
        names = [column.name for column in cursor.description or ()]
        # One by one: many batches begin together, and all of their rows would take as much memory again.
        return (dict(zip(names, row, strict=True)) for row in cursor.fetchall())


def _sort_in(found: Load, *, now: datetime, claimed: Claimed, row: dict[str, Any], requires_tls: bool) -> None:
    if row["is_suppressed"]:
        found.left_out.append(_left_out(now, claimed, row, OutcomeKind.SKIPPED, "suppressed"))
    elif row["email"] is None:
        found.left_out.append(_left_out(now, claimed, row, OutcomeKind.SKIPPED, "erased"))
    elif row["crashes"] >= REFUSED_AFTER:
        found.left_out.append(_left_out(now, claimed, row, OutcomeKind.REFUSED, "internal_error"))
    elif (back := _moved(now, claimed, row)) is not None:
        found.returned.append(back)
    else:
        found.people.append(_person(claimed, row, requires_tls=requires_tls))


def _left_out(now: datetime, claimed: Claimed, row: dict[str, Any], kind: str, reason: str) -> Settled:
    return Settled(
        mailing=claimed.mailing.pk,
        delivery=row["id"],
        attempt=row["attempt"],
        kind=kind,
        reason=reason,
        provider=claimed.batch.provider,
        route=claimed.route.pk,
        batch=claimed.batch.pk,
        at=now,
    )


def _moved(now: datetime, claimed: Claimed, row: dict[str, Any]) -> Return | None:
    """Its domain is served by another provider than the batch is for, or nobody knows by whom."""
    lane = claimed.batch.provider
    provider = row["provider"] or UNKNOWN
    if provider == UNKNOWN or row["domain_state"] != "ok":
        if claimed.route.kind != Route.Kind.DIRECT and lane == UNKNOWN:
            return None  # a relay looks up the domain itself
        wait = NOT_LOOKED_UP_AGAIN / settings.TIME_FACTOR
        return _back(row, UNKNOWN, now + wait, first_tried_at=now, reason=Requeue.Reason.NOT_LOOKED_UP)
    if provider == lane or (lane == TAIL and provider.startswith("other:")):
        return None
    return _back(row, provider, now, first_tried_at=None, reason=Requeue.Reason.PROVIDER_MOVED)


def _back(row: dict[str, Any], lane: str, due_at: datetime, *, first_tried_at: datetime | None, reason: str) -> Return:
    return Return(
        delivery=row["id"],
        lane=lane,
        due_at=due_at,
        attempt=row["attempt"],
        counted=row["counted"],
        first_tried_at=row["first_tried_at"] or first_tried_at,
        pinned_route=None,
        reason=reason,
        position=row["seq"],
    )


def _person(claimed: Claimed, row: dict[str, Any], *, requires_tls: bool) -> Person:
    """What is equal for many is one object: whole batches wait in memory."""
    is_known = row["provider"] not in (None, UNKNOWN) and row["domain_state"] == "ok"
    key_then = row["address_key"]
    return Person(
        delivery=row["id"],
        attempt=row["attempt"],
        counted=row["counted"],
        first_tried_at=row["first_tried_at"],
        pinned_route=row["pinned_route"],
        seq=row["seq"],
        variant=row["variant"],
        subscriber=row["subscriber_id"],
        email=row["email"],
        stored_fields=row["fields"],
        via_list=row["via_list"],
        key_then=key_then,
        key_now=key_then if row["key_now"] == key_then else row["key_now"],
        destination=_destination(claimed.route, row, requires_tls=requires_tls),
        domain=intern(row["domain"]),
        provider=intern(row["provider"]) if is_known else "",
    )


def _destination(route: Route, row: dict[str, Any], *, requires_tls: bool) -> Destination:
    """A relay or an ESP is one site, whoever the message is for: its connection serves them all."""
    if route.kind != Route.Kind.DIRECT:
        return _shared(f"route:{route.pk}", (), requires_tls)
    return _shared(row["site"] or row["domain"], tuple(row["mx"] or ()), requires_tls)


@lru_cache(maxsize=4096)
def _shared(site: str, hosts: tuple[str, ...], requires_tls: bool) -> Destination:
    """One for all who live there."""
    return Destination(site=site, hosts=hosts, requires_tls=requires_tls)


def _decoded(fields: Any) -> Mapping[str, Any]:
    """Django's cursors give jsonb as text, psycopg's own as values."""
    if isinstance(fields, str):
        fields = json.loads(fields)
    return fields if isinstance(fields, dict) else {}
