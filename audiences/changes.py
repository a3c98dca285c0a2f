"""What colleagues do to people, written down: who, when and what was touched, never a value."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from audiences.models import PersonChange, PersonField, Subscriber
from audiences.pure import columns
from audiences.pure.field_values import BadValue, value_of


def note_changes(*, now: datetime, people: Iterable[Subscriber], what: str, user_id: int | None) -> None:
    PersonChange.objects.bulk_create(
        PersonChange(address_key=person.address_key, what=what[:200], by_id=user_id, at=now) for person in people
    )


class FieldType(NamedTuple):
    """A kind of `PersonField`, and what may be chosen."""

    kind: str
    options: tuple[str, ...]


class BadField(ValueError):
    """What was typed is no value of the field `key`; the text says why."""

    def __init__(self, key: str, sentence: str) -> None:
        super().__init__(sentence)
        self.key = key


def revise(
    *, now: datetime, subscriber_id: int, typed: Mapping[str, str], language: str, user_id: int | None
) -> list[str]:
    """Set fields from what was typed (empty: take the field away); returns the keys that changed. Raises BadField."""
    known = types_of_fields()
    with transaction.atomic():
        person = Subscriber.objects.select_for_update(no_key=True).get(pk=subscriber_id)
        fields = dict(person.fields)
        for key, text in typed.items():
            _set(fields, key, text.strip(), known.get(key) or type_of_new(key))
        changed = sorted(key for key in {*fields, *person.fields} if fields.get(key) != person.fields.get(key))
        if language != person.language:
            changed.append("language")
        if changed:
            person.fields, person.language, person.updated_at = fields, language, now
            person.save(update_fields=["fields", "language", "updated_at"])
            note_changes(now=now, people=[person], what=f"Changed: {', '.join(changed)}", user_id=user_id)
        return changed


def types_of_fields() -> dict[str, FieldType]:
    """What each personal field holds, by its key."""
    rows = PersonField.objects.values_list("key", "kind", "options")
    return {key: FieldType(kind, tuple(options)) for key, kind, options in rows}


def type_of_new(key: str) -> FieldType:
    """What a field holds that nobody has defined."""
    return FieldType(PersonField.Kind.TIME_ZONE if key == columns.TIME_ZONE else PersonField.Kind.TEXT, ())


def _set(fields: dict[str, Any], key: str, text: str, kind: FieldType) -> None:
    if not text:
        fields.pop(key, None)
        return
    if as_typed(fields.get(key)) == text:
        return
    try:
        fields[key] = value_of(kind.kind, text.replace("\0", "\ufffd"), kind.options)
    except BadValue as error:
        raise BadField(key, str(error)) from error


def as_typed(value: object) -> str:
    """A field's value as a form shows it."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
