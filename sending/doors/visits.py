"""Clicks, opens and the web version: what a visit means and where it leads."""

from datetime import datetime
from functools import lru_cache

from audiences.models import Subscriber
from sending.doors.waiting_visits import waiting
from sending.models import Delivery, Event, Mailing, MailingMessage
from sending.pure.message import CompiledMessage
from sending.visit_book import Visit

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


def links_of(mailing_id: int) -> tuple[str, ...]:
    """The addresses of a mailing's links, by number; empty when its letter is gone."""
    try:
        return _frozen_links(mailing_id)
    except MailingMessage.DoesNotExist:
        return ()


@lru_cache(maxsize=512)
def _frozen_links(mailing_id: int) -> tuple[str, ...]:
    """A letter is frozen with its mailing, so what was read once leads readers on without the database."""
    links = MailingMessage.objects.values_list("compiled__links", flat=True).get(mailing_id=mailing_id, variant=0)
    return tuple(links or ())


def compiled_of(mailing_id: int, variant: int = 0) -> CompiledMessage | None:
    message = MailingMessage.objects.filter(mailing_id=mailing_id, variant=variant).first()
    return CompiledMessage.from_json(message.compiled) if message else None


def clicked(*, now: datetime, mailing_id: int, delivery_id: int, link: int, by_machine: bool) -> None:
    """Every visit is kept, within a second; the first of its kind by a person counts."""
    waiting.add(Visit(mailing_id, delivery_id, Event.Kind.CLICKED, now, link, by_machine))


def opened(*, now: datetime, mailing_id: int, delivery_id: int, by_machine: bool) -> None:
    waiting.add(Visit(mailing_id, delivery_id, Event.Kind.OPENED, now, None, by_machine))


def person_of(mailing_id: int, delivery_id: int) -> tuple[Mailing, Delivery, Subscriber] | None:
    """Whose message this was, as long as mailing and person are still there."""
    delivery = Delivery.objects.filter(mailing_id=mailing_id, id=delivery_id).first()
    mailing = Mailing.objects.filter(pk=mailing_id).first()
    person = Subscriber.objects.filter(pk=delivery.subscriber_id).first() if delivery else None
    return (mailing, delivery, person) if mailing and delivery and person else None
