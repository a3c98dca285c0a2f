"""One person's message written once more as it left: the whole of it, with headers, signature and links of its own."""

from datetime import datetime

from audiences.models import Subscriber
from reputation.dkim_keys import signing_key
from sending.letters import Writer
from sending.loading import Person
from sending.message_story import Story
from sending.pure.personalise import PersonalisationFailed
from sending.transports import Destination


def copy_of(story: Story, *, at: datetime) -> bytes | None:
    """As it was written `at` that moment, signed with today's key; None when the person or the text is gone."""
    person = story.person
    if person is None:
        return None
    writer = Writer(mailing=story.mailing, key=signing_key(story.mailing.sending_domain_id))
    try:
        return writer.write(_person(story, person), now=at).content
    except (PersonalisationFailed, KeyError):
        return None


def _person(story: Story, person: Subscriber) -> Person:
    delivery = story.delivery
    return Person(
        delivery=delivery.id,
        attempt=story.outcome.number if story.outcome else 1,
        counted=0,
        first_tried_at=None,
        seq=delivery.seq,
        variant=story.mailing.message_of(delivery.variant),
        subscriber=person.pk,
        email=story.email,
        stored_fields=person.fields,
        via_list=delivery.via_list,
        key_then=delivery.address_key,
        key_now=person.address_key,
        destination=Destination(site=delivery.domain),
    )
