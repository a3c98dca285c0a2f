"""Visits of mailings that count without names: totals, and nothing that says who was there.

Each person still counts once. What is kept of a first visit is its hour, its link, the message (variant) and a
fingerprint of it under a salt of the mailing: the same visit has the same fingerprint, and it names nobody. As long as
the salt is there, whoever reads the database could try each delivery; it is thrown away when nothing is counted any
more, and then nobody can.
"""

import secrets
from datetime import datetime

from django.conf import settings

from sending.facts import LATE_FOR
from sending.models import Mailing

SALT_BYTES = 32
# Later visits of such a mailing are not counted: nobody could tell any more whether they were counted before.
COUNTED_FOR = LATE_FOR
NO_SALT = b""


def _print(parts: str) -> str:
    return f"encode(substr(sha256(%(salt)s || convert_to(concat_ws(':', {parts}), 'UTF8')), 1, 16), 'hex')::uuid"


# A row stands for somebody: `delivery` is -1 less the variant, so that it is nobody's, and the dedupe key is the
# fingerprint. A first visit to a link has a row with the link, a first visit at all one without.
WRITE = f"""
WITH told AS MATERIALIZED (
    SELECT t.delivery, t.kind, t.at, t.link, t.by_machine, d.wave, d.provider, d.variant
    FROM unnest(%(delivery)s::bigint[], %(kind)s::text[], %(at)s::timestamptz[], %(link)s::smallint[],
                %(by_machine)s::boolean[]) AS t (delivery, kind, at, link, by_machine)
    JOIN sending_delivery d ON d.mailing_id = %(mailing)s AND d.id = t.delivery AND d.to_address IS NULL
), firsts AS (
    SELECT kind, wave, provider, variant, by_machine, NULL::smallint AS link, min(at) AS at,
           {_print("kind, delivery, by_machine")} AS print,
           {_print("kind, delivery, NOT by_machine")} AS other
    FROM told GROUP BY kind, delivery, wave, provider, variant, by_machine
), link_firsts AS (
    SELECT kind, variant, link, min(at) AS at,
           {_print("kind, delivery, 'link', link")} AS print
    FROM told WHERE kind = 'clicked' AND NOT by_machine AND link IS NOT NULL GROUP BY kind, delivery, variant, link
), kept AS (
    INSERT INTO sending_event (mailing_id, delivery, kind, at, link, by_machine, dedupe)
    SELECT %(mailing)s, -1 - variant, kind, date_trunc('hour', at), link, by_machine, print
    FROM (SELECT kind, variant, at, link, by_machine, print FROM firsts UNION ALL
          SELECT kind, variant, at, link, false, print FROM link_firsts) one ORDER BY print
    ON CONFLICT DO NOTHING RETURNING link, dedupe
), links AS (
    INSERT INTO sending_linkcount (mailing_id, link, n)
    SELECT %(mailing)s, link, count(*) FROM kept WHERE link IS NOT NULL GROUP BY link ORDER BY link
    ON CONFLICT (mailing_id, link) DO UPDATE SET n = sending_linkcount.n + excluded.n
), news AS (
    SELECT f.*, EXISTS (SELECT 1 FROM sending_event e WHERE e.dedupe = f.other) AS was_other,
           EXISTS (SELECT 1 FROM firsts o WHERE o.print = f.other) AS with_other
    FROM firsts f JOIN kept k ON k.dedupe = f.print
), moves AS (
    SELECT wave, provider, kind, 1 AS n FROM news WHERE NOT by_machine
    UNION ALL
    SELECT wave, provider, kind || '_by_machine', CASE WHEN by_machine THEN 1 ELSE -1 END FROM news
    WHERE CASE WHEN by_machine THEN NOT was_other AND NOT with_other ELSE was_other END
), counted AS (
    INSERT INTO sending_mailingcount (mailing_id, wave, provider, kind, n)
    SELECT %(mailing)s, wave, provider, kind, sum(n) FROM moves GROUP BY wave, provider, kind ORDER BY 2, 3, 4
    ON CONFLICT (mailing_id, wave, provider, kind) DO UPDATE SET n = sending_mailingcount.n + excluded.n
)
SELECT count(*) FROM news WHERE NOT by_machine
"""


def new_salt() -> bytes:
    return secrets.token_bytes(SALT_BYTES)


def throw_salts_away(*, now: datetime) -> int:
    """Of mailings launched so long ago that nothing is counted any more; returns how many."""
    old = Mailing.objects.filter(launched_at__lte=now - COUNTED_FOR / settings.TIME_FACTOR)
    return old.exclude(visit_salt=None).exclude(visit_salt=NO_SALT).update(visit_salt=NO_SALT)
