"""Clicks, opens and the web version: what a visit means and where it leads."""

from datetime import datetime
from functools import lru_cache

from django.db import transaction

from audiences.activity import engaged
from audiences.models import Subscriber
from sending.facts import Fact, insert, same_event
from sending.models import Delivery, Event, Mailing, MailingMessage
from sending.progress import add_to_counts
from sending.pure.message import CompiledMessage

# Mail programs and scanners that fetch without anybody looking.
MACHINES = (
    "googleimageproxy-prefetch",
    "barracuda",
    "proofpoint",
    "mimecast",
    "safelinks",
    "bot",
    "crawl",
    "spider",
    "preview",
)


def is_machine(user_agent: str) -> bool:
    """Scanners name themselves; Apple's privacy proxy sends a bare `Mozilla/5.0`."""
    name = user_agent.strip().lower()
    return not name or name == "mozilla/5.0" or any(word in name for word in MACHINES)


def target_of(mailing_id: int, link: int) -> str | None:
    """The address the author wrote for this link; None when the mailing is gone or has no such link."""
    links = links_of(mailing_id)
    return links[link] if link < len(links) else None


@lru_cache(maxsize=256)
def links_of(mailing_id: int) -> tuple[str, ...]:
    message = MailingMessage.objects.filter(mailing_id=mailing_id, variant=0).first()
    return tuple(message.compiled.get("links", ())) if message else ()


def compiled_of(mailing_id: int, variant: int = 0) -> CompiledMessage | None:
    message = MailingMessage.objects.filter(mailing_id=mailing_id, variant=variant).first()
    return CompiledMessage.from_json(message.compiled) if message else None


def clicked(*, now: datetime, mailing_id: int, delivery_id: int, link: int, by_machine: bool) -> None:
    _note(
        now,
        mailing_id,
        delivery_id,
        Event.Kind.CLICKED,
        link=link,
        by_machine=by_machine,
    )


def opened(*, now: datetime, mailing_id: int, delivery_id: int, by_machine: bool) -> None:
    _note(
        now,
        mailing_id,
        delivery_id,
        Event.Kind.OPENED,
        link=None,
        by_machine=by_machine,
    )


def _note(
    now: datetime,
    mailing_id: int,
    delivery_id: int,
    kind: str,
    *,
    link: int | None,
    by_machine: bool,
) -> None:
    """Every visit is kept; the first of its kind by a person counts, and says that the person is engaged."""
    delivery = Delivery.objects.filter(mailing_id=mailing_id, id=delivery_id).first()
    if delivery is None or delivery.to_address is not None:
        return
    fact = Fact(mailing_id, delivery_id, kind, now, link=link, by_machine=by_machine)
    with transaction.atomic():
        if by_machine or not insert(fact, dedupe=same_event(kind, mailing_id, delivery_id)):
            insert(fact, dedupe=None)
            return
        add_to_counts(mailing_id=mailing_id, wave=delivery.wave, provider=delivery.provider, changes={kind: 1})
        engaged(now=now, subscriber_ids=[delivery.subscriber_id])


def person_of(mailing_id: int, delivery_id: int) -> tuple[Mailing, Delivery, Subscriber] | None:
    """Whose message this was, as long as mailing and person are still there."""
    delivery = Delivery.objects.filter(mailing_id=mailing_id, id=delivery_id).first()
    mailing = Mailing.objects.filter(pk=mailing_id).first()
    person = Subscriber.objects.filter(pk=delivery.subscriber_id).first() if delivery else None
    return (mailing, delivery, person) if mailing and delivery and person else None
