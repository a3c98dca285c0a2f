"""People as rows of a file: address, fields, language, the lists they get, since when we know them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db.models import prefetch_related_objects

from audiences.changes import as_typed
from audiences.frequency import frequency_of
from audiences.models import PersonChange, Subscriber, Subscription, Suppression
from audiences.pure.csv_export import csv_lines
from audiences.querysets import consent_history


def rows_of(people: Sequence[Subscriber], keys: Sequence[str]) -> Iterator[tuple[object, ...]]:
    prefetch_related_objects(list(people), "subscriptions__list")
    for person in people:
        fields = [_cell(person.fields.get(key)) for key in keys]
        lists, added = _lists(person.subscriptions.all()), person.created_at.isoformat()
        yield (person.email, *fields, person.language, lists, added)


def _lists(rows: Iterable[Subscription]) -> str:
    return ", ".join(sorted(row.list.name for row in rows if row.state == Subscription.State.SUBSCRIBED))


def _cell(value: object) -> object:
    """Numbers stay numbers."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else as_typed(value)


def table_of(data: Mapping[str, Any]) -> Iterator[str]:
    """What `about` says as a CSV of two columns: where it stands (`lists 1 name`), and what."""
    yield from csv_lines([("what", "value"), *_flat(data)])


def _flat(value: object, where: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _flat(below, f"{where} {key}".strip())
    elif isinstance(value, list) and any(isinstance(below, Mapping) for below in value):
        for number, below in enumerate(value, 1):
            yield from _flat(below, f"{where} {number}")
    else:
        yield where, _cell(value)


def about(person: Subscriber) -> dict[str, Any]:
    """Everything kept about one person, for whoever asks what that is."""
    events = consent_history(person.address_key)
    return {
        "email": person.email,
        "fields": person.fields,
        "language": person.language,
        "at_most_one_letter_in_days": frequency_of(person.pk) or None,
        "since": person.created_at.isoformat(),
        "last_engaged": person.last_engaged_at.isoformat() if person.last_engaged_at else None,
        "lists": [
            {
                "name": row.list.public_name,
                "state": row.state,
                "since": row.since.isoformat(),
                "source": row.source,
                "bought_or_asked_on": row.ground_on.isoformat() if row.ground_on else None,
            }
            for row in person.subscriptions.select_related("list").order_by("list__name")
        ],
        "consent": [
            {
                "what": event.kind,
                "list": event.list.public_name if event.list else None,
                "at": event.at.isoformat(),
                "ground": event.basis,
            }
            for event in events
        ],
        # Why we do not write, and what colleagues changed: both are by the address, and may be older than this record.
        "suppressions": [
            {
                "scope": row.scope,
                "reason": row.reason,
                "since": row.created_at.isoformat(),
                "until": row.until.isoformat() if row.until else None,
                "source": row.source,
                "evidence": row.evidence,
            }
            for row in Suppression.objects.filter(address_key=person.address_key).order_by("created_at", "pk")
        ],
        "changes": [
            {"what": change.what, "at": change.at.isoformat()}
            for change in PersonChange.objects.filter(address_key=person.address_key).order_by("at", "pk")
        ],
        "notes": [{"text": note.text, "at": note.at.isoformat()} for note in person.notes.all()],
    }
