"""Read a kept webhook call: its events become the same facts that reports by mail become."""

import logging
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from anymail.signals import EventType, RejectReason
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.db import OperationalError, transaction

from audiences.keys import key_of
from audiences.pure.addresses import BadAddress
from sending import feedback
from sending.doors import leaving
from sending.doors.visits import is_machine
from sending.esp.catalogue import ESPS, Esp
from sending.esp.rewriting import REFERENCE
from sending.facts import SAME_EVENT
from sending.feedback import Sent
from sending.inbound.acting import NOBODY, Result, as_by_click
from sending.models import Delivery, Event, Inbound, Outcome, Route
from sending.pure import tokens, verp

log = logging.getLogger(__name__)

_LINK = re.compile(r"/l/([A-Za-z0-9_-]{20,800})/([0-9]{1,4})$")
_REPLY_TYPE = re.compile(r"^\s*[A-Za-z][\w-]{0,20}\s?;\s*")
_BOUNCES = {EventType.BOUNCED, EventType.FAILED, EventType.REJECTED}
_NOT_SETTLED = "not settled"


@dataclass(frozen=True, slots=True)
class Told:
    """One event, as anymail reads it, and when it happened."""

    event: Any
    at: datetime
    esp: str

    @property
    def same(self) -> UUID:
        """Equal for the same event told twice; providers' own ids may be absent."""
        event = self.event
        said = (self.esp, event.event_type, event.message_id, event.recipient, event.timestamp, event.click_url)
        return uuid5(SAME_EVENT, "|".join(map(str, said)))


def read(*, now: datetime, row: Inbound) -> Result:
    """Act on every event of the call, each in a transaction of its own; the events that can't be read are counted."""
    route = Route.objects.filter(pk=int(row.source.partition(":")[2]), kind=Route.Kind.ESP).first()
    esp = ESPS.get(route.esp) if route else None
    if route is None or esp is None:
        return Result("hook", "Its route is gone.", Inbound.State.FAILED)
    try:
        events = parse(raw=bytes(row.raw), content_type=row.headers.get("type", ""), esp=esp)
    except Exception as error:  # noqa: BLE001 - a foreign format: whatever it breaks, the call is kept
        return Result(
            "hook", f"{esp.title}'s call can't be read: {type(error).__name__}: {error}", Inbound.State.FAILED
        )
    became = Counter(_tell_safely(Told(event, _at(event, row), esp.name), route) for event in events)
    waits = became[_NOT_SETTLED] and now - row.received_at < feedback.SETTLED_WITHIN
    words = ", ".join(f"{n} {what}" for what, n in sorted(became.items())) or "no events"
    failed = became["failed"] == len(events) > 0
    state = Inbound.State.NEW if waits else Inbound.State.FAILED if failed else Inbound.State.DONE
    return Result("hook", words, state, again=bool(waits))


def parse(*, raw: bytes, content_type: str, esp: Esp) -> list[Any]:
    """The events of a call, as anymail's view for this provider reads them. Raises whatever that raises."""
    request = WSGIRequest(
        {
            "REQUEST_METHOD": "POST",
            "SERVER_NAME": "kept",
            "SERVER_PORT": "443",
            "wsgi.url_scheme": "https",
            "wsgi.input": BytesIO(raw),
            "CONTENT_LENGTH": str(len(raw)),
            "CONTENT_TYPE": content_type,
        }
    )
    return list(esp.webhook_view("not asked again").parse_events(request))


def _at(event: Any, row: Inbound) -> datetime:
    """When it happened; never after we heard of it."""
    at = event.timestamp
    return min(at, row.received_at) if isinstance(at, datetime) and at.tzinfo is not None else row.received_at


def _tell_safely(told: Told, route: Route) -> str:
    try:
        return _tell(told, route)
    except OperationalError:
        raise
    except Exception:
        log.exception("An event of route %s could not be read", route.pk)
        return "failed"


def _tell(told: Told, route: Route) -> str:
    """One event. Returns what it came to, in a word or two."""
    sent = find(told.event, route=route)
    if sent is None:
        return "about no message of ours"
    if doubt := sent.doubt(told.at):
        return _NOT_SETTLED if doubt in ("not_settled", "not_sent") else "too old"
    kind = told.event.event_type
    if kind in _BOUNCES and told.event.reject_reason != RejectReason.UNSUBSCRIBED:
        return _bounced(told, sent)
    with transaction.atomic():
        return _other(told, sent, kind)


def _bounced(told: Told, sent: Sent) -> str:
    """By the receiver's own words; a provider's description is a phrase for all cases and proves nothing."""
    words = _REPLY_TYPE.sub("", str(told.event.mta_response or ""))
    line = words or "550 The reason is not given."
    understood = feedback.understand(sent=sent, line=line, phase="report", recipient=told.event.recipient, at=told.at)
    with transaction.atomic():
        source = f"{told.esp}, mailing {sent.mailing.pk}"
        news = feedback.bounced(at=told.at, sent=sent, understood=understood, source=source)
    return "bounced" if news else "told before"


def _other(told: Told, sent: Sent, kind: str) -> str:
    if kind == EventType.DELIVERED:
        feedback.delivered(at=told.at, sent=sent)
    elif kind == EventType.COMPLAINED:
        feedback.complained(at=told.at, sent=sent, source=f"{told.esp}, mailing {sent.mailing.pk}")
    elif kind in (EventType.OPENED, EventType.CLICKED):
        _visited(told, sent, kind)
    elif kind in (EventType.UNSUBSCRIBED, EventType.REJECTED):
        leaving.leave(now=told.at, asked=as_by_click(sent), everything=False, source=told.esp, evidence=NOBODY)
    elif kind == EventType.AUTORESPONDED:
        feedback.auto_replied(at=told.at, sent=sent)
    else:
        return f"{kind}, which changes nothing"
    return str(kind)


def _visited(told: Told, sent: Sent, kind: str) -> None:
    feedback.visited(
        at=told.at,
        sent=sent,
        kind=Event.Kind.OPENED if kind == EventType.OPENED else Event.Kind.CLICKED,
        link=_link_of(str(told.event.click_url or ""), sent),
        by_machine=is_machine(str(told.event.user_agent or "")),
        same=told.same,
    )


def _link_of(url: str, sent: Sent) -> int | None:
    """The number of the link, when it led to our own door."""
    if (found := _LINK.search(urlsplit(url).path)) is None:
        return None
    try:
        letter = tokens.read(found[1], "link", keys=settings.TOKEN_KEYS)
    except tokens.BadToken:
        return None
    return int(found[2]) if (letter.mailing, letter.delivery) == (sent.mailing.pk, sent.delivery.id) else None


# -- Whose event -------------------------------------------------------------------------------------------------------


def find(event: Any, *, route: Route) -> Sent | None:
    """The delivery by our signed reference, else by recipient and the provider's id; only if this route sent it."""
    sent = _by_reference(event) or _by_recipient(event, route)
    if sent is None or (sent.outcome is not None and sent.outcome.route_id not in (None, route.pk)):
        return None
    return sent


def _by_reference(event: Any) -> Sent | None:
    metadata = event.metadata if isinstance(event.metadata, dict) else {}
    for value in (metadata.get(REFERENCE), event.message_id):
        try:
            what = verp.read_message_id(str(value or ""), keys=settings.TOKEN_KEYS)
        except verp.BadToken:
            continue
        return None if what.test else feedback.find_sent(mailing_id=what.mailing, delivery_id=what.delivery)
    return None


def _by_recipient(event: Any, route: Route) -> Sent | None:
    try:
        key = key_of(str(event.recipient or ""))
    except BadAddress:
        return None
    if not event.message_id:
        return None
    remote = re.sub(r"[<>\s]", "", str(event.message_id))[:120]
    mailings = Delivery.objects.filter(address_key=key).values_list("mailing_id", "id")
    for mailing_id, delivery_id in mailings.order_by("-mailing_id")[:100]:
        sent_here = Outcome.objects.filter(mailing_id=mailing_id, delivery=delivery_id, route_id=route.pk)
        if sent_here.filter(remote_id=remote).exists():
            return feedback.find_sent(mailing_id=mailing_id, delivery_id=delivery_id)
    return None
