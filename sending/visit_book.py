"""Write visits down: clicks and opens, many at once, each counted once.

Every visit is kept as an event. The first click (or open) of a delivery by a person counts for the mailing, and says
that this person is engaged; a delivery that only programs visited is counted apart; a link counts each person once.
Mailings that count without names keep less (unnamed_visits.py). What came first is read from the rows, so whoever
writes visits of a mailing holds its lock until the commit.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from audiences.activity import engaged
from sending.array_literals import numbers, stamps, texts, uuids
from sending.facts import same_event
from sending.models import Mailing
from sending.unnamed_visits import NO_SALT
from sending.unnamed_visits import WRITE as WRITE_UNNAMED


class Visit(NamedTuple):
    """One click or open (`kind`, of Event.Kind). `same`: equal when somebody else tells the same visit twice."""

    mailing: int
    delivery: int
    kind: str
    at: datetime
    link: int | None = None
    by_machine: bool = False
    same: UUID | None = None


# A second of clicks is no reason to wait for the disk; thousands at once take longer than a page may.
_IN_PASSING = """
SELECT set_config('synchronous_commit', 'off', true), set_config('statement_timeout', '60s', true)
"""
_LOCK = """
SELECT pg_advisory_xact_lock(hashtext('sending.visits'), (mailing %% 2147483647)::int)
FROM (SELECT mailing FROM unnest(%s::bigint[]) mailing ORDER BY mailing) in_order
"""
# Test mail means nothing, and what is no longer kept cannot be visited. The look back is one entry of the index for
# each person, however often they were here: LIMIT keeps the planner from reading all events instead.
_WRITE = """
WITH told AS MATERIALIZED (
    SELECT t.*, d.wave, d.provider, d.subscriber_id
    FROM unnest(%(delivery)s::bigint[], %(kind)s::text[], %(at)s::timestamptz[], %(link)s::smallint[],
                %(by_machine)s::boolean[], %(first)s::uuid[], %(same)s::uuid[])
         WITH ORDINALITY AS t (delivery, kind, at, link, by_machine, first, same, n)
    JOIN sending_delivery d ON d.mailing_id = %(mailing)s AND d.id = t.delivery AND d.to_address IS NULL
), visited AS (
    SELECT delivery, kind, wave, provider, subscriber_id, bool_or(NOT by_machine) AS by_person,
           min(n) FILTER (WHERE NOT by_machine) AS first_n, min(at) FILTER (WHERE NOT by_machine) AS at
    FROM told GROUP BY delivery, kind, wave, provider, subscriber_id
), known AS MATERIALIZED (
    SELECT v.*, person.was IS NOT NULL AS was_by_person, machine.was IS NOT NULL AS was_by_machine
    FROM visited v
    LEFT JOIN LATERAL (SELECT true AS was FROM sending_event e
                       WHERE e.mailing_id = %(mailing)s AND e.kind = v.kind AND e.delivery = v.delivery
                         AND NOT e.by_machine LIMIT 1) person ON true
    LEFT JOIN LATERAL (SELECT true AS was FROM sending_event e
                       WHERE e.mailing_id = %(mailing)s AND e.kind = v.kind AND e.delivery = v.delivery
                         AND e.by_machine LIMIT 1) machine ON true
), kept AS (
    INSERT INTO sending_event (mailing_id, delivery, kind, at, link, by_machine, dedupe)
    SELECT %(mailing)s, t.delivery, t.kind, t.at, t.link, t.by_machine,
           CASE WHEN t.n = k.first_n AND NOT k.was_by_person THEN t.first ELSE t.same END AS dedupe
    FROM told t JOIN known k USING (delivery, kind) ORDER BY dedupe, t.n
    ON CONFLICT DO NOTHING
), links AS (
    INSERT INTO sending_linkcount (mailing_id, link, n)
    SELECT %(mailing)s, c.link, count(*)
    FROM (SELECT DISTINCT delivery, link FROM told
          WHERE kind = 'clicked' AND NOT by_machine AND link IS NOT NULL) c
    LEFT JOIN LATERAL (SELECT true AS was FROM sending_event e
                       WHERE e.mailing_id = %(mailing)s AND e.kind = 'clicked' AND e.delivery = c.delivery
                         AND NOT e.by_machine AND e.link = c.link LIMIT 1) person ON true
    WHERE person.was IS NULL GROUP BY c.link ORDER BY c.link
    ON CONFLICT (mailing_id, link) DO UPDATE SET n = sending_linkcount.n + excluded.n
), moves AS (
    SELECT wave, provider, kind, 1 AS n FROM known WHERE by_person AND NOT was_by_person
    UNION ALL
    SELECT wave, provider, kind || '_by_machine', CASE WHEN by_person THEN -1 ELSE 1 END FROM known
    WHERE NOT was_by_person AND was_by_machine = by_person
), counted AS (
    INSERT INTO sending_mailingcount (mailing_id, wave, provider, kind, n)
    SELECT %(mailing)s, wave, provider, kind, sum(n) FROM moves GROUP BY wave, provider, kind ORDER BY 2, 3, 4
    ON CONFLICT (mailing_id, wave, provider, kind) DO UPDATE SET n = sending_mailingcount.n + excluded.n
)
SELECT subscriber_id, at FROM known WHERE by_person AND NOT was_by_person
"""


def write(visits: Sequence[Visit]) -> int:
    """Keep and count these visits; returns how many counted: a person's first of their kind. All or nothing.

    Visits of test mail and of deliveries no longer kept leave nothing.
    """
    if not visits:
        return 0
    in_order = sorted(visits, key=lambda visit: visit.mailing)
    by_mailing = {mailing: list(those) for mailing, those in groupby(in_order, lambda visit: visit.mailing)}
    first_seen: list[tuple[int, datetime]] = []
    unnamed = 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK, [numbers(by_mailing)])
        salts = _salts(by_mailing)
        for mailing, those in by_mailing.items():
            salt = salts.get(mailing)
            if salt is None:
                cursor.execute(_WRITE, _params(mailing, those))
                first_seen += cursor.fetchall()
            elif salt != NO_SALT:
                cursor.execute(WRITE_UNNAMED, {**_params(mailing, those), "salt": salt})
                unnamed += (cursor.fetchone() or (0,))[0]
        # Last: its row locks are those an unsubscription may wait for.
        engaged(at=_earliest(first_seen))
    return len(first_seen) + unnamed


def _salts(mailings: Iterable[int]) -> dict[int, bytes]:
    """Of the mailings that count without names."""
    found = Mailing.objects.filter(pk__in=list(mailings)).exclude(visit_salt=None).values_list("pk", "visit_salt")
    return {pk: bytes(salt or NO_SALT) for pk, salt in found}


def write_in_passing(visits: Sequence[Visit]) -> int:
    """The same in a transaction of its own that does not wait for the disk: a power cut may take its last second."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_IN_PASSING)
        return write(visits)


def _params(mailing: int, visits: Sequence[Visit]) -> dict[str, Any]:
    return {
        "mailing": mailing,
        "delivery": numbers(visit.delivery for visit in visits),
        "kind": texts(str(visit.kind) for visit in visits),
        "at": stamps(visit.at for visit in visits),
        "link": numbers(visit.link for visit in visits),
        "by_machine": "{" + ",".join("t" if visit.by_machine else "f" for visit in visits) + "}",
        "first": uuids(_first_key(visit) for visit in visits),
        "same": uuids(visit.same for visit in visits),
    }


def _first_key(visit: Visit) -> UUID | None:
    """The name of the one fact that counts."""
    return None if visit.by_machine else same_event(visit.kind, visit.mailing, visit.delivery)


def _earliest(seen: Iterable[tuple[int, datetime]]) -> dict[int, datetime]:
    found: dict[int, datetime] = {}
    for subscriber, at in seen:
        found[subscriber] = min(at, found.get(subscriber, at))
    return found
