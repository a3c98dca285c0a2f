"""The web version of a letter: composed the way it was sent, for the same person, nothing tracked. And the letter to
hand on: for nobody in particular.
"""

from dataclasses import dataclass
from datetime import datetime
from email.parser import BytesParser
from email.policy import SMTP

from django.conf import settings
from django.urls import reverse

from sending.doors.addresses import door_address
from sending.doors.visits import compiled_of, person_of
from sending.models import Mailing, Stream
from sending.pure import tokens
from sending.pure.compose import Composed, RecipientContext, SystemValues, compose, prepare
from sending.pure.personalise import PersonalisationFailed
from sending.pure.split import REST


def version_of(*, mailing_id: int, delivery_id: int, now: datetime) -> str | None:
    """The HTML of one person's letter; None when mailing, person or text is gone."""
    found = person_of(mailing_id, delivery_id)
    if found is None:
        return None
    mailing, delivery, person = found
    compiled = compiled_of(mailing_id, mailing.message_of(delivery.variant))
    if compiled is None:
        return None
    lists = tuple(mailing.included_lists) if delivery.via_list is not None else ()
    leave = tokens.Unsubscribe(person.pk, mailing.pk, delivery.id, lists, mailing.stream, mailing.is_test)
    system = SystemValues(
        message_id=f"<web@{mailing.from_address.rpartition('@')[2]}>",
        date=now,
        links=compiled.links,
        unsubscribe_url=door_address("unsubscribe", leave),
        preferences_url=door_address("preferences", tokens.Preferences(person.pk, mailing.is_test)),
        web_version_url=door_address("web", tokens.Web(mailing.pk, delivery.id, mailing.is_test)),
    )
    try:
        letter = compose(
            prepare(compiled), recipient=RecipientContext(email=person.email, fields=person.fields), system=system
        )
    except PersonalisationFailed:
        return None
    return _shared(letter).html or None


@dataclass(frozen=True, slots=True)
class Shared:
    """A letter that names nobody."""

    subject: str
    html: str


def shared_version(*, mailing_id: int, now: datetime) -> Shared | None:
    """A campaign's letter without a person: fallbacks in place of fields, and its links are nobody's.

    None when mailing or text is gone, when it was a test or no campaign, and when it says nothing without a person.
    """
    mailing = Mailing.objects.filter(pk=mailing_id, stream=Stream.MARKETING, is_test=False).first()
    compiled = compiled_of(mailing_id, mailing.message_of(REST)) if mailing else None
    if mailing is None or compiled is None:
        return None
    domain = mailing.from_address.rpartition("@")[2]
    # Whoever reads it and gets our letters as well enters an address to choose.
    ask = settings.PUBLIC_URL + reverse("door-ask")
    system = SystemValues(
        message_id=f"<web@{domain}>",
        date=now,
        links=compiled.links,
        unsubscribe_url=ask,
        preferences_url=ask,
        web_version_url=door_address("share", tokens.Share(mailing_id)),
    )
    try:
        letter = compose(prepare(compiled), recipient=RecipientContext(email=f"you@{domain}", fields={}), system=system)
    except PersonalisationFailed:
        return None
    found = _shared(letter)
    return found if found.html else None


def _shared(letter: Composed) -> Shared:
    message = BytesParser(policy=SMTP).parsebytes(letter.as_bytes())
    parts = list(message.iter_parts())
    return Shared(str(message["Subject"]), str(parts[-1].get_content()) if parts else "")
