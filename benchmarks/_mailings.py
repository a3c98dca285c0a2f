"""Many people, mailings and rows, made by the database itself: what a year of campaigns leaves behind."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

# Shares of a thousand people by mail domain. The five mid-sized hosts get lanes of their own, the small ones the tail.
_DOMAIN = """CASE WHEN share < 400 THEN 'gmail.com' WHEN share < 600 THEN 'hotmail.com'
                  WHEN share < 720 THEN 'yahoo.com' WHEN share < 780 THEN 'gmx.de'
                  WHEN share < 900 THEN 'mid' || share %% 5 || '.example'
                  WHEN share < 998 THEN 'small' || n %% %(sites)s || '.example'
                  ELSE 'unknown' || n || '.example' END"""
_PEOPLE = f"""
WITH people AS (
    INSERT INTO audiences_subscriber (email, address_key, domain, fields, language, last_engaged_at)
    SELECT 'reader' || n || '@' || domain, md5('reader' || n)::uuid, domain,
           jsonb_build_object('first_name', 'Ada' || n), '',
           CASE WHEN n %% 5 < 3 THEN %(now)s - make_interval(secs => abs(hashint8(n)) %% 31000000) END
    FROM (SELECT n, {_DOMAIN} AS domain
          FROM (SELECT n, abs(hashint4(n)) %% 1000 AS share FROM generate_series(1, %(people)s) n) shares) placed
    RETURNING id
)
INSERT INTO audiences_subscription (subscriber_id, list_id, state, since, source)
SELECT id, %(list)s, CASE id %% 100 WHEN 0 THEN 'unsubscribed' WHEN 1 THEN 'unconfirmed' ELSE 'subscribed' END,
       %(now)s, 'benchmark'
FROM people
"""
_SITES = """
INSERT INTO reputation_recipientdomain (domain, provider, site, mx, state, checked_at, expires_at, n_failures,
                                        last_error)
SELECT domain, 'other:' || domain, domain, ARRAY['127.0.0.1'], 'ok', %(now)s, %(now)s + interval '1 year', 0, ''
FROM (SELECT DISTINCT domain FROM audiences_subscriber WHERE domain ~ '^(mid|small)') known
"""
_SUPPRESSED = """
INSERT INTO audiences_suppression (address_key, scope, reason, source, evidence, created_at)
SELECT address_key, '*', 'bounced', 'benchmark', '{}', %(now)s FROM audiences_subscriber WHERE id %% 100 = 2
"""
# In an order of its own: any stretch of it has all providers.
_SAMPLE = """
CREATE UNLOGGED TABLE bench_people AS
SELECT row_number() OVER (ORDER BY address_key) - 1 AS place, provider, domain, subscriber_id, address_key, via_list
FROM sending_delivery WHERE mailing_id = %s;
ALTER TABLE bench_people ADD PRIMARY KEY (place);
ANALYZE bench_people
"""
_DELIVERIES = """
INSERT INTO sending_delivery (mailing_id, id, wave, provider, seq, subscriber_id, address_key, domain, via_list)
SELECT m, n, 0, provider, row_number() OVER (PARTITION BY m, provider ORDER BY n), subscriber_id, address_key, domain,
       via_list
FROM unnest(%(mailings)s::bigint[]) m CROSS JOIN generate_series(1, %(each)s) n
JOIN bench_people p ON p.place = (m * 7919 + n) %% (SELECT count(*) FROM bench_people)
"""
_LANES = """
INSERT INTO sending_mailinglane (mailing_id, wave, provider, total, next_seq, release_seq, state)
SELECT mailing_id, 0, provider, count(*), CASE WHEN m.state = 'running' THEN 1 ELSE count(*) + 1 END, count(*), 'open'
FROM sending_delivery JOIN sending_mailing m ON m.id = mailing_id
WHERE mailing_id = ANY(%(mailings)s) GROUP BY mailing_id, m.state, provider
"""
_OUTCOMES = """
INSERT INTO sending_outcome (mailing_id, delivery, attempt, kind, provider, route_id, batch_id, at)
SELECT d.mailing_id, d.id, 1, 'accepted', d.provider, 1, d.id, %(now)s - interval '30 days'
FROM sending_delivery d JOIN sending_mailing m ON m.id = d.mailing_id
WHERE d.mailing_id = ANY(%(mailings)s) AND m.state = 'done'
"""
# Some of each mailing were put off; half of them are due.
_DEFERRED = """
INSERT INTO sending_requeue (mailing_id, delivery, wave, provider_now, due_at, attempt, counted, first_tried_at, reason)
SELECT d.mailing_id, d.id, 0, d.provider, %(now)s + make_interval(mins => (d.id %% 60)::int - 30), 2, 1,
       %(now)s - interval '1 hour', 'deferred'
FROM sending_delivery d JOIN sending_mailing m ON m.id = d.mailing_id
WHERE d.mailing_id = ANY(%(mailings)s) AND m.state = 'running' AND d.id <= 20
"""
_AT_ONCE = 20


def crowd(n: int, *, now: datetime) -> None:
    """`n` people on the newsletter: four big providers, five mid-sized hosts, small sites, some nobody knows."""
    from tests.cast import domains_known, newsletter
    from tests.sending.engine import point

    domains_known()
    for domain in ("gmail.com", "hotmail.com", "yahoo.com", "gmx.de"):
        point(domain, "127.0.0.1")
    params: dict[str, Any] = {"people": n, "sites": max(1, n // 50), "list": newsletter().pk, "now": now}
    with connection.cursor() as cursor:
        for statement in (_PEOPLE, _SITES, _SUPPRESSED):
            cursor.execute(statement, params)
        cursor.execute("VACUUM ANALYZE")


def sample_from(mailing: int) -> None:
    """The people of this mailing are those of all that `fill` makes."""
    with connection.cursor() as cursor:
        cursor.execute(_SAMPLE, [mailing])


def fill(ids: Sequence[int], *, each: int, like: int, now: datetime) -> None:
    """Mailings with these ids, of `each` deliveries: every second one is done, the others wait as a whole."""
    from sending import partitions

    _mailings(ids, like, now)
    with connection.cursor() as cursor:
        for pk in ids:
            partitions.ensure(pk)
        for start in range(0, len(ids), _AT_ONCE):
            params: dict[str, Any] = {"mailings": list(ids[start : start + _AT_ONCE]), "each": each, "now": now}
            for statement in (_DELIVERIES, _LANES, _OUTCOMES, _DEFERRED):
                cursor.execute(statement, params)
        cursor.execute("VACUUM ANALYZE")


def _mailings(ids: Sequence[int], like: int, now: datetime) -> None:
    """From four domains, by two pools of two addresses each; some with a limit or a deadline of their own."""
    from sending.models import Mailing, MailingMessage
    from tests.cast import direct_route, pool_of

    domains = [_signing_domain(f"news{number}.harbour.example", now) for number in range(4)]
    routes = [direct_route(f"127.0.1.{number}") for number in range(1, 5)]
    pools = [pool_of(*routes[:2]), pool_of(*routes[2:])]
    for pool in pools:
        pool.overflow = True
        pool.save(update_fields=["overflow"])
    template = Mailing.objects.get(pk=like)
    letter = MailingMessage.objects.get(mailing=like).compiled
    made = []
    for place, pk in enumerate(ids):
        waits = place % 2 == 0
        made.append(
            Mailing(
                id=pk, name=f"Mailing {pk}", launch_key=f"campaign:made{pk}", pool=pools[place // 2 % 2],
                sending_domain=domains[place // 2 % 4], from_address=template.from_address, scopes=template.scopes,
                included_lists=template.included_lists, state="running" if waits else "done", state_since=now,
                launched_at=now, per_hour=5000 if place % 40 == 0 else None,
                deadline=now + timedelta(hours=5) if place % 40 == 2 else None,
            )
        )  # fmt: skip
    Mailing.objects.bulk_create(made, batch_size=500)
    MailingMessage.objects.bulk_create(
        (MailingMessage(mailing=mailing, compiled=letter) for mailing in made if mailing.state == "running"),
        batch_size=200,
    )


def _signing_domain(name: str, now: datetime) -> Any:
    from reputation import dkim_keys
    from tests.cast import verified_domain

    domain = verified_domain(name)
    if not domain.keys.exists():
        key = dkim_keys.make(now=now, domain=domain)
        key.state = "active"
        key.save(update_fields=["state"])
        dkim_keys._cached.clear()
    return domain
