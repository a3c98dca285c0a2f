"""What colleagues do to people, written down: who, when and what was touched, never a value."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from audiences.models import PersonChange, PersonField, Subscriber
from audiences.pure.field_values import BadValue, value_of


def note_changes(*, now: datetime, people: Iterable[Subscriber], what: str, user_id: int | None) -> None:
    PersonChange.objects.bulk_create(
        PersonChange(address_key=person.address_key, what=what[:200], by_id=user_id, at=now) for person in people
    )


class BadField(ValueError):
    """What was typed is no value of the field `key`; the text says why."""

    def __init__(self, key: str, sentence: str) -> None:
        super().__init__(sentence)
        self.key = key


def revise(
    *, now: datetime, subscriber_id: int, typed: Mapping[str, str], language: str, user_id: int | None
) -> list[str]:
    """Set fields from what was typed (empty: take the field away); returns the keys that changed. Raises BadField."""
    kinds = dict(PersonField.objects.values_list("key", "kind"))
    with transaction.atomic():
        person = Subscriber.objects.select_for_update(no_key=True).get(pk=subscriber_id)
        fields = dict(person.fields)
        for key, text in typed.items():
            _set(fields, key, text.strip(), str(kinds.get(key, PersonField.Kind.TEXT)))
        changed = sorted(key for key in {*fields, *person.fields} if fields.get(key) != person.fields.get(key))
        if language != person.language:
            changed.append("language")
        if changed:
            person.fields, person.language, person.updated_at = fields, language, now
            person.save(update_fields=["fields", "language", "updated_at"])
            note_changes(now=now, people=[person], what=f"Changed: {', '.join(changed)}", user_id=user_id)
        return changed


def _set(fields: dict[str, Any], key: str, text: str, kind: str) -> None:
    if not text:
        fields.pop(key, None)
        return
    if as_typed(fields.get(key)) == text:
        return
    try:
        fields[key] = value_of(kind, text.replace("\0", "\ufffd"))
    except BadValue as error:
        raise BadField(key, str(error)) from error


def as_typed(value: object) -> str:
    """A field's value as a form shows it."""
    if value is None:
        return ""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
