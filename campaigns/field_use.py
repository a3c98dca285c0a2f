"""Personal fields: who uses them, and what stands in the way of changing or deleting one.

Fields belong to people; letters that name them are known on this floor only.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import OperationalError, connection, transaction
from django.db.models import F, Q

from audiences.changes import as_typed
from audiences.models import PersonField, Subscriber
from audiences.pure.field_values import BadValue, FieldValue, value_of
from campaigns.models import Campaign, Revision

COUNT_WITHIN_MS = 2_000
# So many people's values are changed while somebody waits.
CONVERTED_AT_ONCE = 20_000
SHOWN = 20
_FIELD = re.compile(r"contact\.(\w+)")


def people_with_fields() -> dict[str, int] | None:
    """How many people have a value, by field; None where counting takes longer than two seconds."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(COUNT_WITHIN_MS)])
            cursor.execute(
                "SELECT key, count(*) FROM audiences_subscriber, jsonb_object_keys(fields) AS key GROUP BY key"
            )
            return dict(cursor.fetchall())
    except OperationalError:
        return None


def campaigns_using(key: str) -> list[Campaign]:
    """Campaigns still to be sent whose letter, subject or preview line names the field."""
    return uses_of(f"contact.{key}").get(key, [])


def uses_of(named: str = "contact.") -> dict[str, list[Campaign]]:
    """Field → campaigns still to be sent that name it, the latest first; `named` must stand in them. One query."""
    texts = Q(letter__contains=named) | Q(subject__contains=named) | Q(preheader__contains=named)
    waiting = [Campaign.State.DRAFT, Campaign.State.SCHEDULED, Campaign.State.MISSED]
    rows = Revision.objects.filter(texts, number=F("campaign__rev"), campaign__state__in=waiting)
    found: dict[str, list[Campaign]] = {}
    for row in rows.select_related("campaign").order_by("-campaign"):
        for key in set(_FIELD.findall(f"{row.letter}\n{row.subject}\n{row.preheader}")):
            found.setdefault(key, []).append(row.campaign)
    return found


class FieldInUse(ValueError):
    """Campaigns use it; `campaigns` says which."""

    def __init__(self, campaigns: list[Campaign]) -> None:
        super().__init__("Letters that wait to be sent use this field.")
        self.campaigns = campaigns


def delete(*, field_id: int) -> None:
    """Drop a field; what people have in it stays with them. Raises FieldInUse."""
    with transaction.atomic():
        row = PersonField.objects.select_for_update().get(pk=field_id)
        if used := campaigns_using(row.key):
            raise FieldInUse(used)
        row.delete()


@dataclass(frozen=True, slots=True)
class Change:
    """What another kind would do: `bad` are people (and their value, and why) that keep it as it is."""

    n: int
    n_bad: int
    bad: list[tuple[Subscriber, str, str]]

    @property
    def is_too_many(self) -> bool:
        return self.n > CONVERTED_AT_ONCE


def what_would_change(*, key: str, kind: str, options: Sequence[str] = ()) -> Change:
    """Try every value as the new kind, or for its new choices. Above CONVERTED_AT_ONCE people, only at those."""
    people = Subscriber.objects.filter(fields__has_key=key).order_by("pk")
    n = people[: CONVERTED_AT_ONCE + 1].count()
    bad = []
    for person in people[:CONVERTED_AT_ONCE].iterator(chunk_size=2000):
        value = as_typed(person.fields[key])
        try:
            value_of(kind, value, options)
        except BadValue as error:
            bad.append((person, value, str(error)))
    return Change(n, len(bad), bad[:SHOWN])


def change_kind(*, key: str, kind: str, options: Sequence[str] = ()) -> None:
    """Turn every value that can be into the new kind; the others stay as they are."""
    with transaction.atomic():
        rows = Subscriber.objects.select_for_update(no_key=True).filter(fields__has_key=key).order_by("pk")
        changed = []
        for person in rows:
            value = _converted(person.fields[key], kind, options)
            if value != person.fields[key] or type(value) is not type(person.fields[key]):
                person.fields[key] = value
                changed.append(person)
        Subscriber.objects.bulk_update(changed, ["fields"], batch_size=1000)


def _converted(value: FieldValue, kind: str, options: Sequence[str]) -> FieldValue:
    try:
        return value_of(kind, as_typed(value), options)
    except BadValue:
        return value
