"""Press a campaign and its audience into rows: one Mailing, a Delivery for everyone who may be written to, an Excluded
with the reason for everybody else. Set-based, in one transaction; pressing twice under one key is harmless.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from django.db import connection, transaction

from sending import hours, partitions
from sending.lane_totals import make_and_lock
from sending.models import Mailing, MailingMessage, SplitTest, Stream
from sending.pure.guard import canaries
from sending.pure.hours import Hour
from sending.pure.split import REST, Split, in_test
from sending.unnamed_visits import new_salt

# Sites with fewer people than this share one lane, so that fifty thousand tiny sites are not fifty thousand batches.
TAIL_BELOW = 50
# A domain that DNS says takes no mail is left out only when it has said so for a day: one bad answer proves nothing.
CONFIRMED_BAD_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMailing:
    """What a mailing is before it has rows. `launch_key` names the decision to send: equal keys are one mailing."""

    name: str
    launch_key: str
    pool_id: int
    sending_domain_id: int
    from_address: str
    stream: str
    scopes: Sequence[str]
    included_lists: Sequence[int] = ()
    deadline: datetime | None = None
    per_hour: int | None = None
    overflow: bool | None = None
    # Are opens and clicks counted without names (unnamed_visits.py)?
    totals_only: bool = False
    is_test: bool = False
    is_open: bool = False
    # Does a small random part go first at every large provider, and the rest when it is judged (guard.py)?
    first_part: bool = False
    # Do some people get each of its messages, and the others the winner (split_test.py)? None: it has one message.
    split: Split | None = None
    # When each wave may begin (hours.py); whoever divides people among waves does so before. Empty: all at once.
    hours: Sequence[Hour] = ()


@dataclass(frozen=True, slots=True)
class Audience:
    """A query that yields each chosen person once: subscriber_id, address_key, domain, via_list, engaged_at, reason.

    `reason` is NULL for those to be written to, else one of `Excluded.Reason`. A column `to_address` is optional in
    meaning: NULL, or the colleague a test goes to.
    """

    sql: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chosen(Audience):
    """The people of an audience as they lie ready for the press until the transaction ends: cheap to count and to look
    at first."""


def press(
    *,
    now: datetime,
    new: NewMailing,
    messages: Sequence[Mapping[str, Any]],
    audience: Audience,
) -> Mailing:
    """Write the mailing, its messages (variant 0, 1, …, as CompiledMessage JSON) and its people; all or nothing.

    Whom the caller chose already, in this transaction, is not chosen anew. Raises ValueError for a test at hours: its
    winner is one decision for everybody.
    """
    if new.split is not None and new.hours:
        raise ValueError("A test and hours of each person do not go together.")
    with transaction.atomic():
        mailing, created = _mailing(now, new)
        if not created:
            return mailing
        MailingMessage.objects.bulk_create(
            MailingMessage(mailing=mailing, variant=variant, compiled=dict(compiled))
            for variant, compiled in enumerate(messages)
        )
        partitions.ensure(mailing.pk)
        if not isinstance(audience, Chosen):
            choose(now=now, audience=audience)
        _leave_out(mailing.pk)
        people = _people_by_lane()
        first = _first_parts(people) if new.first_part else {}
        test = _test_of(mailing, new.split, len(messages), sum(people.values()))
        _deliver(mailing.pk, first, test)
        _open_lanes(mailing.pk, people)
        if test is not None:
            _hold_for_winner(mailing.pk)
        _hold_back(mailing.pk, first, people)
        hours.write(now=now, mailing_id=mailing.pk, waves=new.hours)
        _count(mailing)
        if mailing.stream == Stream.MARKETING and not mailing.is_test:
            _let_rest(now)
    return mailing


LaneOf: TypeAlias = tuple[int, str]


def _first_parts(people: Mapping[LaneOf, int]) -> dict[LaneOf, UUID]:
    """In the first wave that is large enough at a provider. Whose domain nobody has looked up yet belongs to no
    provider that could be judged."""
    found: dict[str, tuple[LaneOf, UUID]] = {}
    for lane in sorted(people):
        provider = lane[1]
        below = canaries({provider: people[lane]}).get(provider) if provider != "unknown" else None
        if below is not None:
            found.setdefault(provider, (lane, below))
    return dict(found.values())


def _test_of(mailing: Mailing, split: Split | None, variants: int, people: int) -> SplitTest | None:
    if split is None:
        return None
    n = in_test(people, share=split.share, variants=variants)
    return SplitTest.objects.create(
        mailing=mailing,
        variants=variants,
        share=split.share,
        by=split.by,
        wait=split.wait,
        people=n,
        rest=people - n,
    )


def append(*, now: datetime, mailing: Mailing, audience: Audience) -> int | None:
    """Add people to an open mailing (a day's confirmations); returns how many came in. Nobody comes in twice.

    None, and nothing is written, when the mailing was closed, paused or stopped: then nobody would be written to.
    """
    with transaction.atomic():
        still_open = Mailing.objects.filter(pk=mailing.pk, is_open=True, state=Mailing.State.RUNNING)
        locked = still_open.select_for_update(no_key=True).first()
        if locked is None:
            return None
        before = locked.total
        choose(now=now, audience=audience)
        _drop_those_already_in(locked.pk)
        _leave_out(locked.pk)
        _take_in_those_left_out(locked.pk)
        _lock_lanes(locked.pk)
        _deliver(locked.pk)
        _open_lanes(locked.pk, _people_by_lane())
        _count(locked)
    return locked.total - before


def _mailing(now: datetime, new: NewMailing) -> tuple[Mailing, bool]:
    return Mailing.objects.get_or_create(
        launch_key=new.launch_key,
        defaults={
            "name": new.name,
            "stream": new.stream,
            "is_test": new.is_test,
            "is_open": new.is_open,
            "pool_id": new.pool_id,
            "sending_domain_id": new.sending_domain_id,
            "from_address": new.from_address,
            "scopes": list(new.scopes),
            "included_lists": list(new.included_lists),
            "deadline": new.deadline,
            "per_hour": new.per_hour,
            "overflow": new.overflow,
            "visit_salt": new_salt() if new.totals_only else None,
            "state": Mailing.State.RUNNING,
            "state_since": now,
            "launched_at": now,
        },
    )


def choose(*, now: datetime, audience: Audience) -> Chosen:
    """Everybody chosen, with the lane they belong to; a temporary table, gone with the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS chosen")
        cursor.execute(
            f"""
            CREATE TEMPORARY TABLE chosen ON COMMIT DROP AS
            SELECT a.subscriber_id, a.address_key, a.domain, a.via_list, a.engaged_at, a.to_address,
                   coalesce(d.provider, 'unknown') AS provider, 0::smallint AS wave,
                   CASE WHEN a.reason IS NOT NULL THEN a.reason
                        WHEN d.state IN ('no_mail', 'not_found') AND d.bad_since < %(bad_before)s
                        THEN 'no_mail_domain' END AS reason
            FROM ({audience.sql}) a
            LEFT JOIN reputation_recipientdomain d ON d.domain = a.domain
            """,
            {**audience.params, "bad_before": now - CONFIRMED_BAD_AFTER},
        )
        cursor.execute(
            """
            UPDATE chosen SET provider = 'tail'
            WHERE provider IN (SELECT provider FROM chosen
                               WHERE reason IS NULL AND provider LIKE 'other:%%'
                               GROUP BY provider HAVING count(*) < %s)
            """,
            [TAIL_BELOW],
        )
    return Chosen("SELECT * FROM chosen", {})


def _leave_out(mailing_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO sending_excluded (mailing_id, subscriber_id, reason)
            SELECT %s, subscriber_id, reason FROM chosen WHERE reason IS NOT NULL
            ON CONFLICT DO NOTHING
            """,
            [mailing_id],
        )


def _drop_those_already_in(mailing_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM chosen c USING sending_delivery d
            WHERE d.mailing_id = %s AND d.address_key = c.address_key
            """,
            [mailing_id],
        )


def _take_in_those_left_out(mailing_id: int) -> None:
    """Whoever may be written to by now is on one side of the account only."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM sending_excluded x USING chosen c
            WHERE x.mailing_id = %s AND x.subscriber_id = c.subscriber_id AND c.reason IS NULL
            """,
            [mailing_id],
        )


def _let_rest(now: datetime) -> None:
    """Whoever wants fewer letters gets this one and rests after it (audiences.frequency). They are few."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE audiences_mailfrequency f SET rests_until = %s + f.days * interval '1 day'
            FROM chosen c WHERE c.subscriber_id = f.subscriber_id AND c.reason IS NULL
            """,
            [now],
        )


def _lock_lanes(mailing_id: int) -> None:
    """Of an open mailing others move lanes at the same time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT provider FROM chosen WHERE reason IS NULL")
        make_and_lock(cursor, {(mailing_id, 0, provider) for (provider,) in cursor.fetchall()})


def _people_by_lane() -> dict[LaneOf, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT wave, provider, count(*) FROM chosen WHERE reason IS NULL GROUP BY 1, 2 ORDER BY 1, 2")
        return {(wave, provider): n for wave, provider, n in cursor.fetchall()}


# A person's random number in this mailing: who is in the first part of one is not in that of every other.
CHANCE = "md5({key}::text || %(mailing)s)::uuid"


# Of a test: everybody's place in the order of those numbers says who is in it, and who of them gets what
# (`pure.split.variant_at`). Whoever is in the first part is, were it larger than the test.
_VARIANT = f"""CASE WHEN NOT is_rest OR chance_place <= %(in_test)s THEN (chance_place - 1) %% %(variants)s
                   ELSE {REST} END"""


def _deliver(mailing_id: int, first: Mapping[LaneOf, UUID] | None = None, test: SplitTest | None = None) -> None:
    """Most recently engaged first; the rest, and everyone in the tail, in an order that keeps a site's people apart.
    Before all of them, where a lane has such a bound in `first`, those whose random number is below it; then those of
    the test.

    Both numbers come out of one sort, which is half of the work here.
    """
    own = CHANCE.format(key="address_key")
    place = f"row_number() OVER (ORDER BY {own}, address_key)" if test else "0"
    variant, order = (_VARIANT, "is_rest, variant < 0") if test else ("0", "is_rest")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH people AS NOT MATERIALIZED (
                SELECT *, md5(address_key::text)::uuid AS chance FROM chosen WHERE reason IS NULL
            ), turns AS (
                SELECT *, NULL::bigint AS turn FROM people WHERE provider <> 'tail'
                UNION ALL
                SELECT *, row_number() OVER (PARTITION BY wave, domain ORDER BY chance)
                FROM people WHERE provider = 'tail'
            ), parts AS (
                SELECT turns.*, CASE WHEN first.below IS NULL THEN true
                                     ELSE {own} >= first.below END AS is_rest, {place} AS chance_place
                FROM turns LEFT JOIN unnest(%(waves)s::int[], %(lanes)s::text[], %(below)s::uuid[])
                                  AS first (of_wave, lane, below)
                  ON first.lane = turns.provider AND first.of_wave = turns.wave
            ), varied AS (SELECT *, {variant} AS variant FROM parts
            ), placed AS (
                SELECT *,
                       row_number() OVER (PARTITION BY wave, provider
                                          ORDER BY {order}, turn, engaged_at DESC NULLS LAST, chance) AS place,
                       row_number() OVER (ORDER BY wave, provider, {order}, turn, engaged_at DESC NULLS LAST, chance)
                           AS number
                FROM varied
            )
            INSERT INTO sending_delivery
                (mailing_id, id, wave, provider, seq, subscriber_id, address_key, domain, via_list, rank, variant,
                 to_address)
            SELECT %(mailing)s,
                   number + (SELECT coalesce(max(id), 0) FROM sending_delivery WHERE mailing_id = %(mailing)s),
                   wave, provider,
                   place + coalesce((SELECT l.release_seq FROM sending_mailinglane l
                                     WHERE l.mailing_id = %(mailing)s AND l.wave = placed.wave
                                       AND l.provider = placed.provider), 0),
                   subscriber_id, address_key, domain, via_list, 0, variant, to_address
            FROM placed
            """,
            {
                "mailing": mailing_id,
                "waves": [wave for wave, _ in first or ()],
                "lanes": [provider for _, provider in first or ()],
                "below": list((first or {}).values()),
                "in_test": test.people if test else 0,
                "variants": test.variants if test else 1,
            },
        )


def _open_lanes(mailing_id: int, people: Mapping[LaneOf, int]) -> None:
    """Everything is released at first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO sending_mailinglane (mailing_id, wave, provider, total, next_seq, release_seq, state)
            SELECT %s, wave, provider, n, 1, n, 'open'
            FROM unnest(%s::int[], %s::text[], %s::int[]) AS people (wave, provider, n) ORDER BY wave, provider
            ON CONFLICT (mailing_id, wave, provider) DO UPDATE
            SET total = sending_mailinglane.total + excluded.total,
                release_seq = sending_mailinglane.release_seq + excluded.total
            """,
            [mailing_id, [wave for wave, _ in people], [at for _, at in people], list(people.values())],
        )


def _count(mailing: Mailing) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE sending_mailing m SET
                total = (SELECT coalesce(sum(total), 0) FROM sending_mailinglane WHERE mailing_id = %(mailing)s),
                n_excluded = left_out.n, excluded_by = left_out.by_reason
            FROM (SELECT coalesce(sum(n), 0) AS n, coalesce(jsonb_object_agg(reason, n), '{}') AS by_reason
                  FROM (SELECT reason, count(*) AS n FROM sending_excluded
                        WHERE mailing_id = %(mailing)s GROUP BY reason) reasons) left_out
            WHERE m.id = %(mailing)s
            """,
            {"mailing": mailing.pk},
        )
    mailing.refresh_from_db(fields=["total", "n_excluded", "excluded_by"])


_HOLD_FOR_WINNER = f"""
UPDATE sending_mailinglane l SET tested = part.n, release_seq = part.n, for_winner = l.release_seq - part.n
FROM (SELECT provider, count(*) FILTER (WHERE variant <> {REST}) AS n
      FROM sending_delivery WHERE mailing_id = %(mailing)s GROUP BY provider) part
WHERE l.mailing_id = %(mailing)s AND l.wave = 0 AND l.provider = part.provider
"""
_COUNT_TEST = """
UPDATE sending_splittest t SET people = n.tested, rest = n.waiting
FROM (SELECT sum(tested) AS tested, sum(for_winner) AS waiting FROM sending_mailinglane
      WHERE mailing_id = %(mailing)s HAVING count(*) > 0) n
WHERE t.mailing_id = %(mailing)s
"""


def _hold_for_winner(mailing_id: int) -> None:
    """Release those of the test only; what lies behind them waits."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLD_FOR_WINNER, {"mailing": mailing_id})
        cursor.execute(_COUNT_TEST, {"mailing": mailing_id})


# They lie first in their lane, so the index of places leads to all of them and few others.
_HOLD_BACK = f"""
UPDATE sending_mailinglane l SET canary = part.n, release_seq = part.n, held_back = l.release_seq - part.n
FROM (SELECT of_wave, lane,
             (SELECT count(*) FROM sending_delivery d
              WHERE d.mailing_id = %(mailing)s AND d.wave = of_wave AND d.provider = lane AND d.seq <= most
                AND {CHANCE.format(key="d.address_key")} < below) AS n
      FROM unnest(%(waves)s::int[], %(lanes)s::text[], %(below)s::uuid[], %(most)s::int[])
        AS first (of_wave, lane, below, most)) part
WHERE l.mailing_id = %(mailing)s AND l.wave = part.of_wave AND l.provider = part.lane AND part.n > 0
"""


def _hold_back(mailing_id: int, first: Mapping[LaneOf, UUID], people: Mapping[LaneOf, int]) -> None:
    """Release the first part of these lanes only. It is as large as chance made it: about the share that was asked."""
    if not first:
        return
    expected = [people[lane] * below.int / 2**128 for lane, below in first.items()]
    most = [round(n + 10 * n**0.5 + 10) for n in expected]
    with connection.cursor() as cursor:
        cursor.execute(
            _HOLD_BACK,
            {
                "mailing": mailing_id,
                "waves": [wave for wave, _ in first],
                "lanes": [provider for _, provider in first],
                "below": list(first.values()),
                "most": most,
            },
        )
