"""A choice of lists, counted while it is being made: exactly where that takes no longer than somebody waits for it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import OperationalError, connection, transaction

from campaigns.audience import Choice, Crowd, audience_by, crowd_by

# Whoever chooses looks at the number after each tick; once more, and for longer, when they have stopped.
AT_ONCE_MS, PATIENTLY_MS = 2_000, 10_000
# People behind an estimate. Keys are keyed hashes, so those below one of them are chance, and an index finds them.
LOOKED_AT = 20_000
_KEYS = 2**128


@dataclass(frozen=True, slots=True)
class Count:
    """`again`: how often somebody stands on one more of the lists; nobody gets it twice. `entries`, what the lists
    have together, less `again` is `crowd.total`."""

    crowd: Crowd
    again: int
    is_exact: bool

    @property
    def entries(self) -> int:
        return self.crowd.total + self.again


def counted(choice: Choice, *, now: datetime, within_ms: int = AT_ONCE_MS) -> Count | None:
    """Exactly, or estimated where that takes longer; None where even that does."""
    exact = _in_time(choice, within_ms, now, share=1)
    return exact or _in_time(choice, AT_ONCE_MS, now, share=min(1, LOOKED_AT / max(1, _people())))


def _in_time(choice: Choice, within_ms: int, now: datetime, *, share: float) -> Count | None:
    """PostgreSQL itself ends what takes too long, whether somebody still waits for it or not."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(within_ms)])
            if share == 1:
                crowd = crowd_by(audience_by(choice, now=now))
                return Count(crowd, _entries(choice) - crowd.total if choice.after is None else 0, is_exact=True)
            cursor.execute(_SOME, [UUID(int=int(share * _KEYS))])
            few = [pk for (pk,) in cursor.fetchall()]
            crowd = crowd_by(audience_by(choice, now=now, among=few))
            again = _entries(choice, few) - crowd.total if choice.after is None else 0
            return _scaled(Count(crowd, again, is_exact=False), share)
    except OperationalError:
        return None


def _people() -> int:
    """As PostgreSQL estimates; -1 before it has looked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = 'audiences_subscriber'::regclass")
        ((n,),) = cursor.fetchall()
    return int(n)


_SOME = "SELECT id FROM audiences_subscriber WHERE address_key < %s"
_ENTRIES = "SELECT count(*) FROM audiences_subscription WHERE list_id = ANY(%s)"


def _entries(choice: Choice, among: list[int] | None = None) -> int:
    narrower, params = ("", []) if among is None else (" AND subscriber_id = ANY(%s)", [among])
    with connection.cursor() as cursor:
        cursor.execute(_ENTRIES + narrower, [list(choice.included), *params])
        ((n,),) = cursor.fetchall()
    return int(n)


def _scaled(count: Count, share: float) -> Count:
    """To what they stand for, each part rounded by itself, so that the sums hold."""
    left_out = {reason: rounded(n / share) for reason, n in count.crowd.left_out.items()}
    recipients = rounded(count.crowd.recipients / share)
    by_provider = {provider: round(n / share) for provider, n in count.crowd.by_provider.items()}
    crowd = Crowd(recipients + sum(left_out.values()), recipients, left_out, by_provider)
    return Count(crowd, rounded(count.again / share), is_exact=False)


def rounded(n: float) -> int:
    """To two digits that mean something: 41,000 for 41,237."""
    whole = round(n)
    return round(whole, 2 - len(str(whole)))
