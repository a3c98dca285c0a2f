"""The web version of a letter: composed the way it was sent, for the same person, nothing tracked."""

from datetime import datetime
from email.parser import BytesParser
from email.policy import SMTP

from sending.doors.addresses import door_address
from sending.doors.visits import compiled_of, person_of
from sending.pure import tokens
from sending.pure.compose import RecipientContext, SystemValues, compose, prepare
from sending.pure.personalise import PersonalisationFailed


def version_of(*, mailing_id: int, delivery_id: int, now: datetime) -> str | None:
    """The HTML of one person's letter; None when mailing, person or text is gone."""
    found = person_of(mailing_id, delivery_id)
    compiled = compiled_of(mailing_id, found[1].variant) if found else None
    if found is None or compiled is None:
        return None
    mailing, delivery, person = found
    lists = tuple(mailing.included_lists) if delivery.via_list is not None else ()
    leave = tokens.Unsubscribe(person.pk, mailing.pk, delivery.id, lists, mailing.stream, mailing.is_test)
    system = SystemValues(
        message_id=f"<web@{mailing.from_address.rpartition('@')[2]}>",
        date=now,
        link_url=compiled.links.__getitem__,
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
    parts = list(BytesParser(policy=SMTP).parsebytes(letter.as_bytes()).iter_parts())
    return str(parts[-1].get_content()) if parts else None
