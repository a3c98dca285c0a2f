"""Pages of people by key, not by number: the thousandth page costs what the first one does."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import OuterRef, Subquery

from audiences.choosing import Chosen
from audiences.models import Subscriber, Suppression
from audiences.querysets import SubscriberQuerySet
from words.typed import is_whole

SIZE = 50
# Up to so many rows a count is exact; above it the planner's estimate will do.
EXACT_BELOW = 100_000


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """`after` is what to ask for the next page with; empty on the last one."""

    people: list[Subscriber]
    after: str


def page_of_people(chosen: Chosen, *, after: str = "") -> PeoplePage:
    """Newest first; with a search, by address."""
    beginning = chosen.q
    people = chosen.people().for_people_page(by_address=bool(beginning))
    rows = list(_after(people, after, by_address=bool(beginning))[: SIZE + 1])
    shown = rows[:SIZE]
    if len(rows) <= SIZE:
        return PeoplePage(shown, "")
    return PeoplePage(shown, str(shown[-1].pk))


def _after(people: SubscriberQuerySet, after: str, *, by_address: bool) -> SubscriberQuerySet:
    """Told by a number in either order: addresses in links end up in logs, and could be found by halving."""
    if not is_whole(after):
        return people
    if not by_address:
        return people.filter(pk__lt=int(after))
    last = Subscriber.objects.filter(pk=after).values_list("email", flat=True).first()
    return people.filter(email__gt=last) if last else people


@dataclass(frozen=True, slots=True)
class SuppressionPage:
    rows: Sequence[Suppression]
    after: str


def page_of_suppressions(*, after: str = "", reason: str = "") -> SuppressionPage:
    """Latest first. Keyed by id: rows are written in the order of time."""
    email = Subscriber.objects.filter(address_key=OuterRef("address_key")).values("email")[:1]
    # `email` is empty for addresses we know as a key only: imported as suppressed, or erased.
    rows = Suppression.objects.select_related("created_by").annotate(email=Subquery(email)).order_by("-pk")
    if reason:
        rows = rows.filter(reason=reason)
    if is_whole(after):
        rows = rows.filter(pk__lt=int(after))
    found = list(rows[: SIZE + 1])
    return SuppressionPage(found[:SIZE], str(found[SIZE - 1].pk) if len(found) > SIZE else "")


def number_of_people() -> tuple[int, bool]:
    """How many people there are, and whether that is exact. PostgreSQL's estimate is good to a few per cent."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = 'audiences_subscriber'::regclass")
        estimate = int(cursor.fetchone()[0])
    return (estimate, False) if estimate > EXACT_BELOW else (Subscriber.objects.count(), True)
