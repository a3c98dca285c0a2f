"""What the tests of inbound mail share: letters as they really leave, reports about them, and a listener to send to."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count

from audiences.models import Subscriber
from lab.arf import Complaint, complaint
from lab.dsn import Failure, bounce
from sending.inbound import reading, receiving
from sending.inbound.listener import Listener
from sending.letters import Writer
from sending.loading import Person
from sending.models import Delivery, Inbound, Mailing, Outcome, Route
from sending.transports import Destination, Letter
from tests.cast import direct_route, newsletter, people, pressed
from tests.sending.engine import letter

UNKNOWN_USER = "550-5.1.1 The email account that you tried to reach does not exist.\n550 5.1.1 Please check it. - gsmtp"
BAD_NAME = "550 5.7.1 [192.0.2.9] Our system has detected that this message is likely unsolicited mail"
_numbers = count()


def campaign(now: datetime, n: int = 1, *, domain: str = "gmail.com", key: str = "campaign:1", **changes) -> Mailing:
    """A mailing to `n` people that is about to leave."""
    readers = newsletter()
    people(n, on=readers, domain=domain, prefix=key.replace(":", ""))
    return pressed(now, readers, key=key, messages=[letter()], **changes)


def accepted(mailing: Mailing, *, at: datetime, kind: str = "accepted", route: Route | None = None) -> list[Delivery]:
    """Everybody's outcome, as the engine records it."""
    everyone = list(Delivery.objects.filter(mailing_id=mailing.pk).order_by("id"))
    for delivery in everyone:
        Outcome.objects.create(
            mailing_id=mailing.pk,
            delivery=delivery.id,
            attempt=1,
            kind=kind,
            provider=delivery.provider,
            route_id=(route or direct_route()).pk,
            at=at,
        )
    return everyone


def written(mailing: Mailing, delivery: Delivery, *, now: datetime) -> Letter:
    """The very letter that this delivery gets."""
    person = Subscriber.objects.get(pk=delivery.subscriber_id)
    return Writer(mailing=mailing, key=None).write(
        Person(
            delivery=delivery.id,
            attempt=1,
            counted=0,
            first_tried_at=None,
            seq=delivery.seq,
            variant=delivery.variant,
            subscriber=person.pk,
            email=person.email,
            stored_fields=person.fields,
            via_list=delivery.via_list,
            key_then=delivery.address_key,
            key_now=person.address_key,
            destination=Destination(site="x"),
        ),
        now=now,
    )


def bounce_of(sent: Letter, *, style: str = "postfix", reply: str = UNKNOWN_USER, recipient: str = "", now) -> bytes:
    """What a receiver of that make sends back, some minutes later."""
    return bounce(
        style,
        Failure(
            host="mx.example",
            address="127.0.0.9",
            client_ip="127.0.1.1",
            sender=sent.mail_from,
            recipient=recipient or sent.rcpt_to,
            raw=sent.content,
            message_id=header(sent, "Message-ID"),
            subject="Hello",
            reply=reply,
            when=now.timestamp() + next(_numbers),
            arrived=now.timestamp(),
            token="4bQ1x2",
        ),
    )


def complaint_of(sent: Letter, *, style: str = "yahoo", now: datetime) -> bytes:
    return complaint(
        style,
        Complaint(
            host="mx.example",
            client_ip="127.0.1.1",
            sender=sent.mail_from,
            recipient=sent.rcpt_to,
            feedback_address="fbl@bounce.news.harbour.example",
            domain="news.harbour.example",
            subject="Hello",
            raw=sent.content,
            when=now.timestamp() + next(_numbers),
            arrived=now.timestamp(),
            token="9fE7c1",
        ),
    )


def header(sent: Letter, name: str) -> str:
    head = sent.content.partition(b"\r\n\r\n")[0].decode().replace("\r\n ", " ")
    return next(line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith(name.lower() + ":"))


def take_in(raw: bytes, *, rcpt: str, now: datetime, sender: str = "") -> Inbound:
    """Kept and read, as the listener and the worker do."""
    came = receiving.arrival(source="smtp", raw=raw, mail_from=sender, rcpt_to=rcpt)
    inbound_id = receiving.keep(now=now, came=came)
    if inbound_id is not None:
        reading.read(now=now, inbound_id=inbound_id)
    return Inbound.objects.get(digest=came.digest)


@contextmanager
def listening(now: datetime, *, lmtp: bool = False) -> Iterator[tuple[tuple[str, int], list[int]]]:
    """The listener on a port of its own; yields its address and the ids it woke."""
    woken: list[int] = []
    loop = asyncio.new_event_loop()
    listener = Listener(host="127.0.0.1", port=0, lmtp=lmtp, clock=lambda: now, wake=woken.append)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(listener.start(), loop).result(10), woken
    finally:
        asyncio.run_coroutine_threadsafe(listener.stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


LATER = timedelta(minutes=30)
