"""Preferences, confirmation and privacy: what people may choose for themselves."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.utils import translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from audiences import consent, frequency
from audiences.changes import note_changes
from audiences.consent import Confirmed
from audiences.erase import erase as erase_person
from audiences.export_people import about, table_of
from audiences.models import ConsentEvent, MailingList, Subscriber, Subscription
from sending.doors.leaving import Evidence
from sending.pure.tokens import Confirm

CONFIRM_WITHIN = timedelta(days=14)
NAME_MAX = 120


def choices(subscriber_id: int) -> list[dict[str, object]]:
    """The lists a person is or was on, and whether they get them now. Never a list they did not ask for."""
    rows = Subscription.objects.filter(subscriber_id=subscriber_id, list__archived_at=None).select_related("list")
    return [
        {"list": row.list, "on": row.state == Subscription.State.SUBSCRIBED}
        for row in rows.order_by("list__public_name")
    ]


@dataclass(frozen=True, slots=True)
class Choice:
    """`wanted` are lists by their numbers; `language` is one we speak, or empty for no wish."""

    wanted: list[int]
    everything: bool = False
    language: str = ""
    # At most one letter in so many days; None says nothing about it.
    days: int | None = None
    # What they are called, by field; what is empty is not said.
    names: Mapping[str, str] = field(default_factory=dict)


def choose(*, now: datetime, subscriber_id: int, choice: Choice, evidence: Evidence) -> str:
    """Keep exactly the wanted lists; returns what changed, in a sentence of the language chosen."""
    if any(len(name) > NAME_MAX for name in choice.names.values()):
        return _("The name is too long.")
    wanted, everything = choice.wanted, choice.everything
    rows = Subscription.objects.filter(subscriber_id=subscriber_id)
    on = {row.list_id for row in rows if row.state == Subscription.State.SUBSCRIBED}
    off = {row.list_id for row in rows} - on
    left, joined = sorted(on - set(wanted)), sorted(off & set(wanted))
    with transaction.atomic():
        if left or everything:
            consent.unsubscribe(
                now=now,
                subscriber_id=subscriber_id,
                list_ids=left,
                stream_too=everything,
                source="preferences",
                evidence=evidence.as_dict(),
            )
        for list_id in joined:
            # The link came to this mailbox, so choosing here is consent confirmed by the person.
            consent.confirm(
                now=now, subscriber_id=subscriber_id, list_id=list_id, source="preferences", evidence=evidence.as_dict()
            )
        spoken = _speak(now, subscriber_id, choice.language)
        other_days = choice.days is not None and frequency.choose_frequency(
            now=now, subscriber_id=subscriber_id, days=choice.days
        )
        renamed = _rename(now, subscriber_id, choice.names)
    with translation.override(choice.language or translation.get_language()):
        if everything:
            return _("Saved. We will not write to you again.")
        told = [_told(left, _("You no longer get %(names)s.")), _told(joined, _("You get %(names)s from now on."))]
        if not (left or joined or spoken or other_days or renamed):
            return _("Nothing was changed.")
        return " ".join(sentence for sentence in (_("Saved."), *told) if sentence)


def _told(list_ids: list[int], sentence: str) -> str:
    """With the lists by the names that recipients know; nothing where there are none."""
    names = MailingList.objects.filter(pk__in=list_ids).order_by("public_name").values_list("public_name", flat=True)
    return sentence % {"names": ", ".join(names)} if list_ids else ""


def _speak(now: datetime, subscriber_id: int, code: str) -> bool:
    """Keep the language a person wants for our pages. What they see now without a wish of their own is no wish."""
    if not code or code == translation.get_language():
        return False
    people = Subscriber.objects.filter(pk=subscriber_id).exclude(language=code)
    return bool(people.update(language=code, updated_at=now))


def _rename(now: datetime, subscriber_id: int, names: Mapping[str, str]) -> bool:
    """Letters call people as they call themselves. Whoever works here sees that it was changed, and by nobody here."""
    person = Subscriber.objects.select_for_update(no_key=True).filter(pk=subscriber_id).first()
    other = {key: name for key, name in names.items() if name and person and person.fields.get(key) != name}
    if person is None or not other:
        return False
    person.fields, person.updated_at = {**person.fields, **other}, now
    person.save(update_fields=["fields", "updated_at"])
    note_changes(now=now, people=[person], what=f"Changed by themselves: {', '.join(sorted(other))}", user_id=None)
    return True


def pause_said(until: datetime) -> str:
    """The sentence that confirms a pause."""
    return _("We will not write to you until %(date)s. Then everything goes on as before.") % {
        "date": date_format(until, "DATE_FORMAT")
    }


def waiting(*, now: datetime, asked: Confirm) -> MailingList | str:
    """The list to confirm, or why that is no longer possible."""
    found = MailingList.objects.filter(pk=asked.list).first()
    if found is None or not Subscriber.objects.filter(pk=asked.subscriber).exists():
        return _("Please subscribe again.")
    confirmed = Subscription.objects.filter(
        subscriber=asked.subscriber, list=found, state=Subscription.State.SUBSCRIBED
    )
    if now - datetime.fromtimestamp(asked.issued_at, UTC) > CONFIRM_WITHIN and not confirmed.exists():
        return _("It was good for two weeks. Please subscribe again.")
    return found


def confirm(*, now: datetime, asked: Confirm, evidence: Evidence) -> Confirmed:
    """Idempotent: confirming twice is a success twice."""
    return consent.confirm(
        now=now,
        subscriber_id=asked.subscriber,
        list_id=asked.list,
        evidence=evidence.as_dict(),
        asked_at=datetime.fromtimestamp(asked.issued_at, UTC),
    )


def why_not(result: Confirmed) -> str:
    """Why the person is not subscribed after all; empty when they are."""
    return {
        Confirmed.LEFT_SINCE: _("You have unsubscribed since this link was sent. To come back, subscribe again."),
        Confirmed.SUPPRESSED: _("We may not write to this address any more. Answer one of our letters to change that."),
        Confirmed.UNKNOWN: _("This subscription is no longer here. Please subscribe again."),
    }.get(result, "")


def left_since(since: datetime, subscriber_id: int) -> bool:
    """Is there something that could be taken back?"""
    keys = Subscriber.objects.filter(pk=subscriber_id).values("address_key")
    newest = ConsentEvent.objects.filter(subject_key__in=keys).order_by("-at", "-pk").first()
    return newest is not None and newest.kind == ConsentEvent.Kind.UNSUBSCRIBED and newest.at >= since


def take_back(*, now: datetime, subscriber_id: int, evidence: Evidence) -> bool:
    """Undo what was left on the page of choices in the last ten minutes."""
    return consent.take_back(now=now, subscriber_id=subscriber_id, evidence=evidence.as_dict())


def erase(*, now: datetime, subscriber_id: int) -> None:
    """The person goes; a keyed hash stays, so that an import does not bring them back."""
    erase_person(now=now, subscriber_id=subscriber_id)


def export(subscriber_id: int, *, as_table: bool = False) -> str:
    """Everything we keep about a person, as JSON or CSV: what an admin's export of them holds."""
    person = Subscriber.objects.filter(pk=subscriber_id).first()
    data = about(person) if person else {}
    return "".join(table_of(data)) if as_table else json.dumps(data, indent=2, ensure_ascii=False)
